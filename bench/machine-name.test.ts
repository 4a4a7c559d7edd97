import { describe, expect, it } from 'vitest';
import { machineName } from './machine-name.js';

describe('machineName', () => {
  it.each([
    [2, 'AMD EPYC', '2x-amd-epyc'],
    [8, 'Intel(R) Core(TM) i7-8650U CPU @ 1.90GHz', '8x-intel-core-i7-8650u'],
    [16, 'AMD Ryzen 7 5800X 8-Core Processor', '16x-amd-ryzen-7-5800x'],
    [4, '', '4x-unknown'],
  ])('of %d CPUs "%s" is %s', (cpus, model, name) => {
    expect(machineName(cpus, model)).toBe(name);
  });
});

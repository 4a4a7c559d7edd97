import { describe, expect, it } from 'vitest';
import { costAsValue } from './frames.js';

describe('costAsValue', () => {
  const cpu = { busyCpus: 1, stealShare: 0, otherCpus: 0, workCpus: 0.4, daemonCpus: 0.2 };
  const reading = { value: 78, cost: 5, cpu, details: { 'sent kpps': 80 } };

  it('gives the CPU time as the value, and what arrived beside it', () => {
    const details = { 'received kpps': 78, 'sent kpps': 80 };
    expect(costAsValue(reading)).toEqual({ value: 5, cost: null, cpu, details });
  });

  it.each([0, Number.NaN, null])('is no reading for a CPU time of %s', (cost) => {
    expect(() => costAsValue({ ...reading, cost })).toThrow('could not be told');
  });
});

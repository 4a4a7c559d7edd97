import { describe, expect, it } from 'vitest';
import { cpuUse, parseCpuTicks } from './machine.js';

describe('parseCpuTicks', () => {
  it('reads the line of all CPUs and leaves out guest time, which user time holds already', () => {
    const text = 'cpu  10 20 30 400 5 6 7 8 900 900\ncpu0 1 1 1 1 1 1 1 1 1 1\n';
    expect(parseCpuTicks(text)).toEqual({ idle: 405, steal: 8, total: 486 });
  });

  it('refuses a text without that line', () => {
    expect(() => parseCpuTicks('cpu0 1 1 1 1 1 1 1 1\n')).toThrow(/no line of all CPUs/);
  });
});

describe('cpuUse', () => {
  it('counts what was neither idle nor stolen, in CPUs', () => {
    const before = { machine: { idle: 100, steal: 0, total: 200 }, others: 5 };
    const after = { machine: { idle: 150, steal: 10, total: 400 }, others: 25 };
    expect(cpuUse(before, after, 2)).toEqual({ busyCpus: 1.4, stealShare: 0.05, otherCpus: 0.2 });
  });

  it('never finds other programs busier than the machine', () => {
    const before = { machine: { idle: 100, steal: 0, total: 200 }, others: 0 };
    const after = { machine: { idle: 200, steal: 0, total: 400 }, others: 5000 };
    expect(cpuUse(before, after, 2)).toEqual({ busyCpus: 1, stealShare: 0, otherCpus: 1 });
  });

  it('is zero when no time has passed', () => {
    const now = { machine: { idle: 1, steal: 1, total: 3 }, others: 0 };
    expect(cpuUse(now, now, 2)).toEqual({ busyCpus: 0, stealShare: 0, otherCpus: 0 });
  });
});

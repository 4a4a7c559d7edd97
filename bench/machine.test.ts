import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { attempt } from '../lab/command.js';
import { bridgeFirewall, cpuUse, parseCpuTicks } from './machine.js';

describe('parseCpuTicks', () => {
  it('reads idle and stolen time of all CPUs, and takes the total from the clock', () => {
    const text = 'cpu  10 20 30 400 5 6 7 8 900 900\ncpu0 1 1 1 1 1 1 1 1 1 1\n';
    expect(parseCpuTicks(text, 2.5, 2)).toEqual({ idle: 405, steal: 8, total: 500 });
  });

  it('refuses a text without that line', () => {
    expect(() => parseCpuTicks('cpu0 1 1 1 1 1 1 1 1\n', 1, 1)).toThrow(/no line of all CPUs/);
  });
});

describe('cpuUse', () => {
  const sample = (idle: number, steal: number, total: number, others = 0, daemons = 0) => ({
    machine: { idle, steal, total },
    others,
    daemons,
  });

  it('counts what was neither idle nor stolen, in CPUs', () => {
    expect(cpuUse(sample(100, 0, 200, 5, 10), sample(150, 10, 400, 25, 60), 2)).toEqual({
      busyCpus: 1.4,
      stealShare: 0.05,
      otherCpus: 0.2,
      workCpus: 1.2,
      daemonCpus: 0.5,
    });
  });

  it('leaves what the machine uses when it is idle out of the work', () => {
    const use = cpuUse(sample(0, 0, 0), sample(50, 0, 200, 20), 2, 0.3);
    expect(use.busyCpus).toBe(1.5);
    expect(use.workCpus).toBeCloseTo(1);
    expect(cpuUse(sample(0, 0, 0), sample(190, 0, 200), 2, 0.3).workCpus).toBe(0);
  });

  it('never finds other programs busier than the machine', () => {
    expect(cpuUse(sample(100, 0, 200), sample(200, 0, 400, 5000), 2)).toMatchObject({
      busyCpus: 1,
      otherCpus: 1,
      workCpus: 0,
    });
  });

  it('counts nothing of daemons that were there before and not after', () => {
    expect(cpuUse(sample(0, 0, 0, 0, 80), sample(100, 0, 200, 0, 0), 2).daemonCpus).toBe(0);
  });

  it('is zero when no time has passed', () => {
    expect(cpuUse(sample(1, 1, 3), sample(1, 1, 3), 2)).toEqual({
      busyCpus: 0,
      stealShare: 0,
      otherCpus: 0,
      workCpus: 0,
      daemonCpus: 0,
    });
  });
});

describe('bridgeFirewall', () => {
  it('is what the kernel says in the namespace', async () => {
    const file = '/proc/sys/net/bridge/bridge-nf-call-iptables';
    const here = existsSync(file) && readFileSync(file, 'utf8').trim() === '1';
    expect(await bridgeFirewall({ attempt })).toBe(here);
  });

  it.each([
    ['1\n', true],
    ['0\n', false],
    ['', undefined],
  ])('reads %j', async (stdout, expected) => {
    const inside = { attempt: () => Promise.resolve({ status: 0, stdout, stderr: '' }) };
    expect(await bridgeFirewall(inside)).toBe(expected);
  });

  it('is not known without a namespace', async () => {
    expect(await bridgeFirewall(undefined)).toBeUndefined();
  });
});

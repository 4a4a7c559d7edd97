import { describe, expect, it } from 'vitest';
import { figure, markdown, type RunInfo } from './report.js';
import type { Series } from './rounds.js';
import { summarize } from './summary.js';
import type { Figure, Reading } from './workloads/workload.js';

const tcp: Figure = {
  key: 'tcp-1',
  group: 'tcp',
  title: 'TCP, 1 stream',
  unit: 'Gbit/s',
  higherIsBetter: true,
  costUnit: 'CPU s/GB',
};

const info: RunInfo = {
  machine: { cpus: 2, model: 'a CPU', kernel: '6.18', node: 'v20' },
  date: '2026-01-01',
  rounds: 1,
  seconds: 5,
  idleCpus: 0.03,
  subject: 'weft',
  systems: [
    { key: 'weft', title: 'weft', layer: 2, version: 'weft 1', guestMtu: 1450, failure: null },
    { key: 'nebula', title: 'nebula', layer: 3, version: 'nebula 1', guestMtu: 1300, failure: null },
    { key: 'n2n', title: 'n2n', layer: 2, version: 'n2n 3', guestMtu: null, failure: 'a | b' },
  ],
};

function reading(value: number, cost: number): Reading {
  const cpu = { busyCpus: 1.5, stealShare: 0, otherCpus: 0, workCpus: 1.5, daemonCpus: 0.5 };
  return { value, cost, cpu, details: { retransmits: value * 10 } };
}

describe('figure', () => {
  it.each([
    [0, '0'],
    [1304, '1304'],
    [0.8123, '0.81'],
    [0.01234, '0.012'],
    [12.345, '12.3'],
    [456.78, '457'],
  ])('%d is printed as %s', (value, text) => {
    expect(figure(value)).toBe(text);
  });
});

describe('markdown', () => {
  it('shows every system, the ratios, and why one was not measured', () => {
    const series: Series[] = [
      { figure: 'tcp-1', system: 'weft', readings: [reading(8, 2)], discarded: 3, reason: null },
      { figure: 'tcp-1', system: 'nebula', readings: [reading(4, 4)], discarded: 0, reason: null },
      { figure: 'tcp-1', system: 'n2n', readings: [null], discarded: 0, reason: 'a | b' },
    ];
    const text = markdown(info, summarize([tcp], series, 'weft'));
    expect(text).toContain('| weft | 8 (8-8) | - | 2 (2-2) | - | 0.50 (0.50-0.50) | 1 | 3 discarded |\n');
    expect(text).toContain('| nebula (L3) | 4 (4-4) | **2** (2-2) | 4 (4-4) | 0.50 (0.50-0.50) |');
    expect(text).toContain('| n2n | - | - | - | - | - | 0 | a \\| b |\n');
    expect(text).toContain('| n2n | n2n | n2n 3; failed: a \\| b | 2 | - |\n');
    expect(text).toContain('| tcp-1 | weft | retransmits | 80 (80-80) |\n');
  });
});

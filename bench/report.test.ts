import { describe, expect, it } from 'vitest';
import type { Measurement, Reading } from './measurements.js';
import { figure, markdown, spread, summarize } from './report.js';
import type { Series } from './rounds.js';

const measurement: Measurement = {
  key: 'tcp',
  title: 'TCP, 1 stream',
  unit: 'Gbit/s',
  higherIsBetter: true,
  costUnit: 'CPU s/GB',
  run: () => Promise.reject(new Error('not run here')),
};
const names = { baseline: 'kernel', subject: 'weft' };

function reading(value: number, cost = 1): Reading {
  return {
    value,
    cost,
    cpu: { busyCpus: 1.5, stealShare: 0, otherCpus: 0 },
    details: { retransmits: value * 10 },
  };
}

describe('spread', () => {
  it.each([
    [[3, 1, 2], { median: 2, low: 1, high: 3 }],
    [[4, 1, 2, 3], { median: 2.5, low: 1, high: 4 }],
    [[7], { median: 7, low: 7, high: 7 }],
  ])('of %j', (values, expected) => {
    expect(spread(values)).toEqual(expected);
  });

  it('of nothing is null', () => {
    expect(spread([])).toBeNull();
  });
});

describe('summarize', () => {
  it('takes the median of the ratios of each round, not the ratio of the medians', () => {
    const series: Series = {
      measurement: 'tcp',
      discarded: 0,
      rounds: [
        { kernel: reading(10), weft: reading(5) },
        { kernel: reading(20), weft: reading(18) },
        { kernel: reading(8), weft: reading(6.4) },
      ],
    };
    const summary = summarize(measurement, series, names);
    expect(summary.ratio?.median).toBeCloseTo(0.8);
    expect(summary.systems.kernel?.value?.median).toBe(10);
    expect(summary.systems.weft?.value?.median).toBe(6.4);
  });

  it('leaves a round out of the ratio in which one system has no clean reading', () => {
    const series: Series = {
      measurement: 'tcp',
      discarded: 4,
      rounds: [
        { kernel: reading(10), weft: null },
        { kernel: reading(10), weft: reading(9, 2) },
      ],
    };
    const summary = summarize(measurement, series, names);
    expect(summary.ratio).toEqual({ median: 0.9, low: 0.9, high: 0.9 });
    expect(summary.complete).toBe(1);
    expect(summary.costRatio?.median).toBe(2);
    expect(summary.systems.kernel?.value).toEqual({ median: 10, low: 10, high: 10 });
  });

  it('has no ratio when only one system was measured', () => {
    const series: Series = { measurement: 'tcp', discarded: 0, rounds: [{ kernel: reading(10) }] };
    const summary = summarize(measurement, series, names);
    expect(summary.ratio).toBeNull();
    expect(summary.systems.weft?.value).toBeNull();
  });
});

describe('figure', () => {
  it.each([
    [0, '0'],
    [1304, '1304'],
    [0.8123, '0.81'],
    [12.345, '12.3'],
    [456.78, '457'],
  ])('%d is printed as %s', (value, text) => {
    expect(figure(value)).toBe(text);
  });
});

describe('markdown', () => {
  it('shows both systems, the ratio, and a dash for what was not measured', () => {
    const series: Series = {
      measurement: 'tcp',
      discarded: 3,
      rounds: [{ kernel: reading(10), weft: reading(8, 2) }],
    };
    const info = {
      machine: { cpus: 2, model: 'a CPU', kernel: '6.18', node: 'v20' },
      date: '2026-01-01',
      rounds: 1,
      seconds: 5,
      guestMtu: { kernel: 1450, weft: 1450 },
    };
    const text = markdown(info, [summarize(measurement, series, names)], names);
    expect(text).toContain(
      '| TCP, 1 stream | Gbit/s | 10 (10-10) | 8 (8-8) | **0.80 (0.80-0.80)** | 2 (2-2) | 1 | 3 |\n',
    );
    expect(text).toContain('| tcp: retransmits | 100 (100-100) | 80 (80-80) |\n');
    expect(text).toContain('guest MTU kernel 1450, weft 1450');
  });
});

import { describe, expect, it } from 'vitest';
import type { Series } from './rounds.js';
import { spread, summarize } from './summary.js';
import type { Figure, Reading } from './workloads/workload.js';

const tcp: Figure = {
  key: 'tcp-1',
  group: 'tcp',
  title: 'TCP, 1 stream',
  unit: 'Gbit/s',
  higherIsBetter: true,
  costUnit: 'CPU s/GB',
};

function reading(value: number, cost: number | null = 1): Reading {
  const cpu = { busyCpus: 1.5, stealShare: 0, otherCpus: 0, workCpus: 1.5, daemonCpus: 0.5 };
  return { value, cost, cpu, details: { retransmits: value * 10 } };
}

function series(system: string, readings: (Reading | null)[]): Series {
  return { figure: 'tcp-1', system, readings, discarded: 0, reason: null };
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
    const weft = series('weft', [reading(5), reading(18), reading(6.4)]);
    const kernel = series('kernel', [reading(10), reading(20), reading(8)]);
    const [summary] = summarize([tcp], [weft, kernel], 'weft');
    expect(summary?.systems[1]?.ratio?.median).toBeCloseTo(0.8);
    expect(summary?.systems[1]?.value?.median).toBe(10);
    expect(summary?.systems[0]?.value?.median).toBe(6.4);
    expect(summary?.systems[0]?.ratio).toBeNull();
    expect(summary?.systems[1]?.ratioRounds).toBe(3);
    expect(summary?.systems[0]?.details.retransmits?.high).toBe(180);
  });

  it('leaves a round out of the ratio in which one system has no reading', () => {
    const weft = series('weft', [null, reading(9, 2)]);
    const kernel = series('kernel', [reading(10), reading(10)]);
    const [summary] = summarize([tcp], [weft, kernel], 'weft');
    const row = summary?.systems[1];
    expect(row?.ratio).toEqual({ median: 0.9, low: 0.9, high: 0.9 });
    expect(row?.costRatio?.median).toBe(2);
    expect(row?.rounds).toBe(2);
    expect(row?.ratioRounds).toBe(1);
    expect(summary?.systems[0]?.rounds).toBe(1);
  });

  it('has no ratio without the subject, and none of costs where there are none', () => {
    const kernel = series('kernel', [reading(10, null)]);
    expect(summarize([tcp], [kernel], 'weft')[0]?.systems[0]?.ratio).toBeNull();
    const [summary] = summarize([tcp], [series('weft', [reading(5, null)]), kernel], 'weft');
    expect(summary?.systems[1]?.ratio?.median).toBe(0.5);
    expect(summary?.systems[1]?.costRatio).toBeNull();
  });

  it('shows no figure that was not asked for', () => {
    expect(summarize([tcp, { ...tcp, key: 'tcp-4' }], [series('weft', [reading(1)])], 'weft')).toHaveLength(
      1,
    );
  });
});

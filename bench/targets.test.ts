import { describe, expect, it } from 'vitest';
import { madeUpResult, madeUpSeries } from './made-up.js';
import { summarize } from './summary.js';
import { type Reached, reach, targets, targetTable } from './targets.js';

function reached(series: ReturnType<typeof madeUpSeries>[]): Reached[] {
  const result = madeUpResult(series);
  return reach(summarize(result.figures, result.series, 'weft'), 'weft').filter(
    (row) => row.reached !== null,
  );
}

describe('the targets', () => {
  it('ask more of the aim than of the must', () => {
    for (const { bound, must, aim } of targets) {
      expect(bound === 'least' ? aim > must : aim < must).toBe(true);
    }
  });

  it.each([
    [6, 'missed'],
    [7, 'must'],
    [10, 'aim'],
  ])('of throughput: %d to 10 is %s', (value, verdict) => {
    const rows = reached([madeUpSeries('tcp-1', 'weft', [value]), madeUpSeries('tcp-1', 'kernel', [10])]);
    expect(rows).toMatchObject([{ reached: value / 10, verdict, over: 'kernel' }]);
  });

  it.each([
    [13, 'missed'],
    [12, 'must'],
    [9, 'aim'],
  ])('of time: %d to 10 is %s', (value, verdict) => {
    const rows = reached([madeUpSeries('tcp-rr', 'weft', [value]), madeUpSeries('tcp-rr', 'kernel', [10])]);
    expect(rows).toMatchObject([{ reached: value / 10, verdict }]);
  });

  it('measure with the fastest other system of user space, not with the kernel', () => {
    const rows = reached([
      madeUpSeries('tcp-1', 'weft', [9]),
      madeUpSeries('tcp-1', 'bare', [20]),
      madeUpSeries('tcp-1', 'tinc', [0.5]),
      madeUpSeries('tcp-1', 'fastd', [1]),
      madeUpSeries('tcp-1', 'n2n', [null]),
    ]);
    expect(rows).toMatchObject([{ reached: 9, over: 'fastd', verdict: 'must' }]);
    expect(targetTable(rows)[2]).toBe(
      '| TCP, 1 stream, to the fastest other userspace system (fastd) | 8 | 12 | 9 | must |',
    );
  });

  it('were not reached by what was not measured', () => {
    const all = reach([], 'weft');
    expect(all).toHaveLength(targets.length);
    expect(all.every(({ verdict }) => verdict === 'not measured')).toBe(true);
  });
});

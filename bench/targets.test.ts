import { describe, expect, it } from 'vitest';
import { madeUpResult, madeUpSeries } from './made-up.js';
import { summarize } from './summary.js';
import { type Reached, reach, targets, targetTable } from './targets.js';

function reached(series: ReturnType<typeof madeUpSeries>[]): Reached[] {
  const result = madeUpResult(series);
  return reach(result, summarize(result.figures, result.series, 'weft'));
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
    expect(rows).toMatchObject([{ reached: 9, over: 'fastd', verdict: 'must', unmeasured: ['n2n'] }]);
    expect(targetTable(rows)[2]).toBe(
      '| TCP, 1 stream, to the fastest other userspace system (fastd; not measured: n2n) | 8 | 12 | 9 | must |',
    );
  });

  it('are not said to be missed by a figure that looks as if it had reached them', () => {
    const rows = reached([madeUpSeries('tcp-1', 'weft', [6.996]), madeUpSeries('tcp-1', 'kernel', [10])]);
    expect(targetTable(rows)[2]).toBe('| TCP, 1 stream, to the kernel | 0.7 | 1 | 0.6996 | **missed** |');
    const exact = reached([madeUpSeries('tcp-1', 'weft', [7]), madeUpSeries('tcp-1', 'kernel', [10])]);
    expect(targetTable(exact)[2]).toContain('| 0.70 | must |');
  });

  it('name the fastest other system alone where all of them were measured', () => {
    const rows = reached([madeUpSeries('tcp-1', 'weft', [9]), madeUpSeries('tcp-1', 'fastd', [1])]);
    expect(targetTable(rows)[2]).toContain('userspace system (fastd) |');
  });

  it('were not reached by what was asked for and not measured', () => {
    const rows = reached([
      madeUpSeries('tcp-1', 'weft', [null]),
      madeUpSeries('tcp-1', 'kernel', [10]),
      madeUpSeries('tcp-1', 'ovs', [null]),
    ]);
    expect(targetTable(rows).slice(2)).toEqual([
      '| TCP, 1 stream, to the kernel | 0.7 | 1 | - | not measured |',
      '| TCP, 1 stream, to the fastest other userspace system (not measured: ovs) | 8 | 12 | - | not measured |',
    ]);
  });

  it('are left out where their figure or their peer was not asked for', () => {
    const rows = reached([madeUpSeries('tcp-1', 'weft', [9]), madeUpSeries('tcp-1', 'fastd', [1])]);
    expect(rows.map(({ target }) => target.over)).toEqual(['userspace']);
    expect(reached([madeUpSeries('tcp-1', 'weft', [9]), madeUpSeries('tcp-1', 'swarm', [9])])).toEqual([]);
  });
});

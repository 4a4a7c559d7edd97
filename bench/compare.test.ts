import { describe, expect, it } from 'vitest';
import { compareResults, comparisonText, sourceOf } from './compare.js';
import { madeUpResult, madeUpSeries } from './made-up.js';

const kernel = madeUpSeries('tcp-1', 'kernel', [10, 10.2, 9.8, 10.1, 9.9]);
const before = madeUpResult([madeUpSeries('tcp-1', 'weft', [8, 8.1, 7.9, 8, 8.05]), kernel]);

function changeOf(after: ReturnType<typeof madeUpResult>, system: string, over: string | null) {
  return compareResults(before, after).changes.find(
    (change) => change.system === system && change.over === over && change.measure === 'value',
  );
}

describe('compareResults', () => {
  it('marks what fell beyond doubt', () => {
    const after = madeUpResult([madeUpSeries('tcp-1', 'weft', [6, 6.1, 5.9, 6, 6.05]), kernel]);
    const change = changeOf(after, 'weft', null);
    expect(change).toMatchObject({ before: 8, after: 6, verdict: 'worse' });
    expect(change?.ratio).toBeCloseTo(0.75);
    expect(change?.low).toBeGreaterThan(0.7);
    expect(change?.high).toBeLessThan(0.8);
    expect(changeOf(after, 'weft', 'kernel')).toMatchObject({ verdict: 'worse' });
    expect(changeOf(after, 'kernel', null)).toMatchObject({ ratio: 1, verdict: 'same' });
  });

  it('finds no difference within the spread of the rounds', () => {
    const after = madeUpResult([madeUpSeries('tcp-1', 'weft', [7, 9.5, 8.5, 7.6, 8.9]), kernel]);
    expect(changeOf(after, 'weft', null)?.verdict).toBe('same');
  });

  it('sees through a machine that has become faster for all', () => {
    const after = madeUpResult([
      madeUpSeries('tcp-1', 'weft', [16, 16.2, 15.8, 16, 16.1]),
      madeUpSeries('tcp-1', 'kernel', [20, 20.4, 19.6, 20.2, 19.8]),
    ]);
    expect(changeOf(after, 'weft', null)?.verdict).toBe('better');
    expect(changeOf(after, 'weft', 'kernel')?.verdict).toBe('same');
  });

  it('knows that less is better of a time', () => {
    const slow = madeUpResult([madeUpSeries('tcp-rr', 'weft', [50, 51, 49])]);
    const fast = madeUpResult([madeUpSeries('tcp-rr', 'weft', [30, 31, 29])]);
    expect(compareResults(slow, fast).changes[0]).toMatchObject({ measure: 'value', verdict: 'better' });
    expect(compareResults(fast, slow).changes[0]).toMatchObject({ measure: 'value', verdict: 'worse' });
  });

  it('gives no verdict on single rounds, and has no row of what one result lacks', () => {
    const one = madeUpResult([
      madeUpSeries('tcp-1', 'weft', [6, null]),
      madeUpSeries('tcp-1', 'tinc', [1, 1]),
    ]);
    const { changes } = compareResults(before, one);
    expect(changes.map(({ system }) => system)).toEqual(['weft', 'weft']);
    expect(changes[0]).toMatchObject({ before: 8, after: 6, ratio: null, verdict: 'unknown' });
    expect(compareResults(before, madeUpResult([madeUpSeries('tcp-1', 'weft', [null])])).changes).toEqual([]);
  });

  it('warns where the runs differ', () => {
    const machine = { ...before.machine, name: '8x-cpu', kernel: '6.19' };
    const run = { machine, rounds: 2, seconds: 2, keepDisturbed: true };
    expect(compareResults(before, madeUpResult(before.series, run)).warnings).toEqual([
      'the results are of different machines: 2x-cpu and 8x-cpu',
      'the kernels differ: 6.18 and 6.19',
      'disturbed readings count in B only',
      'the runs have different numbers of rounds: 3 and 2',
      'the readings are of different length: 5 s and 2 s',
    ]);
    expect(compareResults(before, before).warnings).toEqual([]);
  });

  it('warns where neither run was left alone', () => {
    const disturbed = madeUpResult(before.series, { keepDisturbed: true });
    expect(compareResults(disturbed, disturbed).warnings).toEqual(['disturbed readings count in both']);
  });

  it('warns of what only the first has a reading of', () => {
    const rich = madeUpResult([
      ...['weft', 'kernel', 'tinc', 'n2n'].map((system) => madeUpSeries('tcp-1', system, [1, null])),
      madeUpSeries('tcp-1', 'ovs', [null]),
      madeUpSeries('tcp-rr', 'weft', [1]),
    ]);
    const poor = madeUpResult([
      madeUpSeries('tcp-1', 'weft', [null, null]),
      madeUpSeries('tcp-1', 'kernel', [1]),
      madeUpSeries('tcp-1', 'tinc', []),
      madeUpSeries('tcp-1', 'ovs', [null]),
    ]);
    expect(compareResults(rich, poor).warnings).toEqual([
      'B is without tcp-rr, n2n',
      'B has no reading of tcp-1 by weft, tinc',
    ]);
    expect(compareResults(poor, rich).warnings).toEqual([]);
  });

  it('warns where bridged packets ran through the firewall in one of them', () => {
    const withFirewall = (bridgeFirewall: boolean) =>
      madeUpResult(before.series, { machine: { ...before.machine, bridgeFirewall } });
    const warning = (side: string) => [`bridged packets ran through the firewall in ${side} only`];
    expect(compareResults(withFirewall(true), withFirewall(false)).warnings).toEqual(warning('A'));
    expect(compareResults(withFirewall(false), withFirewall(true)).warnings).toEqual(warning('B'));
    expect(compareResults(withFirewall(true), withFirewall(true)).warnings).toEqual([]);
    expect(compareResults(before, withFirewall(true)).warnings).toEqual([]);
  });
});

describe('comparisonText', () => {
  it('names what was measured', () => {
    expect(sourceOf('a.json', before)).toBe('a.json (weft 1, 0123456789, of 2026-01-02)');
    expect(sourceOf('a.json', { ...before, commit: null })).toBe('a.json (weft 1, of 2026-01-02)');
  });

  it('shows the ratios with their intervals', () => {
    const after = madeUpResult([madeUpSeries('tcp-1', 'weft', [6, 6.1, 5.9, 6, 6.05]), kernel]);
    const text = comparisonText(compareResults(before, after), { before: 'a.json', after: 'b.json' });
    expect(text).toContain('A is a.json, B is b.json.\n');
    expect(text).toMatch(
      /\| tcp-1 \| weft \/ kernel \| 0\.\d+ \| 0\.\d+ \| 0\.75\d \(0\.7\d+-0\.7\d+\) \| \*\*worse\*\* \|/,
    );
    expect(text).toContain('2 of 6 rows differ');
  });
});

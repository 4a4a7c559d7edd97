import { describe, expect, it } from 'vitest';
import { madeUpResult, madeUpSeries } from './made-up.js';
import { parseResult, ResultError, stringifyResult } from './results.js';

const result = madeUpResult([
  madeUpSeries('tcp-1', 'weft', [1, null, 3]),
  { ...madeUpSeries('tcp-1', 'kernel', []), reason: 'failed: "x"\nand y' },
]);

describe('a result', () => {
  it('survives its file', () => {
    expect(parseResult(stringifyResult(result), 'a.json')).toEqual(result);
  });

  it('may tell whether bridged packets ran through the firewall, which older files do not', () => {
    const told = { ...result, machine: { ...result.machine, bridgeFirewall: true } };
    expect(parseResult(stringifyResult(told), 'a.json').machine.bridgeFirewall).toBe(true);
    expect(parseResult(stringifyResult(result), 'a.json').machine).not.toHaveProperty('bridgeFirewall');
  });

  it('keeps six digits of a figure', () => {
    const exact = madeUpResult([madeUpSeries('tcp-1', 'weft', [1 / 3])]);
    expect(parseResult(stringifyResult(exact), 'a.json').series[0]?.readings[0]?.value).toBe(0.333333);
  });

  it('has a line a reading', () => {
    const lines = stringifyResult(result).split('\n');
    expect(lines.filter((line) => line.startsWith('      {"value":') || line === '      null,')).toHaveLength(
      3,
    );
  });

  it.each([
    ['{', 'a.json is no JSON'],
    ['{}', 'a.json is no result of the benchmark: it has no format number'],
    ['null', 'a.json is no result of the benchmark: it has no format number'],
    ['{"format": 99}', 'a.json has format 99; this version reads format 1'],
  ])('is not %s', (text, message) => {
    expect(() => parseResult(text, 'a.json')).toThrow(new ResultError(message));
  });

  it('is refused with the place of what is wrong', () => {
    const text = JSON.stringify({ ...result, rounds: 'many' });
    expect(() => parseResult(text, 'a.json')).toThrow(/at rounds/);
  });

  it('is not written with what is no number', () => {
    const series = [madeUpSeries('tcp-1', 'weft', [Number.NaN])];
    expect(() => stringifyResult(madeUpResult(series))).toThrow();
  });
});

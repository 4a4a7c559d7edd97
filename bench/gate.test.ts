import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { gateReference, gateText, judge } from './gate.js';
import { madeUpResult, madeUpSeries, roundTrip, tcp } from './made-up.js';
import { writeResult } from './store.js';

const figures = ['tcp-1', 'tcp-rr'];

/** weft over the kernel in both figures: throughput and time. */
function resultOf(throughput: number, time: number, changes = {}) {
  return madeUpResult(
    [
      madeUpSeries('tcp-1', 'weft', [10 * throughput, 20 * throughput, 15 * throughput]),
      madeUpSeries('tcp-1', 'kernel', [10, 20, 15]),
      madeUpSeries('tcp-rr', 'weft', [30 * time, 40 * time, 35 * time]),
      madeUpSeries('tcp-rr', 'kernel', [30, 40, 35]),
    ],
    changes,
  );
}

const passes = (throughput: number, time: number) =>
  judge(resultOf(0.8, 1.2), resultOf(throughput, time), figures).map(({ pass }) => pass);

describe('the gate', () => {
  it('lets the same and the better pass', () => {
    expect(passes(0.8, 1.2)).toEqual([true, true]);
    expect(passes(1.6, 0.6)).toEqual([true, true]);
  });

  it('lets pass what fell by less than 15 %, and stops what fell by more', () => {
    expect(passes(0.8 * 0.86, 1.2)).toEqual([true, true]);
    expect(passes(0.8 * 0.84, 1.2)).toEqual([false, true]);
  });

  it('knows that a longer time is the worse one', () => {
    expect(passes(0.8, 1.2 / 0.86)).toEqual([true, true]);
    expect(passes(0.8, 1.2 / 0.84)).toEqual([true, false]);
  });

  it('does not move with the machine', () => {
    const slow = madeUpResult([
      madeUpSeries('tcp-1', 'weft', [4, 4, 4]),
      madeUpSeries('tcp-1', 'kernel', [5, 5, 5]),
    ]);
    expect(judge(resultOf(0.8, 1), slow, ['tcp-1'])[0]).toMatchObject({ pass: true });
  });

  it('stops what was not measured', () => {
    const blind = madeUpResult([
      madeUpSeries('tcp-1', 'weft', [8, null]),
      madeUpSeries('tcp-1', 'kernel', [null, 10]),
    ]);
    const [verdict] = judge(resultOf(0.8, 1), blind, ['tcp-1']);
    expect(verdict).toMatchObject({ now: null, change: null, pass: false });
  });

  it('does not judge by fewer than three rounds, of either side', () => {
    const of = (weft: (number | null)[], kernel: (number | null)[]) =>
      madeUpResult([madeUpSeries('tcp-1', 'weft', weft), madeUpSeries('tcp-1', 'kernel', kernel)]);
    const two = of([8, 8, null, 8], [10, 10, 10, null]);
    const three = of([8, 8, 8, null], [10, 10, 10, null]);
    expect(judge(three, two, ['tcp-1'])[0]).toMatchObject({ committed: 0.8, now: null, pass: false });
    expect(judge(two, three, ['tcp-1'])[0]).toMatchObject({ committed: null, now: 0.8, pass: false });
    expect(judge(three, three, ['tcp-1'])[0]).toMatchObject({ committed: 0.8, now: 0.8, pass: true });
    expect(gateText(judge(three, two, ['tcp-1']), 'a.json', [tcp])).toContain(
      'or could not be measured in 3 rounds',
    );
  });

  it('says which figures fell and how far', () => {
    const text = gateText(judge(resultOf(0.8, 1), resultOf(0.6, 1), figures), 'a.json', [tcp, roundTrip]);
    expect(text).toContain('| TCP, 1 stream | 0.80 | 0.60 | -25.0 % | **fails** |\n');
    expect(text).toContain('| TCP request/response | 1 | 1 | +0.0 % | passes |\n');
    expect(text).toContain('The gate is shut: tcp-1 fell');
    const open = gateText(judge(resultOf(0.8, 1), resultOf(0.8, 1), figures), 'a.json', [tcp, roundTrip]);
    expect(open).toContain('The gate is open');
  });
});

describe('gateReference', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'bench-gate-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));
  const put = (name: string, result: ReturnType<typeof resultOf>) => writeResult(join(dir, name), result);

  it('is the newest result of the machine that has every gated figure', () => {
    put('c.json', resultOf(1, 1, { date: '2026-01-01T00:00:00.000Z' }));
    put('b.json', resultOf(1, 1, { date: '2026-02-01T00:00:00.000Z' }));
    put('a.json', { ...resultOf(1, 1, { date: '2026-03-01T00:00:00.000Z' }), figures: [tcp] });
    const machine = { ...resultOf(1, 1).machine, name: '8x-cpu' };
    put('d.json', resultOf(1, 1, { date: '2026-04-01T00:00:00.000Z', machine }));
    expect(gateReference(null, dir, '2x-cpu', figures).file).toBe(join(dir, 'b.json'));
    expect(gateReference(null, dir, '8x-cpu', figures).file).toBe(join(dir, 'd.json'));
  });

  it('says what to do where there is none', () => {
    put('a.json', resultOf(1, 1));
    expect(() => gateReference(null, dir, '8x-cpu', figures)).toThrow(
      /no committed result of a machine named 8x-cpu in .* run `npm run bench -- --only tcp-1,tcp-rr --peers kernel`/,
    );
  });

  it('is the file that is named, whatever its machine, when it has what is needed', () => {
    put('a.json', resultOf(1, 1));
    const file = join(dir, 'a.json');
    expect(gateReference(file, dir, 'other', figures).file).toBe(file);
    expect(() => gateReference(file, dir, 'other', ['pps-64b-1f'])).toThrow(
      /has fewer than 3 ratios to kernel for pps-64b-1f/,
    );
  });

  it('counts disturbed readings only where its file is named', () => {
    const file = join(dir, 'a.json');
    put('a.json', resultOf(1, 1, { keepDisturbed: true, date: '2026-02-01T00:00:00.000Z' }));
    expect(() => gateReference(null, dir, '2x-cpu', figures)).toThrow(/no committed result/);
    expect(gateReference(file, dir, '2x-cpu', figures).file).toBe(file);
    put('b.json', resultOf(1, 1, { date: '2026-01-01T00:00:00.000Z' }));
    expect(gateReference(null, dir, '2x-cpu', figures).file).toBe(join(dir, 'b.json'));
  });
});

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { performancePage } from '../lab/checkout.js';
import { madeUpResult, madeUpSeries } from './made-up.js';
import { publish } from './page.js';

const result = madeUpResult([
  madeUpSeries('tcp-1', 'weft', [8]),
  madeUpSeries('tcp-1', 'kernel', [10]),
  madeUpSeries('tcp-rr', 'weft', [30]),
]);
const page = readFileSync(performancePage, 'utf8');

describe('publish', () => {
  const shown = publish(page, result, '2026-01-02-2x-cpu');

  it('shows the targets, the ratios and the charts of a result in docs/performance.md', () => {
    expect(shown).toContain('| TCP, 1 stream, to the kernel | 0.7 | 1 | 0.80 | must |\n');
    expect(shown).toContain('| TCP, 1 stream | 8 Gbit/s | 0.80 | 1 |\n');
    expect(shown).toContain('![TCP, by system](../bench/results/2026-01-02-2x-cpu/tcp.svg)\n');
    expect(shown).not.toContain('latency.svg');
  });

  it('shows how far the ratios to the kernel reach, and of how many rounds all of them are', () => {
    const several = madeUpResult([
      madeUpSeries('tcp-1', 'weft', [8, 9, 10, null]),
      madeUpSeries('tcp-1', 'kernel', [10, 10, 10, 10]),
      madeUpSeries('tcp-1', 'nebula', [null, 3, 5, 5]),
      madeUpSeries('tcp-1', 'tinc', [null, null, null, 5]),
    ]);
    const text = publish(page, several, 'x');
    expect(text).toContain('|  | weft | kernel | nebula (L3) | tinc | rounds |\n');
    expect(text).toContain('| TCP, 1 stream | 9 Gbit/s | 0.90 (0.80-1) | 2.50 | - | 2-3 |\n');
  });

  it('shows what weft did not manage and another did', () => {
    const lost = madeUpResult([
      madeUpSeries('tcp-1', 'weft', [null]),
      madeUpSeries('tcp-1', 'kernel', [10]),
      madeUpSeries('tcp-rr', 'weft', [30]),
      madeUpSeries('tcp-rr', 'kernel', [null]),
    ]);
    const text = publish(page, lost, 'x');
    expect(text).toContain('| TCP, 1 stream | not measured | - | 0 |\n');
    expect(text).toContain('| TCP, 1 stream, to the kernel | 0.7 | 1 | - | not measured |\n');
    expect(text).not.toContain('| TCP request/response (less is better) |');
  });

  it('says why a system was not measured', () => {
    const systems = result.systems.map((system) => ({
      ...system,
      failure: system.key === 'kernel' ? 'no module' : null,
    }));
    expect(publish(page, { ...result, systems }, 'x')).toContain(
      '\n`kernel` could not be measured: no module\n',
    );
  });

  it('replaces what was there, and nothing else', () => {
    expect(publish(shown, result, '2026-01-02-2x-cpu')).toBe(shown);
    expect(shown.split('<!--')[0]).toBe(page.split('<!--')[0]);
    expect(shown.split('-->').at(-1)).toBe(page.split('-->').at(-1));
  });

  it('needs a page with its marks', () => {
    expect(() => publish('# Performance', result, 'x')).toThrow(/has no/);
  });
});

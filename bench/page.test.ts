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
    expect(shown).toContain('| TCP, 1 stream | 0.80 |\n');
    expect(shown).toContain('![TCP, by system](../bench/results/2026-01-02-2x-cpu/tcp.svg)\n');
    expect(shown).not.toContain('latency.svg');
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

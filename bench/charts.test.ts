import { describe, expect, it } from 'vitest';
import { drawCharts } from './charts.js';
import { madeUpResult, madeUpSeries } from './made-up.js';
import { summarize } from './summary.js';

function draw(series: ReturnType<typeof madeUpSeries>[]) {
  const result = madeUpResult(series);
  return drawCharts(result, summarize(result.figures, result.series, 'weft'));
}

const several = [
  madeUpSeries('tcp-1', 'weft', [8, 9, 10]),
  madeUpSeries('tcp-1', 'kernel', [11, 12, 12]),
  madeUpSeries('tcp-1', 'nebula', [1, 1.5]),
  madeUpSeries('tcp-1', 'n2n', [null]),
  madeUpSeries('tcp-rr', 'weft', [30]),
];

describe('drawCharts', () => {
  it('draws one chart a group, of figures that can be compared', async () => {
    expect((await draw(several)).map(({ group }) => group)).toEqual(['tcp']);
  });

  it('shows every system, the best first, with its figure or that it has none', async () => {
    const svg = (await draw(several))[0]?.svg ?? '';
    const texts = [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text);
    expect(texts.slice(0, 4)).toEqual(['kernel', 'weft', 'nebula (L3)', 'n2n']);
    expect(texts).toEqual(expect.arrayContaining(['9', '12', '1.25', 'not measured', 'TCP, 1 stream']));
    expect(texts).toContain('Gbit/s, more is better');
  });

  it('gives the same text of the same result', async () => {
    expect(await draw(several)).toEqual(await draw(several));
  });

  it('draws nothing of a single system', async () => {
    expect(await draw([madeUpSeries('tcp-1', 'weft', [8, 9, 10])])).toEqual([]);
  });
});

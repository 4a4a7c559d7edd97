import { groupTitle } from './groups.js';
import { numberText } from './number-text.js';
import { head } from './report.js';
import type { Result } from './results.js';
import { comparable, type FigureSummary, summarize } from './summary.js';
import { table } from './table.js';
import { reach, targetTable } from './targets.js';

const begin = '<!-- results: written by `npm run bench -- report FILE --publish` -->';
const end = '<!-- end of results -->';

/** The page of docs/ with a result between its marks instead of what was there. `name` is that of its files in bench/results. */
export function publish(page: string, result: Result, name: string): string {
  const start = page.indexOf(begin);
  const stop = page.indexOf(end);
  if (start < 0 || stop < start) throw new Error(`the page has no "${begin}" and "${end}"`);
  return [page.slice(0, start + begin.length), section(result, name), page.slice(stop)].join('\n');
}

function section(result: Result, name: string): string {
  const figures = summarize(result.figures, result.series, result.subject);
  const folder = '../bench/results';
  const lines = [
    ...head(result),
    `All of it: [${name}.md](${folder}/${name}.md), [${name}.json](${folder}/${name}.json).`,
    ...['', '### Where it must get', ''],
    ...targetTable(reach(result, figures)),
    ...['', `### ${result.subject} over each system`, ''],
    ...ratioTable(result, figures),
    ...['', '### Charts', '', 'The line on a bar reaches from the lowest to the highest reading.', ''],
    ...[...comparable(figures).keys()].map(
      (group) => `![${groupTitle(group)}, by system](${folder}/${name}/${group}.svg)\n`,
    ),
  ];
  return lines.join('\n');
}

/** The median ratio of every figure to each of the other systems. */
function ratioTable(result: Result, figures: readonly FigureSummary[]): string[] {
  const others = result.systems.filter(({ key }) => key !== result.subject);
  const rows = figures.map(({ figure, systems }) => [
    `${figure.title}${figure.higherIsBetter ? '' : ' (less is better)'}`,
    ...others.map(({ key }) => {
      const ratio = systems.find(({ system }) => system === key)?.ratio;
      return ratio === null || ratio === undefined ? '-' : numberText(ratio.median);
    }),
  ]);
  const compared = rows.filter(([, ...cells]) => cells.some((cell) => cell !== '-'));
  return table(['', ...others.map(({ key, layer }) => (layer === 3 ? `${key} (L3)` : key))], compared);
}

import { gatePeer } from './gate.js';
import { groupTitle } from './groups.js';
import { numberText, spreadText } from './number-text.js';
import { head } from './report.js';
import type { Result } from './results.js';
import { comparable, type FigureSummary, type SystemSummary, summarize } from './summary.js';
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
  const targets = reach(result, figures);
  const lines = [
    ...head(result),
    `All of it: [${name}.md](${folder}/${name}.md), [${name}.json](${folder}/${name}.json).`,
    ...(targets.length === 0 ? [] : ['', '### Where it must get', '', ...targetTable(targets)]),
    ...['', `### ${result.subject} over each system`, ''],
    `First the figure of ${result.subject}, then its ratio to each system, both as medians; the ratio to \`${gatePeer}\` also from its lowest to its`,
    'highest. *rounds* says of how many rounds the ratios are, from the fewest to the most. `-` is what has no ratio.',
    ...['', ...ratioTable(result, figures), ...failures(result)],
    ...['', '### Charts', '', 'The line on a bar reaches from the lowest to the highest reading.', ''],
    ...[...comparable(figures).keys()].map(
      (group) => `![${groupTitle(group)}, by system](${folder}/${name}/${group}.svg)\n`,
    ),
  ];
  return lines.join('\n');
}

/** A row a figure that another system has, also where the subject has none. */
function ratioTable({ systems: all, subject }: Result, figures: readonly FigureSummary[]): string[] {
  const others = all.filter(({ key }) => key !== subject);
  const compared = figures.filter(({ systems }) =>
    systems.some(({ system, value }) => system !== subject && value !== null),
  );
  const rows = compared.map(({ figure, systems }) => {
    const value = systems.find(({ system }) => system === subject)?.value ?? null;
    return [
      `${figure.title}${figure.higherIsBetter ? '' : ' (less is better)'}`,
      value === null ? 'not measured' : `${numberText(value.median)} ${figure.unit}`,
      ...others.map(({ key }) => ratioText(systems.find(({ system }) => system === key))),
      roundsText(systems),
    ];
  });
  const titles = others.map(({ key, layer }) => (layer === 3 ? `${key} (L3)` : key));
  return table(['', subject, ...titles, 'rounds'], rows);
}

function ratioText(system: SystemSummary | undefined): string {
  const ratio = system?.ratio ?? null;
  if (ratio === null || system?.system === gatePeer) return spreadText(ratio);
  return numberText(ratio.median);
}

/** `5`, or `2-5` where the ratios of a row are not all of the same number of rounds; `0` for none. */
function roundsText(systems: readonly SystemSummary[]): string {
  const counts = systems.flatMap(({ ratio, ratioRounds }) => (ratio === null ? [] : [ratioRounds]));
  if (counts.length === 0) return '0';
  const [fewest, most] = [Math.min(...counts), Math.max(...counts)];
  return fewest === most ? `${fewest}` : `${fewest}-${most}`;
}

function failures({ systems }: Result): string[] {
  return systems.flatMap(({ key, failure }) =>
    failure === null ? [] : ['', `\`${key}\` could not be measured: ${failure}`],
  );
}

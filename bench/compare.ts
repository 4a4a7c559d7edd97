import { numberText } from './number-text.js';
import type { Result } from './results.js';
import type { Series } from './rounds.js';
import { ratioInterval } from './statistics.js';
import { ratios, spread } from './summary.js';
import { table } from './table.js';
import type { Figure, Reading } from './workloads/workload.js';

/** How one number of two results differs. */
export interface Change {
  figure: string;
  /** The system that was measured. */
  system: string;
  /** The system that it was divided by, round by round; null where the number itself is compared, which moves with the machine. */
  over: string | null;
  /** The figure, or the CPU time for one unit of its work. */
  measure: 'value' | 'cost';
  /** Medians. */
  before: number;
  after: number;
  /** `after` over `before`, with its 95 % confidence interval; null with fewer than two rounds on a side. */
  ratio: number | null;
  low: number | null;
  high: number | null;
  verdict: 'better' | 'worse' | 'same' | 'unknown';
}

export interface Comparison {
  /** What makes the results hard to compare, such as another machine, and what the second has lost. */
  warnings: string[];
  changes: Change[];
}

/** Everything that both results have. */
export function compareResults(before: Result, after: Result): Comparison {
  const changes = after.figures.flatMap((figure) => {
    if (!before.figures.some(({ key }) => key === figure.key)) return [];
    return changesOf(figure, seriesOf(before, figure), seriesOf(after, figure), after.subject);
  });
  return { warnings: [...differences(before, after), ...lacking(before, after)], changes };
}

/** What else differs than what was measured. */
function differences(before: Result, after: Result): string[] {
  const differ = (what: string, of: (result: Result) => string) => {
    return of(before) === of(after) ? [] : [`${what}: ${of(before)} and ${of(after)}`];
  };
  const once = (what: string, of: (result: Result) => boolean | undefined) => {
    if (of(before) === undefined || of(after) === undefined || of(before) === of(after)) return [];
    return [`${what} in ${of(before) ? 'A' : 'B'} only`];
  };
  return [
    ...differ('the results are of different machines', ({ machine }) => machine.name),
    ...differ('the kernels differ', ({ machine }) => machine.kernel),
    ...once('bridged packets ran through the firewall', ({ machine }) => machine.bridgeFirewall),
    ...once('disturbed readings count', ({ keepDisturbed }) => keepDisturbed),
    ...(before.keepDisturbed && after.keepDisturbed ? ['disturbed readings count in both'] : []),
    ...differ('the runs have different numbers of rounds', ({ rounds }) => String(rounds)),
    ...differ('the readings are of different length', ({ seconds }) => `${seconds} s`),
  ];
}

/** What the first has and the second does not, which no row tells of. */
function lacking(before: Result, after: Result): string[] {
  const without = [
    keysBeyond(before.figures, after.figures),
    keysBeyond(before.systems, after.systems),
  ].flat();
  const readings = before.figures.flatMap((figure) => {
    if (without.includes(figure.key)) return [];
    const then = seriesOf(before, figure);
    const now = seriesOf(after, figure);
    const lost = [...then.keys()].filter(
      (system) => !without.includes(system) && measured(then.get(system)) && !measured(now.get(system)),
    );
    return lost.length === 0 ? [] : [`B has no reading of ${figure.key} by ${lost.join(', ')}`];
  });
  return [...(without.length === 0 ? [] : [`B is without ${without.join(', ')}`]), ...readings];
}

function keysBeyond(all: readonly { key: string }[], known: readonly { key: string }[]): string[] {
  return all.map(({ key }) => key).filter((key) => !known.some((one) => one.key === key));
}

function measured(series: Series | undefined): boolean {
  return series?.readings.some((reading) => reading !== null) ?? false;
}

function seriesOf(result: Result, figure: Figure): Map<string, Series> {
  const own = result.series.filter((series) => series.figure === figure.key);
  return new Map(own.map((series) => [series.system, series]));
}

function changesOf(
  figure: Figure,
  before: ReadonlyMap<string, Series>,
  after: ReadonlyMap<string, Series>,
  subject: string,
): Change[] {
  const measures = figure.costUnit === null ? (['value'] as const) : (['value', 'cost'] as const);
  const subjects = { before: before.get(subject), after: after.get(subject) };
  const changes: (Change | null)[] = [];
  for (const [system, now] of after) {
    const then = before.get(system);
    if (then === undefined) continue;
    for (const measure of measures) {
      const pick = (reading: Reading) => (measure === 'value' ? reading.value : reading.cost);
      const higherIsBetter = measure === 'value' && figure.higherIsBetter;
      const what = { figure: figure.key, measure, higherIsBetter };
      const values = (series: Series) =>
        series.readings.flatMap((reading) => (reading && pick(reading)) ?? []);
      changes.push(changeOf({ ...what, system, over: null }, values(then), values(now)));
      if (system === subject || subjects.before === undefined || subjects.after === undefined) continue;
      const relative = { ...what, system: subject, over: system };
      changes.push(
        changeOf(relative, ratios(subjects.before, then, pick), ratios(subjects.after, now, pick)),
      );
    }
  }
  return changes.flatMap((change) => change ?? []);
}

function changeOf(
  {
    higherIsBetter,
    ...what
  }: Pick<Change, 'figure' | 'system' | 'over' | 'measure'> & { higherIsBetter: boolean },
  before: readonly number[],
  after: readonly number[],
): Change | null {
  const middles = { before: spread(before)?.median, after: spread(after)?.median };
  if (middles.before === undefined || middles.after === undefined) return null;
  const interval = ratioInterval(before, after);
  const { ratio, low, high } = interval ?? { ratio: null, low: null, high: null };
  return {
    ...what,
    before: middles.before,
    after: middles.after,
    ...{ ratio, low, high },
    verdict: interval === null ? 'unknown' : verdictOf(interval, higherIsBetter),
  };
}

/** A change is one where the interval leaves 1 out. */
function verdictOf({ low, high }: { low: number; high: number }, higherIsBetter: boolean): Change['verdict'] {
  if (low <= 1 && high >= 1) return 'same';
  return low > 1 === higherIsBetter ? 'better' : 'worse';
}

/** A result by its file, with what was measured: `a.json (weft 0.1.0, 0123456789, of 2026-01-02)`. */
export function sourceOf(file: string, { commit, date, subject, systems }: Result): string {
  const version = systems.find(({ key }) => key === subject)?.version ?? subject;
  return `${file} (${[version, ...(commit === null ? [] : [commit])].join(', ')}, of ${date.slice(0, 10)})`;
}

/** The comparison as Markdown. */
export function comparisonText(
  { warnings, changes }: Comparison,
  names: { before: string; after: string },
): string {
  const lines = [
    `A is ${names.before}, B is ${names.after}.`,
    ...warnings.map((warning) => `Take care: ${warning}.`),
    '',
  ];
  const relative = changes.filter(({ over }) => over !== null);
  if (relative.length > 0) {
    lines.push('## Beside the same peer in the same run', '', ...changeTable(relative), '');
  }
  const plain = changes.filter(({ over }) => over === null);
  lines.push('## By themselves', '', 'These move with the machine, too.', '', ...changeTable(plain), '');
  const judged = changes.filter(({ verdict }) => verdict !== 'unknown');
  const changed = judged.filter(({ verdict }) => verdict !== 'same');
  const chance = Math.round(judged.length * 0.05);
  lines.push(
    `${changed.length} of ${judged.length} rows differ: their 95 % confidence interval leaves 1 out. Chance alone marks about ${chance}.`,
  );
  return `${lines.join('\n')}\n`;
}

function changeTable(changes: readonly Change[]): string[] {
  const rows = changes.map(({ figure, measure, system, over, before, after, ratio, low, high, verdict }) => [
    `${figure}${measure === 'cost' ? ', CPU for the same work' : ''}`,
    over === null ? system : `${system} / ${over}`,
    numberText(before),
    numberText(after),
    ratio === null || low === null || high === null
      ? numberText(after / before)
      : `${ratio.toFixed(3)} (${low.toFixed(3)}-${high.toFixed(3)})`,
    { better: '**better**', worse: '**worse**', same: '', unknown: 'too few rounds' }[verdict],
  ]);
  return table(['figure', 'system', 'A', 'B', 'B/A (95 % interval)', ''], rows);
}

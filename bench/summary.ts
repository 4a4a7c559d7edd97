import type { Series } from './rounds.js';
import type { Figure, Reading } from './workloads/workload.js';

/** The middle of some values and how far they reach. */
export interface Spread {
  median: number;
  low: number;
  high: number;
}

/** Null for no values; the mean of the middle two for an even number. */
export function spread(values: readonly number[]): Spread | null {
  const sorted = values.toSorted((a, b) => a - b);
  const low = sorted[0];
  const high = sorted.at(-1);
  if (low === undefined || high === undefined) return null;
  const upper = sorted[Math.floor(sorted.length / 2)] ?? high;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? low;
  return { median: (lower + upper) / 2, low, high };
}

/** One figure of one system. */
export interface SystemSummary {
  system: string;
  value: Spread | null;
  cost: Spread | null;
  busyCpus: Spread | null;
  otherCpus: Spread | null;
  daemonCpus: Spread | null;
  details: Record<string, Spread>;
  /** Rounds with a reading. */
  rounds: number;
  discarded: number;
  /** Why readings are missing. */
  reason: string | null;
  /** The subject's value over this system's within one round, over the rounds in which both have one; null for the subject itself. */
  ratio: Spread | null;
  /** Rounds in which both have a reading. */
  ratioRounds: number;
  /** The same of the CPU time for the same work. */
  costRatio: Spread | null;
}

export interface FigureSummary {
  figure: Figure;
  systems: SystemSummary[];
}

/** One summary a figure that has series, in the order of `figures`; its systems in the order of the series. */
export function summarize(
  figures: readonly Figure[],
  series: readonly Series[],
  subject: string,
): FigureSummary[] {
  return figures.flatMap((figure) => {
    const own = series.filter((one) => one.figure === figure.key);
    const base = own.find(({ system }) => system === subject);
    return own.length === 0 ? [] : [{ figure, systems: own.map((one) => summarizeSystem(one, base)) }];
  });
}

/** The figures of which several systems have a value, by group: what a chart shows. */
export function comparable(figures: readonly FigureSummary[]): Map<string, FigureSummary[]> {
  const groups = new Map<string, FigureSummary[]>();
  for (const summary of figures) {
    if (summary.systems.filter(({ value }) => value !== null).length < 2) continue;
    const { group } = summary.figure;
    groups.set(group, [...(groups.get(group) ?? []), summary]);
  }
  return groups;
}

function summarizeSystem(series: Series, subject: Series | undefined): SystemSummary {
  const readings = series.readings.flatMap((reading) => reading ?? []);
  const cpus = readings.flatMap(({ cpu }) => cpu ?? []);
  const details: Record<string, Spread> = {};
  for (const key of new Set(readings.flatMap((reading) => Object.keys(reading.details)))) {
    const values = spread(readings.flatMap((reading) => reading.details[key] ?? []));
    if (values !== null) details[key] = values;
  }
  const compared = subject !== undefined && subject !== series;
  const values = compared ? ratios(subject, series, ({ value }) => value) : [];
  return {
    system: series.system,
    value: spread(readings.map(({ value }) => value)),
    cost: spread(readings.flatMap(({ cost }) => cost ?? [])),
    busyCpus: spread(cpus.map(({ busyCpus }) => busyCpus)),
    otherCpus: spread(cpus.map(({ otherCpus }) => otherCpus)),
    daemonCpus: spread(cpus.map(({ daemonCpus }) => daemonCpus)),
    details,
    rounds: readings.length,
    discarded: series.discarded,
    reason: series.reason,
    ratio: spread(values),
    ratioRounds: values.length,
    costRatio: compared ? spread(ratios(subject, series, ({ cost }) => cost)) : null,
  };
}

/** Of what two series have in the same round: the first over the second. */
export function ratios(over: Series, under: Series, pick: (reading: Reading) => number | null): number[] {
  return over.readings.flatMap((reading, round) => {
    const other = under.readings[round];
    if (!reading || !other) return [];
    const upper = pick(reading);
    const lower = pick(other);
    return upper === null || lower === null || lower <= 0 ? [] : [upper / lower];
  });
}

import type { MachineInfo } from './machine.js';
import type { Measurement, Reading } from './measurements.js';
import type { Series } from './rounds.js';

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

export interface SystemSummary {
  value: Spread | null;
  cost: Spread | null;
  busyCpus: Spread | null;
  otherCpus: Spread | null;
  details: Record<string, Spread>;
}

export interface Summary {
  key: string;
  title: string;
  unit: string;
  higherIsBetter: boolean;
  costUnit: string;
  rounds: number;
  /** Rounds in which every system has a reading. */
  complete: number;
  discarded: number;
  systems: Record<string, SystemSummary>;
  /** Subject over baseline within one round, over the rounds in which both have a reading. */
  ratio: Spread | null;
  costRatio: Spread | null;
}

/** Summaries of a run in which `baseline` and `subject` are names of pairs. */
export function summarize(
  measurement: Measurement,
  series: Series,
  names: { baseline: string; subject: string },
): Summary {
  const ratioOf = (pick: (reading: Reading) => number) =>
    series.rounds.flatMap((round) => {
      const base = round[names.baseline];
      const subject = round[names.subject];
      return base && subject && pick(base) > 0 ? [pick(subject) / pick(base)] : [];
    });
  const ratios = ratioOf((reading) => reading.value);
  return {
    key: measurement.key,
    title: measurement.title,
    unit: measurement.unit,
    higherIsBetter: measurement.higherIsBetter,
    costUnit: measurement.costUnit,
    rounds: series.rounds.length,
    complete: ratios.length,
    discarded: series.discarded,
    systems: {
      [names.baseline]: summarizeSystem(series, names.baseline),
      [names.subject]: summarizeSystem(series, names.subject),
    },
    ratio: spread(ratios),
    costRatio: spread(ratioOf((reading) => reading.cost)),
  };
}

function summarizeSystem(series: Series, name: string): SystemSummary {
  const readings = series.rounds.flatMap((round) => round[name] ?? []);
  const details: Record<string, Spread> = {};
  for (const key of Object.keys(readings[0]?.details ?? {})) {
    const values = spread(readings.flatMap((reading) => reading.details[key] ?? []));
    if (values !== null) details[key] = values;
  }
  return {
    value: spread(readings.map((reading) => reading.value)),
    cost: spread(readings.map((reading) => reading.cost)),
    busyCpus: spread(readings.map((reading) => reading.cpu.busyCpus)),
    otherCpus: spread(readings.map((reading) => reading.cpu.otherCpus)),
    details,
  };
}

/** About three significant digits, and no exponent. */
export function figure(value: number): string {
  if (Number.isInteger(value)) return String(value);
  const magnitude = Math.abs(value);
  if (magnitude >= 100) return value.toFixed(0);
  if (magnitude >= 10) return value.toFixed(1);
  return value.toFixed(2);
}

function cell(values: Spread | null | undefined): string {
  if (values === null || values === undefined) return '-';
  return `${figure(values.median)} (${figure(values.low)}-${figure(values.high)})`;
}

export interface RunInfo {
  machine: MachineInfo;
  date: string;
  rounds: number;
  seconds: number;
  /** Bytes, by the name of the pair. */
  guestMtu: Record<string, number>;
}

/** The report as Markdown: what was compared, then what else was seen. */
export function markdown(
  info: RunInfo,
  summaries: readonly Summary[],
  names: { baseline: string; subject: string },
): string {
  const { baseline, subject } = names;
  const machine = `${info.machine.cpus} CPUs (${info.machine.model}), Linux ${info.machine.kernel}, Node ${info.machine.node}`;
  const mtus = Object.entries(info.guestMtu).map(([name, mtu]) => `${name} ${mtu}`);
  const head = [
    `${info.date}, ${machine}; ${info.rounds} interleaved rounds of ${info.seconds} s; guest MTU ${mtus.join(', ')}.`,
    'Cells are: median (lowest-highest).',
  ];
  const main = table(
    ['', 'unit', baseline, subject, `${subject}/${baseline}`, 'CPU for the same work', 'rounds', 'discarded'],
    summaries.map((summary) => [
      `${summary.title}${summary.higherIsBetter ? '' : ' (less is better)'}`,
      summary.unit,
      cell(summary.systems[baseline]?.value),
      cell(summary.systems[subject]?.value),
      `**${cell(summary.ratio)}**`,
      cell(summary.costRatio),
      String(summary.complete),
      String(summary.discarded),
    ]),
  );
  const beside = table(
    ['beside it', baseline, subject],
    summaries.flatMap((summary) => besideRows(summary, baseline, subject)),
  );
  return [...head, '', ...main, '', ...beside, ''].join('\n');
}

function besideRows(summary: Summary, baseline: string, subject: string): string[][] {
  const left = summary.systems[baseline];
  const right = summary.systems[subject];
  const keys = Object.keys(left?.details ?? right?.details ?? {});
  const rows = [[`${summary.key}: busy CPUs`, cell(left?.busyCpus), cell(right?.busyCpus)]];
  rows.push([`${summary.key}: CPUs of other programs`, cell(left?.otherCpus), cell(right?.otherCpus)]);
  rows.push([`${summary.key}: ${summary.costUnit}`, cell(left?.cost), cell(right?.cost)]);
  for (const key of keys)
    rows.push([`${summary.key}: ${key}`, cell(left?.details[key]), cell(right?.details[key])]);
  return rows;
}

function table(head: readonly string[], rows: readonly string[][]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)];
}

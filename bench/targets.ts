import { gatePeer } from './gate.js';
import { numberText } from './number-text.js';
import type { Result } from './results.js';
import type { FigureSummary, SystemSummary } from './summary.js';
import { table } from './table.js';

/** Where weft must get, and where it would be well ahead. */
export interface Target {
  title: string;
  /** Key of the figure. */
  figure: string;
  /** The figure, or the CPU time for one unit of its work. */
  measure: 'value' | 'cost';
  /** What it is divided by: a system, or the best other one that forwards in user space; null where the number itself counts. */
  over: string | 'userspace' | null;
  /** `least`: it has to reach `must`; `most`: it must not exceed it. */
  bound: 'least' | 'most';
  must: number;
  aim: number;
  /** Of both, which must be the figure's; empty for ratios. */
  unit: string;
}

/** Systems whose frames never leave the kernel, which are no measure of a program's data plane. */
const inKernel = ['kernel', 'swarm', 'bare'];

const ratio = { measure: 'value', over: gatePeer, bound: 'least', unit: '' } as const;
const least = { measure: 'value', over: null, bound: 'least' } as const;
const most = { measure: 'value', over: null, bound: 'most' } as const;

export const targets: readonly Target[] = [
  { title: 'TCP, 1 stream, to the kernel', figure: 'tcp-1', ...ratio, must: 0.7, aim: 1 },
  { title: 'TCP, 4 streams, to the kernel', figure: 'tcp-4', ...ratio, must: 0.45, aim: 0.65 },
  { title: 'TCP, 16 streams, to the kernel', figure: 'tcp-16', ...ratio, must: 0.45, aim: 0.65 },
  {
    title: 'TCP, local port to local port, to a kernel bridge',
    figure: 'local-tcp-1',
    ...ratio,
    must: 0.75,
    aim: 1,
  },
  {
    title: '64-byte UDP delivered to a socket, 1 flow, to the kernel',
    figure: 'pps-64b-1f',
    ...ratio,
    must: 3,
    aim: 5,
  },
  { title: 'the same with 64 interleaved flows', figure: 'pps-64b-64f', ...ratio, must: 1.8, aim: 3 },
  { title: 'the same with 10,000 flows', figure: 'pps-64b-10000f', ...ratio, must: 1.4, aim: 2 },
  { title: 'mixed sizes, 63 flows', figure: 'pps-mixed', ...ratio, must: 2.5, aim: 3 },
  {
    title: 'CPU of the whole machine a delivered 64-byte frame, to the kernel',
    figure: 'cpu-64b-1f',
    ...{ measure: 'value', over: gatePeer, bound: 'most', must: 0.6, aim: 0.4, unit: '' },
  },
  {
    title: 'TCP request/response median latency, to the kernel',
    figure: 'tcp-rr',
    ...{ measure: 'value', over: gatePeer, bound: 'most', must: 1.2, aim: 1, unit: '' },
  },
  {
    title: 'round trip of an echo beside 4 TCP streams, mean, to the kernel',
    figure: 'rtt-loaded',
    ...{ measure: 'value', over: gatePeer, bound: 'most', must: 10, aim: 4, unit: '' },
  },
  {
    title: 'TCP, 1 stream, to the fastest other userspace system',
    figure: 'tcp-1',
    ...{ measure: 'value', over: 'userspace', bound: 'least', must: 8, aim: 12, unit: '' },
  },
  {
    title: 'FDB lookups a second a core, 1 M entries, random hits',
    figure: 'fdb-1m',
    ...least,
    must: 15,
    aim: 30,
    unit: 'M/s',
  },
  {
    title: 'resident memory of weftd at rest',
    figure: 'memory-rest',
    ...most,
    must: 90,
    aim: 60,
    unit: 'MiB',
  },
  {
    title: 'resident memory of weftd with 1,000 ports and 100,000 FDB entries',
    figure: 'memory-load',
    ...{ ...most, must: 200, aim: 120, unit: 'MiB' },
  },
  { title: 'kernel memory a TAP port', figure: 'memory-port', ...most, must: 0.5, aim: 0.3, unit: 'MiB' },
  { title: 'start to ready', figure: 'start', ...most, must: 1000, aim: 500, unit: 'ms' },
  { title: 'port add', figure: 'port-add', ...most, must: 20, aim: 5, unit: 'ms' },
];

/** How far a run has got with one target. */
export interface Reached {
  target: Target;
  /** Null where it was not measured. */
  reached: number | null;
  verdict: 'aim' | 'must' | 'missed' | 'not measured';
  /** The best other userspace system, where one was asked for. */
  over: string | null;
  /** Other userspace systems that were to be measured and have no value: the best may be among them. */
  unmeasured: string[];
}

/** How far a run has got with the targets whose figure and peer it was asked for. `figures` are the summaries of its own. */
export function reach(
  run: Pick<Result, 'figures' | 'systems' | 'subject'>,
  figures: readonly FigureSummary[],
): Reached[] {
  const asked = targets.filter(
    ({ figure, over }) =>
      run.figures.some(({ key }) => key === figure) &&
      (over === null || run.systems.some(({ key }) => isPeer(key, over, run.subject))),
  );
  return asked.map((target) => {
    const summary = figures.find(({ figure }) => figure.key === target.figure);
    const systems = summary?.systems ?? [];
    const peers = systems.filter(({ system }) => isPeer(system, target.over, run.subject));
    const other = best(peers, summary?.figure.higherIsBetter ?? true);
    const reached = reachedOf(
      target,
      systems.find(({ system }) => system === run.subject),
      other,
    );
    const unmeasured = peers.filter(({ value }) => value === null).map(({ system }) => system);
    return { target, reached, verdict: verdictOf(target, reached), over: other?.system ?? null, unmeasured };
  });
}

/** Whether a target may be measured by a system. */
function isPeer(system: string, over: Target['over'], subject: string): boolean {
  return over === 'userspace' ? system !== subject && !inKernel.includes(system) : system === over;
}

function best(peers: readonly SystemSummary[], higherIsBetter: boolean): SystemSummary | undefined {
  const sign = higherIsBetter ? -1 : 1;
  const measured = peers.filter(({ value }) => value !== null);
  return measured.toSorted((a, b) => sign * ((a.value?.median ?? 0) - (b.value?.median ?? 0)))[0];
}

function reachedOf(
  { measure, over }: Target,
  own: SystemSummary | undefined,
  other: SystemSummary | undefined,
): number | null {
  if (over === null) return own?.[measure]?.median ?? null;
  return (measure === 'value' ? other?.ratio : other?.costRatio)?.median ?? null;
}

function verdictOf({ bound, must, aim }: Target, reached: number | null): Reached['verdict'] {
  if (reached === null) return 'not measured';
  const holds = (limit: number) => (bound === 'least' ? reached >= limit : reached <= limit);
  if (holds(aim)) return 'aim';
  return holds(must) ? 'must' : 'missed';
}

/** Rows of must, aim and what was reached, as Markdown. */
export function targetTable(rows: readonly Reached[]): string[] {
  const cells = rows.map((row) => {
    const { target, reached, verdict } = row;
    const bound = target.bound === 'least' ? '' : 'at most ';
    const suffix = target.unit === '' ? '' : ` ${target.unit}`;
    const words = { aim: 'aim', must: 'must', missed: '**missed**', 'not measured': 'not measured' };
    return [
      titleOf(row),
      `${bound}${target.must}${suffix}`,
      `${bound}${target.aim}${suffix}`,
      reached === null ? '-' : `${reachedText(reached, target)}${suffix}`,
      words[verdict],
    ];
  });
  return table(['', 'must', 'aim', 'reached', ''], cells);
}

/** Rounded, but to no side of a limit that it is not on: 0.6996 has not reached 0.7. */
function reachedText(reached: number, { must, aim }: Target): string {
  const text = numberText(reached);
  const crosses = [must, aim].some((limit) => reached !== limit && Number(text) === limit);
  return crosses ? String(Number(reached.toPrecision(5))) : text;
}

function titleOf({ target, over, unmeasured }: Reached): string {
  if (target.over !== 'userspace') return target.title;
  const notes = over === null ? [] : [over];
  if (unmeasured.length > 0) notes.push(`not measured: ${unmeasured.join(', ')}`);
  return `${target.title} (${notes.join('; ')})`;
}

import { join } from 'node:path';
import { numberText } from './number-text.js';
import { type Result, ResultError } from './results.js';
import { committedResults, readResult } from './store.js';
import { ratios, spread } from './summary.js';
import { table } from './table.js';
import type { Figure } from './workloads/workload.js';

/** What the gate measures: one figure of each kind of traffic. */
export const gatedFigures: readonly string[] = ['tcp-1', 'tcp-4', 'pps-64b-1f', 'pps-64b-64f', 'tcp-rr'];
/** Whom weft is compared with: it is on every machine, and no change to weft moves it. */
export const gatePeer = 'kernel';
/** A ratio may fall by this share of the committed one. */
export const GATE_TOLERANCE = 0.15;
/** So many rounds with a ratio it takes to judge a figure: of one build they differ by more than the tolerance now and then. */
export const GATE_ROUNDS = 3;

/** What the gate found of one figure. */
export interface GateVerdict {
  figure: string;
  /** Medians of the subject over the peer, turned over where less is better: more is always better. Null where there is none. */
  committed: number | null;
  now: number | null;
  /** The share of the committed ratio that it has gained, or lost where negative. */
  change: number | null;
  pass: boolean;
}

/** Compares each gated figure of a run with that of a committed result. What was not measured does not pass. */
export function judge(
  committed: Result,
  now: Result,
  figures: readonly string[] = gatedFigures,
): GateVerdict[] {
  return figures.map((figure) => {
    const then = goodness(committed, figure);
    const today = goodness(now, figure);
    const change = then === null || today === null ? null : today / then - 1;
    return {
      figure,
      committed: then,
      now: today,
      change,
      pass: change !== null && change >= -GATE_TOLERANCE,
    };
  });
}

/** The median ratio of a figure to the peer's; null where fewer than {@link GATE_ROUNDS} rounds have both. */
function goodness(result: Result, key: string): number | null {
  const figure = result.figures.find((one) => one.key === key);
  const own = result.series.find((one) => one.figure === key && one.system === result.subject);
  const peer = result.series.find((one) => one.figure === key && one.system === gatePeer);
  if (figure === undefined || own === undefined || peer === undefined) return null;
  const [over, under] = figure.higherIsBetter ? [own, peer] : [peer, own];
  const all = ratios(over, under, ({ value }) => value);
  return all.length < GATE_ROUNDS ? null : (spread(all)?.median ?? null);
}

/**
 * The result that a run on `machine` is held against: `file`, or the newest that is committed in `dir` for that machine, has every gated
 * figure, and counts no disturbed readings. Throws with the remedy where there is none.
 */
export function gateReference(
  file: string | null,
  dir: string,
  machine: string,
  figures: readonly string[] = gatedFigures,
): { file: string; result: Result } {
  const remedy = `run \`npm run bench -- --only ${figures.join(',')} --peers ${gatePeer}\` on a commit that is good, and commit what it writes`;
  if (file !== null) {
    const result = readResult(file);
    const lacking = figures.filter((figure) => goodness(result, figure) === null);
    if (lacking.length === 0) return { file, result };
    throw new ResultError(
      `${file} has fewer than ${GATE_ROUNDS} ratios to ${gatePeer} for ${lacking.join(', ')}; ${remedy}`,
    );
  }
  const candidates = committedResults(dir)
    .map((path) => ({ file: path, result: readResult(path) }))
    .filter(({ result }) => result.machine.name === machine && !result.keepDisturbed)
    .filter(({ result }) => figures.every((figure) => goodness(result, figure) !== null))
    .toSorted((a, b) => a.result.date.localeCompare(b.result.date));
  const newest = candidates.at(-1);
  if (newest !== undefined) return newest;
  throw new ResultError(
    `no committed result of a machine named ${machine} in ${join(dir, '/')} has every gated figure in ${GATE_ROUNDS} undisturbed rounds: ` +
      `${remedy}, or name another: --gate FILE, --machine NAME`,
  );
}

/** The verdicts as Markdown. */
export function gateText(
  verdicts: readonly GateVerdict[],
  reference: string,
  titles: readonly Figure[],
): string {
  const rows = verdicts.map(({ figure, committed, now, change, pass }) => [
    titles.find(({ key }) => key === figure)?.title ?? figure,
    committed === null ? '-' : numberText(committed),
    now === null ? 'not measured' : numberText(now),
    change === null ? '-' : `${change >= 0 ? '+' : ''}${(change * 100).toFixed(1)} %`,
    pass ? 'passes' : '**fails**',
  ]);
  const failed = verdicts.filter(({ pass }) => !pass);
  const limit = `${GATE_TOLERANCE * 100} %`;
  return [
    `Ratios to ${gatePeer} beside those of ${reference}; more is better in every row.`,
    '',
    ...table(['figure', 'committed', 'now', 'change', ''], rows),
    '',
    failed.length === 0
      ? `The gate is open: no ratio fell by more than ${limit}.`
      : `The gate is shut: ${failed.map(({ figure }) => figure).join(', ')} fell by more than ${limit}, or could not be measured in ${GATE_ROUNDS} rounds.`,
    '',
  ].join('\n');
}

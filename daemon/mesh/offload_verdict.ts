/**
 * What the answers about bursts mean. A burst by UDP_SEGMENT is compared with the same burst sent one by one, several times over, so
 * that loss is not mistaken for damage.
 */

/** What the far end told about one burst. */
export interface Arrival {
  /** Datagrams in the burst. */
  sent: number;
  /** The indexes of those that did not arrive, or not as they were sent. */
  missing: readonly number[];
}

/** The same burst, sent both ways. */
export interface Attempt {
  plain: Arrival;
  segmented: Arrival;
}

export type Verdict =
  | 'intact'
  | 'damaged'
  /** Nothing arrives either way: it says nothing about the offload. */
  | 'unclear'
  /** Another attempt is needed. */
  | 'again';

/** Attempts that a verdict of damage takes, where the path loses nothing otherwise, and where it does. */
const enough = 3;
const enoughOnLossyPath = 6;

/**
 * Two kinds of damage are told from loss. One that always hits the same place: a datagram arrived in no burst by UDP_SEGMENT, and in
 * every other one. And one that hits anywhere: far more is missing of the bursts by UDP_SEGMENT than of the others. On a path that
 * loses one datagram in ten at random, the former happens once in ten thousand checks of 60 datagrams, the latter less often still.
 */
export function judge(attempts: readonly Attempt[]): Verdict {
  const last = attempts.at(-1);
  if (last === undefined) return 'again';
  if (last.segmented.missing.length === 0) return 'intact';
  if (attempts.length < enough) return 'again';
  if (attempts.every(({ plain }) => plain.missing.length === plain.sent)) return 'unclear';
  const lossy = attempts.some(({ plain }) => plain.missing.length > 0);
  if (lossy && attempts.length < enoughOnLossyPath) return 'again';
  const lost = sum(attempts.map(({ plain }) => plain.missing.length));
  const damaged = sum(attempts.map(({ segmented }) => segmented.missing.length));
  return damaged >= 8 + 3 * lost || alwaysMissing(attempts) ? 'damaged' : 'intact';
}

function alwaysMissing(attempts: readonly Attempt[]): boolean {
  const [first] = attempts;
  return (first?.segmented.missing ?? []).some((index) =>
    attempts.every(
      ({ plain, segmented }) => segmented.missing.includes(index) && !plain.missing.includes(index),
    ),
  );
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

/** Whose turn it is, among peers that something is tried with from time to time. */

export interface Turn {
  /** When it is to begin next. */
  due: number;
  /** What has begun and goes on. */
  running: Promise<unknown> | null;
}

/** Those that are due and `may` begin, whoever waits longest first: so few that no more than `most` run at once. */
export function nextTurns<T extends Turn>(
  known: ReadonlyMap<string, T>,
  now: number,
  most: number,
  may: (peer: string, turn: T) => boolean,
): [string, T][] {
  const all = [...known];
  const room = most - all.filter(([, { running }]) => running !== null).length;
  const due = all.filter(([peer, turn]) => turn.running === null && turn.due <= now && may(peer, turn));
  due.sort(([, one], [, other]) => one.due - other.due);
  return due.slice(0, Math.max(0, room));
}

/** Round trips as RFC 6298 smooths them and RFC 3550 measures how they vary. */

export interface RoundTrip {
  /** Milliseconds. */
  rtt: number;
  /** Milliseconds by which one differs from the next, smoothed. */
  jitter: number;
  last: number;
}

export function nextRoundTrip(before: RoundTrip | null, milliseconds: number): RoundTrip {
  if (before === null) return { rtt: milliseconds, jitter: 0, last: milliseconds };
  return {
    rtt: before.rtt + (milliseconds - before.rtt) / 8,
    jitter: before.jitter + (Math.abs(milliseconds - before.last) - before.jitter) / 16,
    last: milliseconds,
  };
}

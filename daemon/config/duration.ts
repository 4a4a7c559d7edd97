/** Durations in the configuration: a number with its unit, so that nobody has to guess seconds or milliseconds. */

const seconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };
const longest = 7 * 24 * 3600;

/** Seconds of `300s`, `5m`, `1h`; null when it is none of them. */
export function parseDuration(text: string): number | null {
  const match = /^(\d{1,6})(s|m|h)$/.exec(text);
  return match === null ? null : Number(match[1]) * (seconds[match[2] ?? ''] ?? 0);
}

/** What is wrong with a value that should be a duration between 1 s and a week, or null. */
export function durationProblem(value: unknown): string | null {
  if (typeof value === 'number') return `a duration needs its unit; write ${value}s`;
  const duration = typeof value === 'string' ? parseDuration(value) : null;
  if (duration === null) return 'expected a duration such as 300s, 5m or 1h';
  return duration < 1 || duration > longest ? 'expected a duration of 1s to 168h' : null;
}

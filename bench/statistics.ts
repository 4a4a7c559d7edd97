/**
 * 0.975 quantiles of Student's t distribution by degrees of freedom from 1, as in any table of it. For more than 30 degrees that of 30 is
 * used, which is 4 % too wide at most.
 */
const T_975 = [
  ...[12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228],
  ...[2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11, 2.101, 2.093, 2.086],
  ...[2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042],
];

/** A ratio and where it really is, 95 times out of 100. */
export interface RatioInterval {
  ratio: number;
  low: number;
  high: number;
}

/**
 * How much larger `after` is than `before`, as a ratio of geometric means with its 95 % confidence interval: Welch's t interval on the
 * logarithms. Figures of throughput and time vary by factors, so that logarithms are nearer to a normal distribution; both sides may vary
 * differently; and a handful of rounds is enough for it, where resampling five values gives intervals that are too narrow.
 * Null with fewer than two values on a side, or with one that is not positive.
 */
export function ratioInterval(before: readonly number[], after: readonly number[]): RatioInterval | null {
  if (before.length < 2 || after.length < 2) return null;
  if ([...before, ...after].some((value) => !(value > 0))) return null;
  const a = moments(before.map(Math.log));
  const b = moments(after.map(Math.log));
  const difference = b.mean - a.mean;
  const error = a.squaredError + b.squaredError;
  // Values that never vary leave no doubt.
  const reach = error === 0 ? 0 : quantile(degrees(a, b)) * Math.sqrt(error);
  return {
    ratio: Math.exp(difference),
    low: Math.exp(difference - reach),
    high: Math.exp(difference + reach),
  };
}

interface Moments {
  count: number;
  mean: number;
  /** Variance of the mean. */
  squaredError: number;
}

function moments(values: readonly number[]): Moments {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1);
  return { count, mean, squaredError: variance / count };
}

/** Welch-Satterthwaite. */
function degrees(a: Moments, b: Moments): number {
  const error = a.squaredError + b.squaredError;
  return error ** 2 / (a.squaredError ** 2 / (a.count - 1) + b.squaredError ** 2 / (b.count - 1));
}

/** Fractions of a degree are cut off, which widens the interval. */
function quantile(degreesOfFreedom: number): number {
  const index = Math.min(T_975.length, Math.max(1, Math.floor(degreesOfFreedom))) - 1;
  return T_975[index] ?? Number.NaN;
}

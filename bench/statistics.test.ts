import { describe, expect, it } from 'vitest';
import { ratioInterval } from './statistics.js';

/** Values whose logarithms are these. */
const exponentials = (...logs: number[]) => logs.map(Math.exp);

describe('ratioInterval', () => {
  it("is Welch's interval on the logarithms", () => {
    // Two samples of a standard error of sqrt(1/3) each: 4 degrees of freedom, t = 2.776, reach 2.776 * sqrt(2/3).
    const interval = ratioInterval(exponentials(-1, 0, 1), exponentials(0, 1, 2));
    expect(interval?.ratio).toBeCloseTo(Math.E);
    expect(Math.log(interval?.low ?? 0)).toBeCloseTo(1 - 2.776 * Math.sqrt(2 / 3), 5);
    expect(Math.log(interval?.high ?? 0)).toBeCloseTo(1 + 2.776 * Math.sqrt(2 / 3), 5);
  });

  it('has the degrees of the side that varies where the other does not', () => {
    // One side alone: 2 degrees of freedom, t = 4.303.
    const interval = ratioInterval([1, 1, 1, 1, 1], exponentials(-1, 0, 1));
    expect(Math.log(interval?.high ?? 0)).toBeCloseTo(4.303 * Math.sqrt(1 / 3), 5);
  });

  it('is a point where nothing varies', () => {
    const interval = ratioInterval([2, 2], [3, 3]);
    expect(interval?.ratio).toBeCloseTo(1.5);
    expect(interval?.low).toBe(interval?.ratio);
    expect(interval?.high).toBe(interval?.ratio);
  });

  it('is none of a single value, and none of what has no logarithm', () => {
    expect(ratioInterval([2], [3, 3])).toBeNull();
    expect(ratioInterval([2, 0], [3, 3])).toBeNull();
    expect(ratioInterval([2, 1], [3, Number.NaN])).toBeNull();
  });

  it('holds the true ratio about 95 times out of 100', () => {
    let state = 1;
    const uniform = () => {
      state = (state * 48271) % 2147483647;
      return state / 2147483647;
    };
    const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
    const sample = (centre: number) => Array.from({ length: 5 }, () => centre * Math.exp(0.1 * normal()));
    let held = 0;
    for (let run = 0; run < 2000; run += 1) {
      const interval = ratioInterval(sample(10), sample(8));
      if (interval !== null && interval.low <= 0.8 && interval.high >= 0.8) held += 1;
    }
    expect(held / 2000).toBeGreaterThan(0.94);
    expect(held / 2000).toBeLessThan(0.98);
  });
});

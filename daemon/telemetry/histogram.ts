/** How often something was done, and how long it took. */
import { Histogram } from 'prom-client';
import type { HistogramMetric } from './metrics/definition.js';

/** An empty one. Values of labels must come from a fixed set. */
export function makeHistogram({ name, help, labels, buckets }: HistogramMetric): Histogram {
  return new Histogram({ name, help, labelNames: [...labels], buckets: [...buckets], registers: [] });
}

/** Counts by one key, which must come from a fixed set. */
export class Tally {
  private readonly byKey = new Map<string, number>();

  count(key: string, by = 1): void {
    this.byKey.set(key, (this.byKey.get(key) ?? 0) + by);
  }

  all(): ReadonlyMap<string, number> {
    return this.byKey;
  }
}

/** Seconds since `began`, a moment of `performance.now()`. */
export function secondsSince(began: number): number {
  return (performance.now() - began) / 1000;
}

/** What a metric is: its name, its meaning, and how a scrape reads it. docs/metrics.md is made from these. */
import type { Histogram } from 'prom-client';
import type { MetricsParts, Scrape } from './scrape.js';

/** Values by name, in the order in which they are written. */
export type Labels = Readonly<Record<string, string>>;
export type Sample = readonly [labels: Labels, value: number];

interface About {
  readonly name: string;
  readonly help: string;
  /** Names, in the order in which they are written. */
  readonly labels: readonly string[];
}

export interface ValueMetric extends About {
  readonly type: 'gauge' | 'counter';
  read(scrape: Scrape): readonly Sample[];
}

/** What weftd fills as it goes, and a scrape only writes. */
export interface HistogramMetric extends About {
  readonly type: 'histogram';
  /** Upper bounds, ascending. */
  readonly buckets: readonly number[];
  of(parts: MetricsParts): Histogram;
}

export type Metric = ValueMetric | HistogramMetric;

export function gauge(
  name: string,
  help: string,
  labels: readonly string[],
  read: ValueMetric['read'],
): ValueMetric {
  return { type: 'gauge', name, help, labels, read };
}

/** What only grows while weftd runs. */
export function counter(
  name: string,
  help: string,
  labels: readonly string[],
  read: ValueMetric['read'],
): ValueMetric {
  return { type: 'counter', name, help, labels, read };
}

/** Seconds: from what a healthy machine does in a moment to what people complain about. */
const latencies: readonly number[] = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10];

export function histogram(
  name: string,
  help: string,
  labels: readonly string[],
  of: HistogramMetric['of'],
  buckets = latencies,
): HistogramMetric {
  return { type: 'histogram', name, help, labels, buckets, of };
}

import type { Meter } from '../meter.js';
import { frameWorkloads } from './frames.js';
import { roundTripWorkloads } from './round-trips.js';
import { tcpWorkloads } from './tcp.js';
import type { Experiment, Workload } from './workload.js';

/** Traffic between the guests of a bed, in the order of the tables. */
export function workloads(meter: Meter): Workload[] {
  return [...tcpWorkloads(meter), ...frameWorkloads(meter), ...roundTripWorkloads(meter)];
}

/** What makes its own hosts, or needs none, in the order of the tables. */
export function experiments(_meter: Meter): Experiment[] {
  return [];
}

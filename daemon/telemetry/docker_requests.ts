/** Counts what Docker asked of the plugin, for the metrics. */
import { makeHistogram } from './histogram.js';
import { dockerSeconds } from './metrics/durations.js';

/** `refused`: with a reason that Docker prints. `failed`: by a defect of weft. */
const outcomes = ['answered', 'refused', 'failed'] as const;
export type RequestOutcome = (typeof outcomes)[number];

export interface RequestCount {
  method: string;
  outcome: RequestOutcome;
  count: number;
}

export class DockerRequests {
  readonly seconds = makeHistogram(dockerSeconds);
  private readonly counts = new Map<string, RequestCount[]>();
  private readonly methods: ReadonlySet<string>;

  /** Methods that the plugin does not have count as `other`, so that a client cannot make series without end. */
  constructor(methods: Iterable<string>) {
    this.methods = new Set(methods);
  }

  count(method: string, outcome: RequestOutcome, seconds: number): void {
    const known = this.methods.has(method) ? method : 'other';
    let counts = this.counts.get(known);
    if (counts === undefined) {
      // From zero on, so that the first failure is an increase.
      counts = outcomes.map((one) => ({ method: known, outcome: one, count: 0 }));
      this.counts.set(known, counts);
    }
    for (const one of counts) if (one.outcome === outcome) one.count++;
    this.seconds.observe({ method: known }, seconds);
  }

  /** Every outcome of the methods that were seen since weftd was started. */
  all(): readonly RequestCount[] {
    return [...this.counts.values()].flat();
  }
}

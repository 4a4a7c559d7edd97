/** Counts what Docker asked of the plugin, for the metrics. */

/** `refused`: with a reason that Docker prints. `failed`: by a defect of weft. */
export type RequestOutcome = 'answered' | 'refused' | 'failed';

export interface RequestCount {
  method: string;
  outcome: RequestOutcome;
  count: number;
}

export class DockerRequests {
  private readonly counts = new Map<string, RequestCount>();
  private readonly methods: ReadonlySet<string>;

  /** Methods that the plugin does not have count as `other`, so that a client cannot make series without end. */
  constructor(methods: Iterable<string>) {
    this.methods = new Set(methods);
  }

  count(method: string, outcome: RequestOutcome): void {
    const known = this.methods.has(method) ? method : 'other';
    const key = `${known} ${outcome}`;
    const entry = this.counts.get(key) ?? { method: known, outcome, count: 0 };
    entry.count++;
    this.counts.set(key, entry);
  }

  /** Those that were seen since weftd was started. */
  all(): readonly RequestCount[] {
    return [...this.counts.values()];
  }
}

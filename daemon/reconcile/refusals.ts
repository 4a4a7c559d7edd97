/** Guarded ports whose frames are being refused, as their counters show it. */

import type { NamedCounters } from '../datapath/datapath.js';
import { steadyNow } from '../steady_time.js';

/** A port is no news any more when this long nothing of it was refused; in milliseconds. */
const remembered = 60_000;

export class Refusals {
  private readonly seen = new Map<string, { total: number; at: number | null }>();

  constructor(private readonly now: () => number = steadyNow) {}

  /** IDs of ports of which something was refused in the last minute. */
  current({ ports }: Pick<NamedCounters, 'ports'>): ReadonlySet<string> {
    for (const id of this.seen.keys()) if (!ports.has(id)) this.seen.delete(id);
    for (const [id, { refused }] of ports) {
      const total = refused.reduce((sum, one) => sum + one, 0);
      const before = this.seen.get(id);
      // A port that was made anew counts from zero.
      const grew = total > 0 && total !== before?.total;
      this.seen.set(id, { total, at: grew ? this.now() : (before?.at ?? null) });
    }
    const since = this.now() - remembered;
    return new Set([...this.seen].flatMap(([id, { at }]) => (at !== null && at >= since ? [id] : [])));
  }
}

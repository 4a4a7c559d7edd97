/** The range that one pool gives from, and which of its addresses comes next. */
import type { LeaseRecord } from '../model/objects.js';
import { MinHeap } from './min_heap.js';
import { type AddressRange, holds } from './range.js';

/**
 * Finds the lowest address without a lease in amortised constant time: below the cursor every address has a lease, but for those in the
 * heap, which had one until it was forgotten.
 */
export class Window {
  private cursor: bigint;
  private readonly returned = new MinHeap();
  /** In the order of their release. */
  private readonly released = new Set<bigint>();

  /** `leases` are those of the scope by number, also while they change; `released` those of them that are, in the order of their release. */
  constructor(
    readonly range: AddressRange,
    private readonly leases: ReadonlyMap<bigint, LeaseRecord>,
    released: Iterable<bigint>,
  ) {
    this.cursor = range.first;
    for (const number of released) if (holds(range, number)) this.released.add(number);
  }

  /** To be called after each change of the lease at `number`. */
  changed(number: bigint): void {
    if (!holds(this.range, number)) return;
    const lease = this.leases.get(number);
    if (lease?.state === 'released') this.released.add(number);
    else this.released.delete(number);
    if (lease === undefined && number < this.cursor) this.returned.push(number);
  }

  /** The lowest address without a lease; null when all have one. */
  lowest(): bigint | null {
    for (;;) {
      const lowest = this.returned.lowest();
      if (lowest === undefined) break;
      if (!this.leases.has(lowest)) return lowest;
      this.returned.removeLowest();
    }
    while (this.cursor <= this.range.last && this.leases.has(this.cursor)) this.cursor++;
    return this.cursor <= this.range.last ? this.cursor : null;
  }

  /** The address that was released longest ago. */
  longestReleased(): bigint | null {
    const [number] = this.released;
    return number ?? null;
  }
}

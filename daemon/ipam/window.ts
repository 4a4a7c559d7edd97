/** The range that one pool gives from, and which of its addresses comes next. */
import type { LeaseRecord } from '../model/objects.js';
import { MinHeap } from './min_heap.js';
import { type AddressRange, holds } from './range.js';

/**
 * Finds the lowest address without a lease in amortised constant time: below the cursor every address has a lease, but for those in the
 * heap, which had one until it was forgotten, or were taken without one.
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

  /** The lowest address without a lease that is not `taken`; null when there is none. */
  lowest(taken: (number: bigint) => boolean): bigint | null {
    const passed: bigint[] = [];
    let found: bigint | null = null;
    for (let lowest = this.returned.lowest(); lowest !== undefined; lowest = this.returned.lowest()) {
      const isFree = !this.leases.has(lowest);
      if (isFree && !taken(lowest)) {
        found = lowest;
        break;
      }
      this.returned.removeLowest();
      // It is free again when it is no longer taken.
      if (isFree) passed.push(lowest);
    }
    while (found === null && this.cursor <= this.range.last) {
      const isFree = !this.leases.has(this.cursor);
      if (isFree && !taken(this.cursor)) found = this.cursor;
      else {
        if (isFree) passed.push(this.cursor);
        this.cursor++;
      }
    }
    for (const number of passed) this.returned.push(number);
    return found;
  }

  /** The address that was released longest ago and is not `taken`. */
  longestReleased(taken: (number: bigint) => boolean): bigint | null {
    for (const number of this.released) if (!taken(number)) return number;
    return null;
  }
}

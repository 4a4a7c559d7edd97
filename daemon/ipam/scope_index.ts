/** The leases of one scope by number, by name, and in the order of their release. */
import type { LeaseRecord } from '../model/objects.js';
import type { AddressRange } from './range.js';
import { Window } from './window.js';

export class ScopeIndex {
  private readonly leases = new Map<bigint, LeaseRecord>();
  private readonly names = new Map<string, Set<bigint>>();
  /** In the order of their release. */
  private readonly releases = new Set<bigint>();
  /** By ID of the pool. */
  private readonly windows = new Map<string, Window>();

  get size(): number {
    return this.leases.size;
  }

  get isEmpty(): boolean {
    return this.leases.size === 0 && this.windows.size === 0;
  }

  /** The records are not to be changed. */
  get(number: bigint): Readonly<LeaseRecord> | undefined {
    return this.leases.get(number);
  }

  entries(): Iterable<[number: bigint, lease: Readonly<LeaseRecord>]> {
    return this.leases;
  }

  /** Those that are released, the one released longest ago first. */
  *released(): Generator<[number: bigint, lease: Readonly<LeaseRecord>]> {
    for (const number of this.releases) yield [number, this.leases.get(number) as LeaseRecord];
  }

  named(name: string): Iterable<bigint> {
    return this.names.get(name) ?? [];
  }

  /** What a pool gives from. It is kept, and made anew when the range has changed. */
  window(pool: string, range: AddressRange): Window {
    const known = this.windows.get(pool);
    if (known?.range.first === range.first && known.range.last === range.last) return known;
    const window = new Window(range, this.leases, this.releases);
    this.windows.set(pool, window);
    return window;
  }

  dropWindow(pool: string): void {
    this.windows.delete(pool);
  }

  /** undefined: the lease was forgotten. */
  apply(number: bigint, lease: LeaseRecord | undefined): void {
    const before = this.leases.get(number);
    if (before?.name) this.forgetName(before.name, number);
    if (lease === undefined) this.leases.delete(number);
    else this.leases.set(number, lease);
    if (lease?.name) this.names.set(lease.name, (this.names.get(lease.name) ?? new Set()).add(number));

    if (lease?.state === 'released') this.releases.add(number);
    else this.releases.delete(number);
    for (const window of this.windows.values()) window.changed(number);
  }

  private forgetName(name: string, number: bigint): void {
    const numbers = this.names.get(name);
    numbers?.delete(number);
    if (numbers?.size === 0) this.names.delete(name);
  }
}

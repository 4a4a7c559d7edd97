/** All leases in memory. The store is what is true: the index changes only when the store has. */
import { type LeaseRecord, leaseKey } from '../model/objects.js';
import type { Store } from '../state/store.js';
import { numberOf } from './range.js';
import { ScopeIndex } from './scope_index.js';

export class LeaseIndex {
  private readonly scopes = new Map<string, ScopeIndex>();
  /** Keys of leases that nobody had claimed when this process began, and that have not changed since. */
  private readonly inherited = new Set<string>();

  constructor(private readonly store: Pick<Store, 'get' | 'list' | 'watch'>) {
    const leases = store.list('lease').sort((one, other) => one.since - other.since);
    for (const lease of leases) {
      this.apply(lease.scope, lease.address, lease);
      if (lease.state === 'active' && lease.port === null) this.inherited.add(leaseKey(lease));
    }
    store.watch(({ kind, key }) => {
      if (kind === 'lease') this.leaseChanged(key);
      if (kind === 'pool' && this.store.get('pool', key) === undefined) this.poolEnded(key);
    });
  }

  /** undefined: it has no leases. */
  find(name: string): ScopeIndex | undefined {
    return this.scopes.get(name);
  }

  /** For a scope that has a pool: an empty one when it has no leases. */
  scope(name: string): ScopeIndex {
    const known = this.scopes.get(name);
    if (known !== undefined) return known;
    const scope = new ScopeIndex();
    this.scopes.set(name, scope);
    return scope;
  }

  all(): Iterable<[name: string, scope: ScopeIndex]> {
    return this.scopes;
  }

  /** Given by an earlier process and never claimed, so that the engine may not have heard of it. */
  isInherited(lease: LeaseRecord): boolean {
    return this.inherited.has(leaseKey(lease));
  }

  private leaseChanged(key: string): void {
    const space = key.indexOf(' ');
    this.inherited.delete(key);
    this.apply(key.slice(space + 1), key.slice(0, space), this.store.get('lease', key));
  }

  private apply(name: string, address: string, lease: LeaseRecord | undefined): void {
    const scope = this.scope(name);
    scope.apply(numberOf(address), lease);
    if (scope.isEmpty) this.scopes.delete(name);
  }

  private poolEnded(id: string): void {
    for (const [name, scope] of this.scopes) {
      scope.dropWindow(id);
      if (scope.isEmpty) this.scopes.delete(name);
    }
  }
}

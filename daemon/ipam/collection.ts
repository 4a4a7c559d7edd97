/** Finds the leases that nobody claimed, and those that were released long enough ago to be forgotten. */
import { type LeaseRecord, leaseKey } from '../model/objects.js';
import type { Transaction } from '../state/store.js';
import {
  type Books,
  claimTime,
  day,
  isShared,
  maxNames,
  maxRemembered,
  quarantine,
  releasedLease,
  sameLease,
  userCounts,
} from './books.js';
import { type AddressRange, holds, rangeOf } from './range.js';
import type { ScopeIndex } from './scope_index.js';

/** null: the lease is forgotten. */
export interface LeaseChange {
  before: LeaseRecord;
  after: LeaseRecord | null;
}

export function dueChanges(books: Books): LeaseChange[] {
  const users = userCounts(books);
  const pools = new Map<string, { range: AddressRange; shared: boolean }[]>();
  for (const pool of books.store.list('pool')) {
    const shared = isShared(pool, users.get(pool.id) ?? 0);
    pools.set(pool.scope, [...(pools.get(pool.scope) ?? []), { range: rangeOf(pool.subnet), shared }]);
  }
  const ports = new Set(books.store.list('port').map(({ id }) => id));
  const changes: LeaseChange[] = [];
  const remembered: LeaseRecord[] = [];
  for (const [name, scope] of books.index.all()) {
    const shared = (pools.get(name) ?? []).filter((pool) => pool.shared);
    for (const [number, lease] of scope.entries()) {
      // A network of another driver may have it: nobody would tell us. Only ports of ours claim addresses.
      if (lease.port === null && shared.some(({ range }) => holds(range, number))) continue;
      if (isAbandoned(lease, ports, books.now()))
        changes.push({ before: lease, after: releasedLease(lease, books.now()) });
    }
    const { forgotten, kept } = forgettable(scope, pools.has(name), books.now());
    changes.push(...forgotten);
    remembered.push(...kept);
  }
  remembered.sort((one, other) => one.since - other.since);
  const excess = remembered.slice(0, Math.max(0, remembered.length - maxRemembered));
  return [...changes, ...excess.map((before) => ({ before, after: null }))];
}

/** Changes only what is still as it was. */
export function change(tx: Transaction, changes: readonly LeaseChange[]): void {
  for (const { before, after } of changes) {
    const key = leaseKey(before);
    if (!sameLease(tx.get('lease', key), before)) continue;
    if (after === null) tx.delete('lease', key);
    else tx.put('lease', key, after);
  }
}

/** Nobody claimed it in time, or its port is gone and the engine did not say that it released it. */
function isAbandoned(lease: LeaseRecord, ports: ReadonlySet<string>, now: number): boolean {
  if (lease.kind !== 'endpoint' || lease.state !== 'active' || lease.since > now - claimTime) return false;
  return lease.port === null || !ports.has(lease.port);
}

/** `kept`: what only a name keeps, the one released longest ago first. */
function forgettable(
  scope: ScopeIndex,
  hasPool: boolean,
  now: number,
): { forgotten: LeaseChange[]; kept: LeaseRecord[] } {
  const released = [...scope.released()].map(([, lease]) => lease);
  const excess = released.filter(({ name }) => name !== null).length - maxNames;
  const forgotten: LeaseChange[] = [];
  const kept: LeaseRecord[] = [];
  let named = 0;
  for (const lease of released) {
    const recent = hasPool || lease.since > now - day;
    const keepsName = lease.name !== null && ++named > excess && recent;
    const rests = lease.since > now - quarantine;
    if (!keepsName && !rests) forgotten.push({ before: lease, after: null });
    else if (!keepsName && lease.name !== null)
      forgotten.push({ before: lease, after: { ...lease, name: null } });
    else if (!rests) kept.push(lease);
  }
  return { forgotten, kept };
}

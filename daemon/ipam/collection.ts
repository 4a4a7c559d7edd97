/** Finds the leases that nobody claimed, and those that were released long enough ago to be forgotten. */
import { type LeaseRecord, leaseKey } from '../model/objects.js';
import { type Books, claimTime, maxNames, quarantine, releasedLease, sameLease } from './books.js';
import { type AddressRange, holds, rangeOf } from './range.js';
import type { ScopeIndex } from './scope_index.js';

/** null: the lease is forgotten. */
export interface LeaseChange {
  before: LeaseRecord;
  after: LeaseRecord | null;
}

export function dueChanges(books: Books): LeaseChange[] {
  const pools = new Map<string, { range: AddressRange; bound: boolean }[]>();
  for (const { scope, subnet, bound } of books.store.list('pool'))
    pools.set(scope, [...(pools.get(scope) ?? []), { range: rangeOf(subnet), bound }]);
  const ports = new Set(books.store.list('port').map(({ id }) => id));
  const changes: LeaseChange[] = [];
  for (const [name, scope] of books.index.all()) {
    const unbound = (pools.get(name) ?? []).filter(({ bound }) => !bound);
    for (const [number, lease] of scope.entries()) {
      // A network of another driver may have it: nobody would tell us.
      if (unbound.some(({ range }) => holds(range, number))) continue;
      if (isAbandoned(lease, ports, books.now()))
        changes.push({ before: lease, after: releasedLease(lease, books.now()) });
    }
    changes.push(...forgettable(scope, books.now()));
  }
  return changes;
}

/** Changes only what is still as it was. */
export async function carryOut({ store }: Books, changes: readonly LeaseChange[]): Promise<void> {
  await store.transaction((tx) => {
    for (const { before, after } of changes) {
      const key = leaseKey(before);
      if (!sameLease(tx.get('lease', key), before)) continue;
      if (after === null) tx.delete('lease', key);
      else tx.put('lease', key, after);
    }
  });
}

/** Nobody claimed it in time, or its port is gone and the engine did not say that it released it. */
function isAbandoned(lease: LeaseRecord, ports: ReadonlySet<string>, now: number): boolean {
  if (lease.kind !== 'endpoint' || lease.state !== 'active' || lease.since > now - claimTime) return false;
  return lease.port === null || !ports.has(lease.port);
}

function forgettable(scope: ScopeIndex, now: number): LeaseChange[] {
  const released = [...scope.released()].map(([, lease]) => lease);
  const excess = released.filter(({ name }) => name !== null).length - maxNames;
  const changes: LeaseChange[] = [];
  let named = 0;
  for (const lease of released) {
    const keepsName = lease.name !== null && ++named > excess;
    const rests = lease.since > now - quarantine;
    if (!keepsName && !rests) changes.push({ before: lease, after: null });
    else if (!keepsName && lease.name !== null)
      changes.push({ before: lease, after: { ...lease, name: null } });
  }
  return changes;
}

/** What the parts of IPAM work with, and the figures that they share. */

import { WeftError } from '../errors.js';
import type { EngineNetworkRecord, LeaseRecord, PoolRecord } from '../model/objects.js';
import type { Store } from '../state/store.js';
import type { IpamRules } from './ipam.js';
import type { LeaseIndex } from './lease_index.js';
import { holds, rangeOf } from './range.js';
import type { Share } from './shares.js';

export interface Books {
  store: Store;
  rules: IpamRules;
  now: () => number;
  index: LeaseIndex;
}

export const maxPools = 4096;
export const maxLeases = 65_536;
export const maxNames = 4096;
/** Released leases of all scopes that only a name keeps. */
export const maxRemembered = 16_384;
/** As many changes of leases as one transaction makes while requests wait. */
export const batch = 1000;

/** Milliseconds. */
export const quarantine = 10 * 60_000;
export const claimTime = 5 * 60_000;
export const day = 24 * 60 * 60_000;
/** An engine goes from RequestPool to CreateNetwork in less. */
export const makingTime = 60_000;

/** The share that the subnets of this scope are given by; null: all of them. Throws WEFT_IPAM_NO_SHARE. */
export function shareFor({ rules }: Books, scope: string): Share | null {
  const share = rules.shareOf(scope);
  if (share === null && rules.meshed()) throw new WeftError('WEFT_IPAM_NO_SHARE');
  return share;
}

export function usersOf({ store }: Books, pool: string): EngineNetworkRecord[] {
  return store.list('engine-network').filter(({ pools }) => pools.some(({ id }) => id === pool));
}

/** How many networks of ours use each pool, by its ID. */
export function userCounts({ store }: Books): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { pools } of store.list('engine-network'))
    for (const id of new Set(pools.flatMap((pool) => pool.id ?? [])))
      counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}

/**
 * Networks of other drivers may have addresses of the pool: it was requested more often than networks of ours account for. A request
 * whose answer was lost looks the same; an address that is kept for nobody is better than one that is given twice.
 */
export function isShared({ bound, references }: PoolRecord, users: number): boolean {
  return !bound || references > users;
}

/** Leases of the scope within the subnet. */
export function* leasesIn(
  { index }: Books,
  { scope, subnet }: Pick<PoolRecord, 'scope' | 'subnet'>,
): Generator<Readonly<LeaseRecord>> {
  const all = rangeOf(subnet);
  for (const [number, lease] of index.find(scope)?.entries() ?? []) if (holds(all, number)) yield lease;
}

/** An engine asked for the pool just now, and has made no network of ours with it yet: it is reserving gateway and auxiliary addresses. */
export function isBeingMade(books: Books, pool: PoolRecord): boolean {
  return books.now() - pool.requestedAt <= makingTime && pool.references > usersOf(books, pool.id).length;
}

export function sameLease(one: LeaseRecord | undefined, other: LeaseRecord | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return (
    one.kind === other.kind &&
    one.name === other.name &&
    one.port === other.port &&
    one.state === other.state &&
    one.since === other.since
  );
}

export function releasedLease(lease: LeaseRecord, now: number): LeaseRecord {
  return { ...lease, port: null, state: 'released', since: now };
}

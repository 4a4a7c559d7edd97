/** What the parts of IPAM work with, and the figures that they share. */

import { WeftError } from '../errors.js';
import type { EngineNetworkRecord, LeaseRecord, PoolRecord } from '../model/objects.js';
import type { Store } from '../state/store.js';
import type { IpamRules } from './ipam.js';
import type { LeaseIndex } from './lease_index.js';
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

/** Milliseconds. */
export const quarantine = 10 * 60_000;
export const claimTime = 5 * 60_000;
export const collectPoolAfter = 10 * 60_000;
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

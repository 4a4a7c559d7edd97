/** What people see of a pool. */
import type { Pool } from '../api/schema.js';
import { WeftError } from '../errors.js';
import { familyOf } from '../model/address.js';
import type { PoolRecord } from '../model/objects.js';
import { type Books, shareFor } from './books.js';
import { type AddressRange, formatRange, holds, rangeOf, sizeOf } from './range.js';
import { giveable } from './shares.js';

/** `limit`: leases that are shown, the lowest addresses first. */
export function poolView(books: Books, pool: PoolRecord, limit: number): Pool {
  const { id, scope, subnet } = pool;
  const range = rangeNow(books, pool);
  const all = rangeOf(subnet);
  const active: bigint[] = [];
  const leases = books.index.find(scope);
  for (const [number, { state }] of leases?.entries() ?? [])
    if (state === 'active' && holds(all, number)) active.push(number);
  active.sort((one, other) => (one < other ? -1 : 1));
  return {
    id,
    scope,
    subnet,
    range: range === null ? 'none' : formatRange(range, familyOf(subnet)),
    size: range === null ? '0' : String(sizeOf(range)),
    used: range === null ? 0 : active.filter((number) => holds(range, number)).length,
    leases: active.slice(0, limit).flatMap((number) => {
      const lease = leases?.get(number);
      if (lease === undefined) return [];
      const { address, kind, name, port, since } = lease;
      return [{ address, kind, name, port, since: new Date(since).toISOString() }];
    }),
  };
}

/** How much of its part of a subnet this host has given. */
export interface PoolUse {
  scope: string;
  subnet: string;
  /** Addresses of the part. */
  size: bigint;
  used: number;
}

export function poolUse(books: Books, pool: PoolRecord): PoolUse {
  const { scope, subnet } = pool;
  const range = rangeNow(books, pool);
  if (range === null) return { scope, subnet, size: 0n, used: 0 };
  let used = 0;
  for (const [number, { state }] of books.index.find(scope)?.entries() ?? [])
    if (state === 'active' && holds(range, number)) used++;
  return { scope, subnet, size: sizeOf(range), used };
}

/** null when the share of this host was changed or removed, and nothing can be given any more. */
function rangeNow(books: Books, { scope, subnet, range }: PoolRecord): AddressRange | null {
  try {
    return giveable(subnet, range, shareFor(books, scope));
  } catch (error) {
    if (error instanceof WeftError) return null;
    throw error;
  }
}

/** Removing a port takes two steps: it is marked first, and forgotten when nothing of its link is left. */
import { withoutPrefix } from '../model/address.js';
import { type EntryRecord, entryKey, type LeaseRecord, leaseKey, type PortRecord } from '../model/objects.js';
import type { Transaction } from './store.js';

/**
 * From here on the port is in no answer of the API, but a daemon that dies before the link does still knows, when it is started again,
 * in which namespace to look for it. `entries` are all static FDB entries; those of the port go at once.
 */
export function markRemoved(tx: Transaction, id: string, entries: readonly EntryRecord[]): void {
  const port = tx.get('port', id);
  if (port === undefined) return;
  tx.put('port', id, { ...port, removing: true });
  for (const entry of entries)
    if (entry.where.kind === 'port' && entry.where.id === id) tx.delete('entry', entryKey(entry));
}

/** The addresses of a port that is gone without its engine saying so are free again. */
export function releaseLeases(tx: Transaction, port: PortRecord, now: number): void {
  for (const { key, lease } of leasesOf(tx, port))
    tx.put('lease', key, { ...lease, port: null, state: 'released', since: now });
}

/** The leases that a port has claimed. */
export function leasesOf(
  tx: Pick<Transaction, 'get'>,
  { id, endpoint, addresses }: PortRecord,
): { key: string; lease: LeaseRecord }[] {
  const network = endpoint === undefined ? undefined : tx.get('engine-network', endpoint.engineNetwork);
  const pools = (network?.pools ?? []).flatMap((pool) =>
    pool.id === null ? [] : (tx.get('pool', pool.id) ?? []),
  );
  const keys = new Set(
    pools.flatMap(({ scope }) =>
      addresses.map((address) => leaseKey({ scope, address: withoutPrefix(address) })),
    ),
  );
  return [...keys].flatMap((key) => {
    const lease = tx.get('lease', key);
    return lease?.port === id ? [{ key, lease }] : [];
  });
}

/** Removing a port takes two steps: it is marked first, and forgotten when nothing of its link is left. */
import { type EntryRecord, entryKey } from '../model/objects.js';
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

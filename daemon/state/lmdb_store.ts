/** The store on lmdb: crash-safe, one file, reads from memory. */
import { randomUUID } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { type Database, open, type RootDatabase } from 'lmdb';
import { WeftError } from '../errors.js';
import { damageOf } from './data_file.js';
import {
  type Change,
  type Kind,
  kinds,
  type Records,
  type Store,
  type StoreProblem,
  type Transaction,
} from './store.js';

/** Grows when the shape of a record changes so that an older weftd would misread it. */
const schemaVersion = 2;

/** Of whose records this version reads all; 1 had no ports of Docker. */
const readable: readonly unknown[] = [1, schemaVersion];

/** What lmdb says of pages that are not what they should be. */
const damaged = /MDB_(CORRUPTED|PAGE_NOTFOUND|INVALID|PANIC|VERSION_MISMATCH)/;

const removed: StoreProblem = {
  kind: 'removed',
  reason: 'it was removed or replaced while weftd runs; start weftd again',
};

export class LmdbStore implements Store {
  readonly hostId: string;
  private readonly listeners = new Set<(change: Change) => void>();
  /** Of the data file as it was opened; while it is open, no other file gets them. */
  private readonly opened: string | null;
  private lastFailure: string | null = null;

  /** Throws WEFT_STATE_UNUSABLE or WEFT_STATE_DAMAGED. The caller holds the lock of the directory. */
  static async open(directory: string): Promise<LmdbStore> {
    try {
      const damage = damageOf(join(directory, 'state', 'data.mdb'));
      if (damage !== null) throw new WeftError('WEFT_STATE_DAMAGED', { dir: directory, reason: damage });
      // Without overlappingSync a write resolves only after fsync; with it (the default) it would resolve before.
      const root = open({
        path: join(directory, 'state'),
        encoding: 'json',
        overlappingSync: false,
        maxDbs: 32,
      });
      const meta = root.openDB<string | number, string>({ name: 'meta', encoding: 'json' });
      const version = meta.get('schema') ?? schemaVersion;
      if (!readable.includes(version)) {
        await root.close();
        throw new Error(
          `it was written by another version of weft (schema ${version}, this one knows ${schemaVersion})`,
        );
      }
      const hostId = meta.get('host') ?? randomUUID();
      await root.transaction(() => {
        meta.put('schema', schemaVersion);
        meta.put('host', hostId);
      });
      const databases = new Map(
        kinds.map((kind) => [kind, root.openDB<unknown, string>({ name: kind, encoding: 'json' })]),
      );
      for (const database of databases.values()) for (const _ of database.getRange());
      return new LmdbStore(directory, root, meta, databases, String(hostId));
    } catch (cause) {
      if (cause instanceof WeftError) throw cause;
      const reason = (cause as Error).message;
      const code = damaged.test(reason) ? 'WEFT_STATE_DAMAGED' : 'WEFT_STATE_UNUSABLE';
      throw new WeftError(code, { dir: directory, reason }, { cause });
    }
  }

  private constructor(
    private readonly directory: string,
    private readonly root: RootDatabase,
    private readonly meta: Database<string | number, string>,
    private readonly databases: ReadonlyMap<Kind, Database<unknown, string>>,
    hostId: string,
  ) {
    this.hostId = hostId;
    this.opened = identityOf(directory);
  }

  get<K extends Kind>(kind: K, key: string): Records[K] | undefined {
    return this.of(kind).get(key);
  }

  list<K extends Kind>(kind: K): Records[K][] {
    return [...this.of(kind).getRange()].map(({ value }) => value);
  }

  put<K extends Kind>(kind: K, key: string, record: Records[K]): Promise<void> {
    return this.transaction((tx) => tx.put(kind, key, record));
  }

  delete(kind: Kind, key: string): Promise<void> {
    return this.transaction((tx) => tx.delete(kind, key));
  }

  async transaction(change: (tx: Transaction) => void): Promise<void> {
    const made: Change[] = [];
    await this.write(() => {
      // Collected first: lmdb commits what was written before a callback threw.
      const writes: (() => void)[] = [];
      change({
        get: (kind, key) => this.get(kind, key),
        put: (kind, key, record) => {
          writes.push(() => ignoreRejection(this.of(kind).put(key, record)));
          made.push({ kind, key });
        },
        delete: (kind, key) => {
          writes.push(() => ignoreRejection(this.of(kind).remove(key)));
          made.push({ kind, key });
        },
      });
      for (const write of writes) write();
    });
    for (const one of made) for (const listener of this.listeners) listener(one);
  }

  async check(): Promise<StoreProblem | null> {
    if (this.lastFailure !== null) {
      await this.write(() => ignoreRejection(this.meta.put('schema', schemaVersion))).catch(() => undefined);
    }
    if (this.wasRemoved()) return removed;
    return this.lastFailure === null ? null : { kind: 'failed', reason: this.lastFailure };
  }

  watch(listener: (change: Change) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.listeners.clear();
    await this.root.close();
  }

  /** Throws what `change` throws, and WEFT_STATE_UNUSABLE when lmdb cannot commit. */
  private async write(change: () => void): Promise<void> {
    if (this.wasRemoved()) throw this.unusable(removed.reason);
    const refusal: { error: unknown }[] = [];
    try {
      await this.root.transaction(() => {
        try {
          change();
        } catch (error) {
          refusal.push({ error });
          throw error;
        }
      });
      this.lastFailure = null;
    } catch (cause) {
      const [refused] = refusal;
      if (refused !== undefined) throw refused.error;
      this.lastFailure = await reasonOf(cause);
      throw this.unusable(this.lastFailure, cause);
    }
  }

  private unusable(reason: string, cause?: unknown): WeftError {
    return new WeftError('WEFT_STATE_UNUSABLE', { dir: this.directory, reason }, { cause });
  }

  private wasRemoved(): boolean {
    return identityOf(this.directory) !== this.opened;
  }

  private of<K extends Kind>(kind: K): Database<Records[K], string> {
    return this.databases.get(kind) as Database<Records[K], string>;
  }
}

/** Device and inode of the data file; null when there is none. */
function identityOf(directory: string): string | null {
  const stat = statSync(join(directory, 'state', 'data.mdb'), { throwIfNoEntry: false });
  return stat === undefined ? null : `${stat.dev} ${stat.ino}`;
}

/** A commit that fails rejects each of its writes too; the transaction tells it already. */
function ignoreRejection(written: Promise<boolean>): void {
  written.catch(() => undefined);
}

/** lmdb hands the errno text of a failed commit over in a promise that rejects. */
async function reasonOf(error: unknown): Promise<string> {
  const { commitError, message } = error as Error & { commitError?: Promise<unknown> };
  if (commitError === undefined) return message;
  const told = commitError.then(
    () => message,
    (cause: unknown) => (cause as Error).message,
  );
  // It is rejected right after the commit was, or never.
  return await Promise.race([told, setImmediate(message)]);
}

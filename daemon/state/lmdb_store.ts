/** The store on lmdb: crash-safe, one file, reads from memory. */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { type Database, open, type RootDatabase } from 'lmdb';
import { WeftError } from '../errors.js';
import { type Change, type Kind, kinds, type Records, type Store, type Transaction } from './store.js';

/** Grows when the shape of a record changes so that an older weftd would misread it. */
const schemaVersion = 1;

export class LmdbStore implements Store {
  readonly hostId: string;
  private readonly listeners = new Set<(change: Change) => void>();

  /** Throws WEFT_STATE_UNUSABLE. The caller holds the lock of the directory. */
  static async open(directory: string): Promise<LmdbStore> {
    try {
      // Without overlappingSync a write resolves only after fsync; with it (the default) it would resolve before.
      const root = open({
        path: join(directory, 'state'),
        encoding: 'json',
        overlappingSync: false,
        maxDbs: 8,
      });
      const meta = root.openDB<string | number, string>({ name: 'meta', encoding: 'json' });
      const version = meta.get('schema') ?? schemaVersion;
      if (version !== schemaVersion) {
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
      return new LmdbStore(root, databases, String(hostId));
    } catch (cause) {
      const reason = (cause as Error).message;
      throw new WeftError('WEFT_STATE_UNUSABLE', { dir: directory, reason }, { cause });
    }
  }

  private constructor(
    private readonly root: RootDatabase,
    private readonly databases: ReadonlyMap<Kind, Database<unknown, string>>,
    hostId: string,
  ) {
    this.hostId = hostId;
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
    await this.root.transaction(() => {
      // Collected first: lmdb commits what was written before a callback threw.
      const writes: (() => void)[] = [];
      change({
        get: (kind, key) => this.get(kind, key),
        put: (kind, key, record) => {
          writes.push(() => void this.of(kind).put(key, record));
          made.push({ kind, key });
        },
        delete: (kind, key) => {
          writes.push(() => void this.of(kind).remove(key));
          made.push({ kind, key });
        },
      });
      for (const write of writes) write();
    });
    for (const one of made) for (const listener of this.listeners) listener(one);
  }

  watch(listener: (change: Change) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.listeners.clear();
    await this.root.close();
  }

  private of<K extends Kind>(kind: K): Database<Records[K], string> {
    return this.databases.get(kind) as Database<Records[K], string>;
  }
}

/** A store that forgets, for tests. Records are copied in and out, as on a disk. */
import { frozen } from './frozen.js';
import {
  type Change,
  type Kind,
  kinds,
  type Records,
  type Store,
  type StoreProblem,
  type Transaction,
} from './store.js';

export class MemoryStore implements Store {
  readonly hostId: string;
  repaired = 0;
  private readonly records = new Map<Kind, Map<string, unknown>>(kinds.map((kind) => [kind, new Map()]));
  private readonly listeners = new Set<(change: Change) => void>();

  constructor(hostId = '00000000-0000-4000-8000-000000000001') {
    this.hostId = hostId;
  }

  get<K extends Kind>(kind: K, key: string): Records[K] | undefined {
    return structuredClone(this.of(kind).get(key));
  }

  list<K extends Kind>(kind: K): Records[K][] {
    const sorted = [...this.of(kind).entries()].sort(([one], [other]) => (one < other ? -1 : 1));
    return sorted.map(([, record]) => record);
  }

  put<K extends Kind>(kind: K, key: string, record: Records[K]): Promise<void> {
    return this.transaction((tx) => tx.put(kind, key, record));
  }

  delete(kind: Kind, key: string): Promise<void> {
    return this.transaction((tx) => tx.delete(kind, key));
  }

  async transaction(change: (tx: Transaction) => void): Promise<void> {
    const changes: (() => Change)[] = [];
    change({
      get: (kind, key) => this.get(kind, key),
      put: (kind, key, record) => {
        const copy = frozen(structuredClone(record));
        changes.push(() => {
          this.of(kind).set(key, copy);
          return { kind, key };
        });
      },
      delete: (kind, key) => {
        changes.push(() => {
          this.of(kind).delete(key);
          return { kind, key };
        });
      },
    });
    const made = changes.map((apply) => apply());
    for (const one of made) for (const listener of this.listeners) listener(one);
  }

  async check(): Promise<StoreProblem | null> {
    return null;
  }

  watch(listener: (change: Change) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async close(): Promise<boolean> {
    this.listeners.clear();
    return true;
  }

  private of<K extends Kind>(kind: K): Map<string, Records[K]> {
    return this.records.get(kind) as Map<string, Records[K]>;
  }
}

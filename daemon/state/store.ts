/** Where desired state lives. What was answered with "yes" is on the disk before the answer leaves. */
import type {
  EngineNetworkRecord,
  EntryRecord,
  LeaseRecord,
  NetworkRecord,
  PeerRecord,
  PoolRecord,
  PortRecord,
} from '../model/objects.js';

export interface Records {
  network: NetworkRecord;
  port: PortRecord;
  peer: PeerRecord;
  entry: EntryRecord;
  'engine-network': EngineNetworkRecord;
  pool: PoolRecord;
  lease: LeaseRecord;
}

export type Kind = keyof Records;

export const kinds: readonly Kind[] = ['network', 'port', 'peer', 'entry', 'engine-network', 'pool', 'lease'];

export interface Change {
  kind: Kind;
  key: string;
}

/** Why the store keeps nothing at the moment. */
export interface StoreProblem {
  /** `removed`: what is written would be lost, until weftd is started again. */
  kind: 'failed' | 'removed';
  reason: string;
}

/** Changes that become true together or not at all. */
export interface Transaction {
  /** What all earlier changes left, also those of transactions that have not resolved yet; not what this one puts. */
  get<K extends Kind>(kind: K, key: string): Records[K] | undefined;
  put<K extends Kind>(kind: K, key: string, record: Records[K]): void;
  delete(kind: Kind, key: string): void;
}

export interface Store {
  /** Minted at first start and kept; never derived from the hardware. */
  readonly hostId: string;
  /** Damaged lines that were put right when it was opened. */
  readonly repaired: number;
  get<K extends Kind>(kind: K, key: string): Records[K] | undefined;
  /** In the order of the keys. The records are frozen, and the same ones until they are changed. */
  list<K extends Kind>(kind: K): Records[K][];
  /** Resolves when the record is on the disk. */
  put<K extends Kind>(kind: K, key: string, record: Records[K]): Promise<void>;
  delete(kind: Kind, key: string): Promise<void>;
  /** `change` may be called later; when it throws, nothing is changed. Throws WEFT_STATE_UNUSABLE when nothing can be kept. */
  transaction(change: (tx: Transaction) => void): Promise<void>;
  /** Whether changes are kept. After a write that failed it tries another one. Never rejects. */
  check(): Promise<StoreProblem | null>;
  /** Calls back after each change; returns what ends it. */
  watch(listener: (change: Change) => void): () => void;
  /** False: the disk has not answered, and a call to it may change it yet. */
  close(): Promise<boolean>;
}

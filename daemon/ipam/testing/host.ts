/** One host with its IPAM, a store whose commits can fail, and a clock that tests move. */
import { WeftError } from '../../errors.js';
import type { EngineNetworkRecord, LeaseRecord, PoolRecord, PortRecord } from '../../model/objects.js';
import { leaseKey } from '../../model/objects.js';
import { MemoryStore } from '../../state/memory_store.js';
import type { Change, Kind, Records, Store, StoreProblem, Transaction } from '../../state/store.js';
import { type Holder, Ipam, type IpamRules } from '../ipam.js';
import type { Share } from '../shares.js';

export const minute = 60_000;

/** The process died; what it waited for never comes. */
export class Crash extends Error {}

/** `lose` and `keep`: the process dies before or after the commit. `refuse`: the disk is full. */
export type Fate = 'lose' | 'keep' | 'refuse';

/** What one process sees of the store. */
export class FallibleStore implements Store {
  private readonly listeners = new Set<(change: Change) => void>();
  private fate: { fate: Fate; after: number } | null = null;

  constructor(private readonly disk: MemoryStore) {
    disk.watch((change) => {
      for (const listener of this.listeners) listener(change);
    });
  }

  get hostId(): string {
    return this.disk.hostId;
  }

  get repaired(): number {
    return this.disk.repaired;
  }

  /** What becomes of the commit that comes after `after` others. */
  next(fate: Fate | null, after = 0): void {
    this.fate = fate === null ? null : { fate, after };
  }

  get<K extends Kind>(kind: K, key: string): Records[K] | undefined {
    return this.disk.get(kind, key);
  }

  list<K extends Kind>(kind: K): Records[K][] {
    return this.disk.list(kind);
  }

  put<K extends Kind>(kind: K, key: string, record: Records[K]): Promise<void> {
    return this.transaction((tx) => tx.put(kind, key, record));
  }

  delete(kind: Kind, key: string): Promise<void> {
    return this.transaction((tx) => tx.delete(kind, key));
  }

  async transaction(change: (tx: Transaction) => void): Promise<void> {
    const fate = this.fate?.after === 0 ? this.fate.fate : null;
    this.fate = this.fate === null || fate !== null ? null : { ...this.fate, after: this.fate.after - 1 };
    if (fate === 'refuse') throw new WeftError('WEFT_STATE_UNUSABLE', { dir: '/', reason: 'disk full' });
    if (fate !== null) this.listeners.clear();
    if (fate !== 'lose') await this.disk.transaction(change);
    if (fate !== null) throw new Crash();
  }

  check(): Promise<StoreProblem | null> {
    return this.disk.check();
  }

  watch(listener: (change: Change) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async close(): Promise<boolean> {
    this.listeners.clear();
    return true;
  }
}

export class Host {
  readonly disk = new MemoryStore();
  store!: FallibleStore;
  ipam!: Ipam;
  share: Share | null = null;
  peers = false;
  networks: Record<string, string[]> = {};
  occupied: string[] = [];
  /** Of ports. */
  taken = new Map<string, Holder>();
  now = 1_800_000_000_000;

  constructor(share: Share | null = null) {
    this.share = share;
    this.restart();
  }

  /** A new process on the same disk. */
  restart(): void {
    const rules: IpamRules = {
      subnetsOf: (network) => this.networks[network] ?? null,
      shareOf: () => this.share,
      meshed: () => this.peers,
      occupied: () => this.occupied,
      takenIn: () => this.taken,
    };
    this.store = new FallibleStore(this.disk);
    this.ipam = new Ipam({ store: this.store, rules, now: () => this.now });
  }

  pool(
    subnet: string | null,
    more: { network?: string; range?: string; family?: 4 | 6 } = {},
  ): Promise<PoolRecord> {
    const family = more.family ?? (subnet?.includes(':') ? 6 : 4);
    return this.ipam.requestPool({
      network: more.network ?? null,
      subnet,
      range: more.range ?? null,
      family,
    });
  }

  any(pool: PoolRecord, name: string | null = null): Promise<string> {
    return this.ipam.requestAddress({ pool: pool.id, address: null, gateway: false, name });
  }

  asked(pool: PoolRecord, address: string, name: string | null = null): Promise<string> {
    return this.ipam.requestAddress({ pool: pool.id, address, gateway: false, name });
  }

  gateway(pool: PoolRecord, address: string | null = null): Promise<string> {
    return this.ipam.requestAddress({ pool: pool.id, address, gateway: true, name: null });
  }

  release(pool: PoolRecord, address: string): Promise<void> {
    return this.ipam.releaseAddress(pool.id, bare(address));
  }

  /** An engine network of ours is made with the pool. */
  async bind(pool: PoolRecord, id = 'n'.repeat(64), auxiliary: string[] = []): Promise<void> {
    const { subnet } = pool;
    const record: EngineNetworkRecord = {
      id,
      engine: 'docker',
      network: pool.scope,
      pools: [{ id: pool.id, subnet, gateway: null, auxiliary }],
      internal: false,
    };
    await this.disk.transaction((tx) => {
      const current = tx.get('pool', pool.id);
      if (current !== undefined) tx.put('pool', pool.id, { ...current, bound: true });
      tx.put('engine-network', id, record);
      for (const address of auxiliary) this.change(tx, pool.scope, address, { kind: 'auxiliary' });
    });
  }

  /** A port takes the address, as CreateEndpoint does. */
  async claim(scope: string, address: string, port = `p-${bare(address)}`): Promise<void> {
    await this.disk.transaction((tx) => {
      tx.put('port', port, { id: port } as PortRecord);
      this.change(tx, scope, bare(address), { port });
    });
  }

  leases(): LeaseRecord[] {
    return this.disk.list('lease');
  }

  active(): string[] {
    return this.leases()
      .filter(({ state }) => state === 'active')
      .map(({ address }) => address);
  }

  private change(tx: Transaction, scope: string, address: string, change: Partial<LeaseRecord>): void {
    const key = leaseKey({ scope, address });
    const lease = tx.get('lease', key);
    if (lease !== undefined) tx.put('lease', key, { ...lease, ...change });
  }
}

export function bare(address: string): string {
  return address.replace(/\/.*/, '');
}

/** The code of the error that it rejects with. */
export async function codeOf(refused: Promise<unknown>): Promise<string> {
  return (await errorOf(refused)).code;
}

export async function errorOf(refused: Promise<unknown>): Promise<WeftError> {
  const error = await refused.then(
    (value) => new Error(`it was not refused: ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  if (error instanceof WeftError) return error;
  throw error;
}

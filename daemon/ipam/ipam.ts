/** Gives addresses to container engines out of the part of each subnet that this host owns. */
import type { Pool } from '../api/schema.js';
import { Mutex } from '../intent/mutex.js';
import { parseAddress } from '../model/address.js';
import type { LeaseRecord, PoolRecord } from '../model/objects.js';
import type { Store } from '../state/store.js';
import { type Books, batch } from './books.js';
import { change, dueChanges, type LeaseChange } from './collection.js';
import { LeaseBook } from './lease_book.js';
import { LeaseIndex } from './lease_index.js';
import { PoolBook } from './pool_book.js';
import { parsePoolId } from './pool_id.js';
import { type PoolUse, poolUse, poolView } from './pool_view.js';
import { numberOf, prefixOf } from './range.js';

export type { PoolUse } from './pool_view.js';

/** A port that has an address. */
export interface Holder {
  /** Its name. */
  port: string;
  /** IPAM gave it the address. Once the lease is released, the engine has forgotten the port, and may give the address to another. */
  leased: boolean;
}

/** What the configuration says, read anew for each request. */
export interface IpamRules {
  /** Subnets that a network declares; null when there is no such network. */
  subnetsOf(network: string): readonly string[] | null;
  /** The part of every subnet that this host gives from: of the network with this name, else of the host; null when none is configured. */
  shareOf(network: string): { of: number; index: number } | null;
  /** There are other hosts, which must not give the same addresses. */
  meshed(): boolean;
  /** Subnets of networks and routes of this host, which a default subnet must not overlap: canonical CIDRs. */
  occupied(): readonly string[];
  /** By address in canonical form: ports on the networks of this scope. */
  takenIn(scope: string): ReadonlyMap<string, Holder>;
}

export interface IpamParts {
  store: Store;
  rules: IpamRules;
  /** Milliseconds since the epoch. */
  now: () => number;
}

export interface PoolRequest {
  /** `weft.network`; null: the pool stands for itself. */
  network: string | null;
  /** CIDR as the engine sends it; null: a subnet of the network, or a default one. */
  subnet: string | null;
  /** `--ip-range`, a CIDR; null: all of the share. */
  range: string | null;
  family: 4 | 6;
}

export interface AddressRequest {
  pool: string;
  /** null: any. */
  address: string | null;
  gateway: boolean;
  /** Name of the container, where the engine tells it. */
  name: string | null;
}

/** Longer names of containers are not remembered; Docker's are much shorter. */
const maxName = 255;

/** As many leases as a view of a pool shows. */
const shownLeases = 1000;

/**
 * Answers are true once they are given: every change is on the disk before its promise resolves. Decisions are made one after the other;
 * other parts may change leases and pools (claim, mark, bind) in transactions of their own at any time.
 */
export class Ipam {
  private readonly books: Books;
  private readonly poolBook: PoolBook;
  private readonly leaseBook: LeaseBook;
  private readonly mutex = new Mutex();

  /** Reads all leases of the store, and follows its changes until it is closed. */
  constructor(parts: IpamParts) {
    this.books = { ...parts, index: new LeaseIndex(parts.store) };
    this.poolBook = new PoolBook(this.books);
    this.leaseBook = new LeaseBook(this.books);
    parts.store.watch(({ kind, key }) => {
      // At once, so that a request that follows finds the subnet free. What fails now is done when leases are collected.
      if (kind === 'engine-network' && parts.store.get(kind, key) === undefined)
        this.endUnused().catch(() => undefined);
    });
  }

  /**
   * The same request again gives the same pool with one more reference; one that leaves the subnet to us gives another subnet each time.
   * Throws WEFT_IPAM_POOL_INVALID, WEFT_IPAM_NO_SHARE, WEFT_IPAM_NO_DEFAULT_POOL, WEFT_IPAM_LIMIT, WEFT_DOCKER_OPTION.
   */
  requestPool(request: PoolRequest): Promise<PoolRecord> {
    return this.mutex.run(() => this.poolBook.request(request));
  }

  /** It is no error when there is none. */
  async releasePool(id: string): Promise<void> {
    await this.carryOut(await this.mutex.run(() => this.poolBook.release(id)));
  }

  /**
   * For pools that a crash left; see {@link PoolBook.remove}, which says what is refused.
   */
  async removePool(reference: string, force: boolean): Promise<void> {
    await this.carryOut(await this.mutex.run(() => this.poolBook.remove(reference, force)));
  }

  /**
   * The address with the prefix length of its subnet. Throws WEFT_IPAM_POOL_NOT_FOUND, WEFT_IPAM_ADDRESS_OUTSIDE,
   * WEFT_IPAM_ADDRESS_TAKEN, WEFT_IPAM_EXHAUSTED, WEFT_IPAM_NO_SHARE, WEFT_IPAM_LIMIT, and WEFT_IPAM_POOL_INVALID when the share was
   * changed so that nothing of the pool is in it.
   */
  requestAddress(request: AddressRequest): Promise<string> {
    return this.mutex.run(async () => {
      const pool = this.poolBook.find(request.pool);
      const name = request.name !== null && request.name.length <= maxName ? request.name : null;
      return `${await this.leaseBook.give(pool, { ...request, name })}/${prefixOf(pool.subnet)}`;
    });
  }

  /** It is no error when it was not given, nor when the pool is gone. */
  async releaseAddress(pool: string, address: string): Promise<void> {
    const identity = parsePoolId(pool);
    const canonical = parseAddress(address.replace(/\/\d{1,3}$/, ''));
    if (identity === null || canonical === null) return;
    await this.mutex.run(() => this.leaseBook.release(identity.scope, canonical));
  }

  /** Forgets what nobody claimed, and what was released long ago. Called every minute. */
  async collect(): Promise<void> {
    await this.carryOut(await this.mutex.run(async () => dueChanges(this.books)));
    await this.endUnused();
  }

  /** `address` in canonical form, without prefix. */
  lease(scope: string, address: string): LeaseRecord | undefined {
    const lease = this.books.index.find(scope)?.get(numberOf(address));
    return lease === undefined ? undefined : { ...lease };
  }

  /** In the order of their IDs, with at most a thousand leases each. */
  pools(): Pool[] {
    return this.books.store.list('pool').map((pool) => poolView(this.books, pool, shownLeases));
  }

  /** As {@link pools}, without the leases. */
  use(): PoolUse[] {
    return this.books.store.list('pool').map((pool) => poolUse(this.books, pool));
  }

  private async endUnused(): Promise<void> {
    await this.carryOut(await this.mutex.run(() => this.poolBook.endUnused()));
  }

  /** Changes only what is still as it was, since requests are served in between. */
  private async carryOut(changes: readonly LeaseChange[]): Promise<void> {
    for (let at = 0; at < changes.length; at += batch)
      await this.mutex.run(() =>
        this.books.store.transaction((tx) => change(tx, changes.slice(at, at + batch))),
      );
  }
}

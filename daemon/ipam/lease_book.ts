/** Leases: who gets which address. */
import { WeftError } from '../errors.js';
import { familyOf, parseAddress } from '../model/address.js';
import { type LeaseRecord, leaseKey, type PoolRecord } from '../model/objects.js';
import {
  type Books,
  isBeingMade,
  isShared,
  maxLeases,
  releasedLease,
  sameLease,
  shareFor,
  usersOf,
} from './books.js';
import type { AddressRequest, Holder } from './ipam.js';
import { type AddressRange, addressOf, formatRange, holds, numberOf, rangeOf, usableOf } from './range.js';
import type { ScopeIndex } from './scope_index.js';
import { giveable } from './shares.js';

/** Another part changed the lease in a transaction of its own since it was looked at. */
class Overtaken extends Error {
  override readonly message = 'leases change faster than one can be given';
}

const maxAttempts = 64;

export class LeaseBook {
  constructor(private readonly books: Books) {}

  /** The bare address. */
  async give(pool: PoolRecord, request: AddressRequest): Promise<string> {
    for (let attempt = 1; ; attempt++) {
      const number = this.choose(pool, request);
      try {
        return await this.keep(pool, number, request);
      } catch (error) {
        if (!(error instanceof Overtaken) || attempt === maxAttempts) throw error;
      }
    }
  }

  /**
   * Also when the port that claimed the address looks alive. Docker releases the address of an endpoint that it forgot while its
   * container died, when it is started again, and at once asks for the same address for the container's new endpoint; the record of the
   * old one still has its sandbox. Whether the old one gives way is decided when the new one is created, where the sandbox can be looked
   * at. Others are not given the address while the port is there, unless no other is left.
   */
  async release(scope: string, address: string): Promise<void> {
    const key = leaseKey({ scope, address });
    const releasable = (lease: LeaseRecord | undefined): lease is LeaseRecord =>
      lease?.kind === 'endpoint' && lease.state === 'active';
    if (!releasable(this.books.index.find(scope)?.get(numberOf(address)))) return;
    await this.books.store.transaction((tx) => {
      const lease = tx.get('lease', key);
      if (releasable(lease)) tx.put('lease', key, releasedLease(lease, this.books.now()));
    });
  }

  private choose(pool: PoolRecord, { address, gateway, name }: AddressRequest): bigint {
    if (address !== null) return this.asked(pool, address, gateway, name);
    return gateway ? this.gateway(pool) : this.any(pool, name);
  }

  private asked(pool: PoolRecord, text: string, gateway: boolean, name: string | null): bigint {
    const number = usableNumber(pool.subnet, text);
    const lease = this.books.index.scope(pool.scope).get(number);
    const address = addressOf(number, familyOf(pool.subnet));
    const taken = (holder: string) =>
      new WeftError('WEFT_IPAM_ADDRESS_TAKEN', { address, subnet: pool.subnet, holder });
    // A port that is a router may well have what Docker reserves as gateway or auxiliary address. Only containers have names.
    const isReserving = gateway || (name === null && isBeingMade(this.books, pool));
    if (lease === undefined || lease.state === 'released') {
      const holder = this.books.rules.takenIn(pool.scope).get(address);
      if (holder === undefined || holder.leased || isReserving) return number;
      throw taken(`that of port "${holder.port}"`);
    }
    if (lease.kind !== 'endpoint' && isReserving) return number;
    if (this.isRepeated(pool, lease, name)) return number;
    throw taken(holderText(lease));
  }

  /**
   * Nobody claimed the address, and the engine has not heard that it has it: an earlier process gave it, or it was given to the same
   * container. Where networks of another driver may have it, nothing but the first minute after RequestPool tells that.
   */
  private isRepeated(pool: PoolRecord, lease: LeaseRecord, name: string | null): boolean {
    if (lease.kind !== 'endpoint' || lease.port !== null) return false;
    const ours = this.isOurs(pool);
    if (ours && name !== null && lease.name === name) return true;
    if (!this.books.index.isInherited(lease)) return false;
    return ours || (isBeingMade(this.books, pool) && lease.since >= pool.requestedAt);
  }

  /** Only networks of ours have addresses of the pool, so that somebody claims each. */
  private isOurs(pool: PoolRecord): boolean {
    return !isShared(pool, usersOf(this.books, pool.id).length);
  }

  /** The lowest usable address of the subnet, whatever the share, so that hosts choose the same; the next when a container has it. */
  private gateway(pool: PoolRecord): bigint {
    const scope = this.books.index.scope(pool.scope);
    const { first, last } = usableOf(pool.subnet);
    for (let number = first; number <= last; number++) {
      const lease = scope.get(number);
      if (lease?.state !== 'active' || lease.kind === 'gateway') return number;
    }
    throw this.exhausted(pool, { first, last }, scope);
  }

  private any(pool: PoolRecord, name: string | null): bigint {
    const range = giveable(pool.subnet, pool.range, shareFor(this.books, pool.scope));
    const scope = this.books.index.scope(pool.scope);
    const window = scope.window(pool.id, range);
    const holderOf = this.holders(pool);
    const isTaken = (at: bigint) => holderOf(at)?.leased === false;
    // The engine released it long ago, and the port is alive all the same: the address is not given before all others are.
    const isHeld = (at: bigint) => holderOf(at) !== undefined;
    const number =
      this.formerOf(pool, scope, range, name, isTaken) ??
      (scope.size < maxLeases ? window.lowest(isHeld) : null) ??
      window.longestReleased(isTaken) ??
      window.lowest(isTaken);
    if (number === null) throw this.exhausted(pool, range, scope);
    return number;
  }

  private holders({ scope, subnet }: PoolRecord): (number: bigint) => Holder | undefined {
    const holders = this.books.rules.takenIn(scope);
    if (holders.size === 0) return () => undefined;
    const family = familyOf(subnet);
    return (number) => holders.get(addressOf(number, family));
  }

  /** What the container of this name had, or was given by a request whose answer was lost. */
  private formerOf(
    pool: PoolRecord,
    scope: ScopeIndex,
    range: AddressRange,
    name: string | null,
    isTaken: (number: bigint) => boolean,
  ): bigint | null {
    if (name === null) return null;
    let former: { number: bigint; since: number } | null = null;
    for (const number of scope.named(name)) {
      const lease = scope.get(number);
      if (lease === undefined || !holds(range, number)) continue;
      if (lease.state === 'active' && this.isNamesake(pool, lease)) return number;
      if (lease.state === 'released' && lease.since >= (former?.since ?? 0) && !isTaken(number))
        former = { number, since: lease.since };
    }
    return former?.number ?? null;
  }

  private isNamesake(pool: PoolRecord, lease: LeaseRecord): boolean {
    return lease.kind === 'endpoint' && lease.port === null && this.isOurs(pool);
  }

  private exhausted({ scope: name, subnet }: PoolRecord, range: AddressRange, scope: ScopeIndex): WeftError {
    const family = familyOf(subnet);
    const used = new Set<bigint>();
    for (const [number, { state }] of scope.entries()) if (state === 'active') used.add(number);
    for (const [address, { leased }] of this.books.rules.takenIn(name))
      if (!leased && familyOf(address) === family) used.add(numberOf(address));
    const count = [...used].filter((number) => holds(range, number)).length;
    return new WeftError('WEFT_IPAM_EXHAUSTED', { range: formatRange(range, family), subnet, count });
  }

  private async keep(pool: PoolRecord, number: bigint, { gateway, name }: AddressRequest): Promise<string> {
    const { store, index, now } = this.books;
    const scope = index.scope(pool.scope);
    const address = addressOf(number, familyOf(pool.subnet));
    const before = scope.get(number);
    if (before?.state === 'active' && before.kind !== 'endpoint') return address;
    const forgotten = before === undefined && scope.size >= maxLeases ? longestReleased(pool, scope) : null;
    const key = leaseKey({ scope: pool.scope, address });
    await store.transaction((tx) => {
      if (!sameLease(tx.get('lease', key), before)) throw new Overtaken();
      if (forgotten !== null) {
        const old = leaseKey(forgotten);
        if (!sameLease(tx.get('lease', old), forgotten)) throw new Overtaken();
        tx.delete('lease', old);
      }
      tx.put('lease', key, {
        scope: pool.scope,
        address,
        kind: gateway ? 'gateway' : 'endpoint',
        name: gateway ? null : name,
        port: null,
        state: 'active',
        since: now(),
      });
    });
    return address;
  }
}

/** Throws WEFT_IPAM_ADDRESS_OUTSIDE. */
function usableNumber(subnet: string, text: string): bigint {
  const outside = (reason: string) =>
    new WeftError('WEFT_IPAM_ADDRESS_OUTSIDE', { address: text, subnet, reason });
  const address = parseAddress(text);
  if (address === null) throw outside('it is no IP address');
  const number = numberOf(address);
  const all = rangeOf(subnet);
  if (familyOf(address) !== familyOf(subnet) || !holds(all, number))
    throw outside(`it is not in the subnet ${subnet}`);
  if (holds(usableOf(subnet), number)) return number;
  if (familyOf(subnet) === 6) throw outside(`it is the subnet-router anycast address of ${subnet}`);
  throw outside(`it is the ${number === all.first ? 'network' : 'broadcast'} address of ${subnet}`);
}

function holderText({ kind, name, port }: LeaseRecord): string {
  if (kind === 'gateway') return 'the gateway';
  if (kind === 'auxiliary') return 'an auxiliary address';
  if (name !== null) return `that of container "${name}"${port === null ? '' : ` (port ${port})`}`;
  return port === null ? 'given to a container that is being started' : `that of port ${port}`;
}

/** A scope that is full forgets the lease that was released longest ago. Throws WEFT_IPAM_LIMIT when none is. */
function longestReleased({ scope: name }: PoolRecord, scope: ScopeIndex): LeaseRecord {
  for (const [, lease] of scope.released()) return lease;
  throw new WeftError('WEFT_IPAM_LIMIT', { what: 'addresses', limit: maxLeases, where: `network "${name}"` });
}

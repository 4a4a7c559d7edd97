/** Pools: which subnet an engine gets, how often it asked for it, and when it ends. */
import { WeftError } from '../errors.js';
import { familyOf, parseSubnet } from '../model/address.js';
import { networkNameProblem } from '../model/names.js';
import { leaseKey, type PoolRecord, type PortRecord } from '../model/objects.js';
import {
  type Books,
  batch,
  day,
  leasesIn,
  maxPools,
  releasedLease,
  shareFor,
  userCounts,
  usersOf,
} from './books.js';
import { change, type LeaseChange } from './collection.js';
import { defaultSubnets } from './default_subnets.js';
import type { PoolRequest } from './ipam.js';
import { type PoolIdentity, parsePoolId, poolIdOf } from './pool_id.js';
import { overlap } from './range.js';
import { giveable } from './shares.js';
import { checkRange, checkSubnet, invalid } from './subnets.js';

export class PoolBook {
  /** Milliseconds since the epoch. */
  private readonly began: number;

  constructor(private readonly books: Books) {
    this.began = books.now();
  }

  async request(request: PoolRequest): Promise<PoolRecord> {
    const { store, now } = this.books;
    const identity = this.wanted(request);
    const { scope, subnet, range } = identity;
    giveable(subnet, range, shareFor(this.books, scope));
    const id = poolIdOf(identity);
    if (store.get('pool', id) === undefined) this.refuseNew(identity);
    const users = usersOf(this.books, id).length;
    const lost = this.cameToNothing(id);
    const made: PoolRecord[] = [];
    await store.transaction((tx) => {
      const pool = tx.get('pool', id) ?? {
        id,
        scope,
        subnet,
        range,
        references: 0,
        bound: false,
        requestedAt: 0,
      };
      const counted = Math.max(lost ? 0 : pool.references, users);
      made[0] = { ...pool, references: counted + 1, requestedAt: now() };
      tx.put('pool', id, made[0]);
    });
    return made[0] as PoolRecord;
  }

  /**
   * An engine releases the pool before it removes the network, and once more when the answer was lost. So a network of ours keeps the
   * pool, whatever was counted, until it is gone itself. Returns what is still to be released.
   */
  async release(id: string): Promise<LeaseChange[]> {
    const { store } = this.books;
    const pool = store.get('pool', id);
    if (pool === undefined) return [];
    const used = usersOf(this.books, id).length > 0;
    const references = Math.max(pool.references - 1, 0);
    if (references === 0 && !used) return await this.end(pool);
    await store.transaction((tx) => {
      const current = tx.get('pool', id);
      if (current !== undefined) tx.put('pool', id, { ...current, references });
    });
    return [];
  }

  /**
   * Ends the pools that networks of ours were made with and none uses now, when the engine has released them. Others may be those of
   * other drivers, which say only when they end: such a pool is taken for one that a crash left when it has no address, not even that
   * of a gateway, and was not requested for a day. Returns what is still to be released.
   */
  async endUnused(): Promise<LeaseChange[]> {
    const { store, now } = this.books;
    const users = userCounts(this.books);
    const rest: LeaseChange[] = [];
    for (const pool of store.list('pool')) {
      if (users.has(pool.id)) continue;
      const released = pool.bound && pool.references === 0;
      const left = pool.requestedAt <= now() - day && !this.hasAddresses(pool);
      if (released || left) rest.push(...(await this.end(pool)));
    }
    return rest;
  }

  /**
   * Ends a pool that no network of ours uses and no port has an address of; with `force` also one of which addresses were given that
   * no port has. `reference` is an ID, or the subnet of one pool. Returns what is still to be released. Throws WEFT_POOL_NOT_FOUND,
   * WEFT_POOL_AMBIGUOUS, WEFT_POOL_OF_ENGINE, WEFT_POOL_HAS_PORTS, WEFT_POOL_HAS_ADDRESSES.
   */
  async remove(reference: string, force: boolean): Promise<LeaseChange[]> {
    const pool = this.named(reference);
    const { id, subnet } = pool;
    const users = usersOf(this.books, id);
    if (users.length > 0)
      throw new WeftError('WEFT_POOL_OF_ENGINE', {
        pool: id,
        count: users.length,
        networks: [...new Set(users.map(({ network }) => network))].join(', '),
      });
    const active = [...leasesIn(this.books, pool)].filter(
      ({ kind, state }) => kind === 'endpoint' && state === 'active',
    );
    const ports = active.flatMap(({ port }) => this.portOf(pool, port) ?? []);
    if (ports.length > 0)
      throw new WeftError('WEFT_POOL_HAS_PORTS', { pool: id, count: ports.length, port: ports[0]?.id ?? '' });
    const unclaimed = active.filter(({ port }) => port === null).length;
    if (unclaimed > 0 && !force)
      throw new WeftError('WEFT_POOL_HAS_ADDRESSES', { pool: id, count: unclaimed, subnet });
    return await this.end(pool);
  }

  /** Throws WEFT_IPAM_POOL_NOT_FOUND. */
  find(id: string): PoolRecord {
    const pool = this.books.store.get('pool', id);
    if (pool === undefined) throw new WeftError('WEFT_IPAM_POOL_NOT_FOUND', { pool: id });
    return pool;
  }

  /** An earlier process was asked for the pool, and nobody has an address of it: its answer was lost, or the engine died. */
  private cameToNothing(id: string): boolean {
    const pool = this.books.store.get('pool', id);
    return pool !== undefined && pool.requestedAt < this.began && !this.hasAddresses(pool);
  }

  private named(reference: string): PoolRecord {
    const { store } = this.books;
    const exact = parsePoolId(reference) === null ? undefined : store.get('pool', reference);
    if (exact !== undefined) return exact;
    const parsed = parseSubnet(reference);
    const pools = store.list('pool').filter(({ subnet }) => 'subnet' in parsed && subnet === parsed.subnet);
    const [only] = pools;
    if (only === undefined) throw new WeftError('WEFT_POOL_NOT_FOUND', { pool: reference });
    if (pools.length > 1)
      throw new WeftError('WEFT_POOL_AMBIGUOUS', {
        pool: reference,
        matches: pools.map(({ id }) => id).join(' and '),
      });
    return only;
  }

  /** The port with this ID, unless its network has another pool of the same subnet. */
  private portOf(pool: PoolRecord, id: string | null): PortRecord | undefined {
    const { store } = this.books;
    const port = id === null ? undefined : store.get('port', id);
    if (port === undefined || port.removing === true) return undefined;
    const network = store.get('engine-network', port.endpoint?.engineNetwork ?? '');
    return network?.pools.some((other) => other.id !== pool.id && other.subnet === pool.subnet)
      ? undefined
      : port;
  }

  private hasAddresses(pool: PoolRecord): boolean {
    for (const { state } of leasesIn(this.books, pool)) if (state === 'active') return true;
    return false;
  }

  /**
   * With the last pool of a subnet its reservations end. What a port still has stays until the port goes. Returns what is still to be
   * released; should this process die first, nobody claims it any more, and it is collected.
   */
  private async end(pool: PoolRecord): Promise<LeaseChange[]> {
    const { store, now } = this.books;
    const others = store.list('pool').filter(({ id, scope }) => id !== pool.id && scope === pool.scope);
    const last = others.every(({ subnet }) => subnet !== pool.subnet);
    const active = last ? [...leasesIn(this.books, pool)].filter(({ state }) => state === 'active') : [];
    const reservations = active.filter(({ kind }) => kind !== 'endpoint');
    const changes = active
      .filter(
        ({ kind, port }) => kind === 'endpoint' && (port === null || store.get('port', port) === undefined),
      )
      .map((before) => ({ before, after: releasedLease(before, now()) }));
    await store.transaction((tx) => {
      tx.delete('pool', pool.id);
      for (const lease of reservations) tx.delete('lease', leaseKey(lease));
      change(tx, changes.slice(0, batch));
    });
    return changes.slice(batch);
  }

  private wanted({ network, subnet, range, family }: PoolRequest): PoolIdentity {
    if (network !== null) refuseName(network);
    if (subnet === null && range !== null)
      throw invalid(range, 'an --ip-range needs the subnet that it is part of', 'Write --subnet too.');
    const chosen =
      subnet !== null
        ? checkSubnet(subnet, family)
        : network === null
          ? this.defaultSubnet(family)
          : this.declaredSubnet(network, family);
    if (network !== null) this.refuseUndeclared(network, chosen);
    return {
      scope: network ?? chosen,
      subnet: chosen,
      range: range === null ? null : checkRange(range, chosen),
    };
  }

  private defaultSubnet(family: 4 | 6): string {
    const taken = [
      ...this.books.store.list('pool').map(({ subnet }) => subnet),
      ...this.books.rules.occupied(),
    ];
    const free = defaultSubnets(family).find((subnet) => !taken.some((other) => overlap(subnet, other)));
    if (free === undefined) throw new WeftError('WEFT_IPAM_NO_DEFAULT_POOL');
    return free;
  }

  private declaredSubnet(network: string, family: 4 | 6): string {
    const declared = this.books.rules.subnetsOf(network);
    const subnet = declared?.find((one) => familyOf(one) === family);
    if (subnet !== undefined) return checkSubnet(subnet, family);
    throw new WeftError('WEFT_DOCKER_OPTION', {
      option: `weft.network=${network}`,
      reason:
        declared === null
          ? 'there is no such network yet, so it has no subnet to give addresses from'
          : `the network has no IPv${family} subnet to give addresses from`,
      advice: 'Declare the network with its subnets in /etc/weft/weft.yaml, or give --subnet.',
    });
  }

  /** Hosts cut each subnet for itself, so the parts of two that overlap are not apart from each other. */
  private refuseUndeclared(network: string, subnet: string): void {
    const declared = this.books.rules.subnetsOf(network) ?? [];
    if (declared.length === 0) return;
    const list = declared.join(', ');
    if (!declared.includes(subnet))
      throw invalid(
        subnet,
        `network "${network}" has the subnets ${list}`,
        'Write one of them, or leave --subnet away.',
      );
    if (declared.some((other) => other !== subnet && overlap(other, subnet)))
      throw invalid(
        subnet,
        `the subnets of network "${network}" overlap: ${list}`,
        'Declare subnets that do not overlap, the same on all hosts.',
      );
  }

  private refuseNew({ scope, subnet }: PoolIdentity): void {
    const pools = this.books.store.list('pool');
    if (pools.length >= maxPools)
      throw new WeftError('WEFT_IPAM_LIMIT', { what: 'pools', limit: maxPools, where: 'this host' });
    const other = pools.find(
      (pool) => pool.scope === scope && pool.subnet !== subnet && overlap(pool.subnet, subnet),
    );
    if (other !== undefined)
      throw invalid(
        subnet,
        `network "${scope}" has the subnet ${other.subnet} already, which overlaps it`,
        `Write "--subnet ${other.subnet}", or one that does not overlap it.`,
      );
  }
}

function refuseName(network: string): void {
  const problem = networkNameProblem(network);
  const cidr = network.includes('/') ? parseSubnet(network) : null;
  const reason = problem ?? (cidr !== null && 'problem' in cidr ? cidr.problem : null);
  if (reason !== null)
    throw new WeftError('WEFT_DOCKER_OPTION', {
      option: `weft.network=${network}`,
      reason,
      advice: 'Write the name of the network, such as "weft.network=blue".',
    });
}

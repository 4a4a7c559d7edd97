/** Pools: which subnet an engine gets, how often it asked for it, and when it ends. */
import { WeftError } from '../errors.js';
import { familyOf, parseSubnet } from '../model/address.js';
import { networkNameProblem } from '../model/names.js';
import { leaseKey, type PoolRecord } from '../model/objects.js';
import type { Transaction } from '../state/store.js';
import { type Books, collectPoolAfter, maxPools, releasedLease, shareFor, usersOf } from './books.js';
import { defaultSubnets } from './default_subnets.js';
import type { PoolRequest } from './ipam.js';
import { type PoolIdentity, poolIdOf } from './pool_id.js';
import { holds, overlap, rangeOf } from './range.js';
import { giveable } from './shares.js';
import { checkRange, checkSubnet, invalid } from './subnets.js';

export class PoolBook {
  constructor(private readonly books: Books) {}

  async request(request: PoolRequest): Promise<PoolRecord> {
    const { store, now } = this.books;
    const identity = this.wanted(request);
    const { scope, subnet, range } = identity;
    giveable(subnet, range, shareFor(this.books, scope));
    const id = poolIdOf(identity);
    if (store.get('pool', id) === undefined) this.refuseNew(identity);
    const users = usersOf(this.books, id).length;
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
      made[0] = { ...pool, references: Math.max(pool.references, users) + 1, requestedAt: now() };
      tx.put('pool', id, made[0]);
    });
    return made[0] as PoolRecord;
  }

  /**
   * An engine releases the pool before it removes the network, and once more when the answer was lost. So a network of ours keeps the
   * pool, whatever was counted, until it is gone itself.
   */
  async release(id: string): Promise<void> {
    if (this.books.store.get('pool', id) === undefined) return;
    const used = usersOf(this.books, id).length > 0;
    await this.books.store.transaction((tx) => {
      const pool = tx.get('pool', id);
      if (pool === undefined) return;
      const references = Math.max(pool.references - 1, 0);
      if (references > 0 || used) tx.put('pool', id, { ...pool, references });
      else this.end(tx, pool);
    });
  }

  /** Removes the pools that networks of ours were made with and none uses now, if they were released, or are old. */
  async endUnused(): Promise<void> {
    const { store, now } = this.books;
    const used = new Set(store.list('engine-network').flatMap(({ pools }) => pools.map(({ id }) => id)));
    const due = ({ id, bound, references, requestedAt }: PoolRecord) =>
      bound && !used.has(id) && (references === 0 || requestedAt <= now() - collectPoolAfter);
    for (const { id } of store.list('pool').filter(due)) {
      await store.transaction((tx) => {
        const pool = tx.get('pool', id);
        if (pool !== undefined && due(pool)) this.end(tx, pool);
      });
    }
  }

  /** Throws WEFT_IPAM_POOL_NOT_FOUND. */
  find(id: string): PoolRecord {
    const pool = this.books.store.get('pool', id);
    if (pool === undefined) throw new WeftError('WEFT_IPAM_POOL_NOT_FOUND', { pool: id });
    return pool;
  }

  /** With the last pool of a subnet its reservations end. What a port still has stays until the port goes. */
  private end(tx: Transaction, pool: PoolRecord): void {
    const { store, index, now } = this.books;
    tx.delete('pool', pool.id);
    const others = store.list('pool').filter(({ id, scope }) => id !== pool.id && scope === pool.scope);
    if (others.some(({ subnet }) => subnet === pool.subnet)) return;
    const all = rangeOf(pool.subnet);
    for (const [number, { scope, address, state }] of index.find(pool.scope)?.entries() ?? []) {
      if (state === 'released' || !holds(all, number)) continue;
      const key = leaseKey({ scope, address });
      const lease = tx.get('lease', key);
      if (lease === undefined) continue;
      if (lease.kind !== 'endpoint') tx.delete('lease', key);
      else if (lease.state === 'active' && (lease.port === null || tx.get('port', lease.port) === undefined))
        tx.put('lease', key, releasedLease(lease, now()));
    }
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

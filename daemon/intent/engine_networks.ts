/** Networks of container engines: each is on one network of weft, which it names, or which is made for it and named after its subnet. */

import { WeftError } from '../errors.js';
import { familyOf } from '../model/address.js';
import { vniOfName } from '../model/identity.js';
import { networkNameProblem } from '../model/names.js';
import {
  type EngineNetworkRecord,
  type EnginePool,
  entryKey,
  type LeaseRecord,
  leaseKey,
  type NetworkRecord,
  type PoolRecord,
} from '../model/objects.js';
import { markRemoved, releaseLeases } from '../state/removal.js';
import { steadyNow } from '../steady_time.js';
import { commit, commitRemoval } from './commit.js';
import { checkNetworkFree } from './networks.js';
import type { IntentParts } from './parts.js';

export interface EngineNetworkCreate {
  id: string;
  /** `weft.network`: the network to join or make. null: the one named after the first IPv4 subnet, else the first IPv6 one. */
  network: string | null;
  /** What was asked for, checked already; null: what the network has. */
  vni: number | null;
  mtu: number | null;
  internal: boolean;
  /** Take subnets that another IPAM driver gives addresses from. */
  foreignIpam: boolean;
  pools: EngineNetworkPool[];
}

export interface EngineNetworkPool {
  /** Canonical CIDR. */
  subnet: string;
  /** Bare addresses. */
  gateway: string | null;
  auxiliary: string[];
  /** Our IPAM gave it. */
  ours: boolean;
}

/** More would only be a mistake or an attack. */
const mostEngineNetworks = 4096;
/** IPAM is asked just before the network is created. */
const justNow = 60_000;

export class EngineNetworkIntent {
  constructor(
    private readonly parts: IntentParts,
    private readonly now: () => number = steadyNow,
  ) {}

  /** The same request again changes nothing. */
  create(request: EngineNetworkCreate): Promise<EngineNetworkRecord> {
    return this.parts.mutex.run(async () => {
      const { catalog, store, events } = this.parts;
      const known = store.get('engine-network', request.id);
      if (known !== undefined) return known;
      if (store.list('engine-network').length >= mostEngineNetworks) {
        const reason = `${mostEngineNetworks} networks is the limit`;
        throw new WeftError('WEFT_INVALID', { field: 'network', reason });
      }
      const pools = request.pools.map((pool) => this.checkedPool(pool, request));
      const name = request.network ?? nameOf(request.pools);
      const before = catalog.networks().find((network) => network.name === name);
      const network = before === undefined ? made(name, request) : joined(before, request);
      if (before === undefined) checkNetworkFree(network, catalog);
      const record: EngineNetworkRecord = {
        id: request.id,
        engine: 'docker',
        network: name,
        pools,
        internal: request.internal,
      };
      const reserved = this.reservations(pools);
      const leasesBefore = reserved.map((lease) => store.get('lease', leaseKey(lease)));
      await commit(this.parts, {
        store: (tx) => {
          if (network !== before) tx.put('network', name, network);
          for (const lease of reserved) tx.put('lease', leaseKey(lease), lease);
          for (const pool of pools.flatMap(({ id }) => (id === null ? [] : (tx.get('pool', id) ?? []))))
            tx.put('pool', pool.id, { ...pool, bound: true });
          tx.put('engine-network', record.id, record);
        },
        takeBack: (tx) => {
          tx.delete('engine-network', record.id);
          if (before === undefined) tx.delete('network', name);
          else if (network !== before) tx.put('network', name, before);
          reserved.forEach((lease, index) => {
            const former = leasesBefore[index];
            if (former === undefined) tx.delete('lease', leaseKey(lease));
            else tx.put('lease', leaseKey(lease), former);
          });
        },
        needs: (step) => step.do === 'put-network' && step.name === name,
      });
      const verb = before === undefined ? `was created with VNI ${network.vni}` : 'was joined';
      events.emit('network-created', `network ${name}`, `network "${name}" ${verb} by Docker`);
      return record;
    });
  }

  list(): EngineNetworkRecord[] {
    return this.parts.catalog.engineNetworks();
  }

  hasEndpoints(id: string): boolean {
    return this.parts.catalog.ports().some(({ endpoint }) => endpoint?.engineNetwork === id);
  }

  /** An engine's API has shown the network. */
  markSeen(id: string, engine: string): Promise<void> {
    return this.parts.store.transaction((tx) => {
      const record = tx.get('engine-network', id);
      if (record !== undefined) tx.put('engine-network', id, { ...record, seenBy: engine });
    });
  }

  /** It is no error when there is none. */
  remove(id: string): Promise<void> {
    return this.parts.mutex.run(async () => {
      const { catalog, store, events } = this.parts;
      const record = store.get('engine-network', id);
      if (record === undefined) return;
      const { network: name } = record;
      const shared = store.list('engine-network').some((other) => other.id !== id && other.network === name);
      const network = store.get('network', name);
      const ends = !shared && network?.owner.kind === 'docker';
      // Docker removes a network only without endpoints: what is left was forgotten. Ports of other origins keep the network.
      const ports = catalog.ports().filter(({ endpoint }) => endpoint?.engineNetwork === id);
      const others = catalog.ports().some((port) => port.network === name && port.endpoint === undefined);
      const replaced = catalog
        .shadowed()
        .some(({ network, by }) => network.name === name && by.name === name);
      const entries = catalog.entries();
      await commitRemoval(this.parts, (tx) => {
        for (const port of ports) {
          releaseLeases(tx, port, this.now());
          markRemoved(tx, port.id, entries);
        }
        tx.delete('engine-network', id);
        if (!ends || others) return;
        tx.delete('network', name);
        // The entries are of the file's network of that name.
        if (replaced) return;
        for (const entry of entries) if (entry.network === name) tx.delete('entry', entryKey(entry));
      });
      if (ends && !others)
        events.emit('network-removed', `network ${name}`, `network "${name}" was removed by Docker`);
    });
  }

  private checkedPool(pool: EngineNetworkPool, request: EngineNetworkCreate): EnginePool {
    const { subnet, gateway, auxiliary } = pool;
    if (pool.ours) return { id: this.poolOf(subnet, request.network).id, subnet, gateway, auxiliary };
    if (!request.foreignIpam) throw new WeftError('WEFT_FOREIGN_POOL', { subnet });
    return { id: null, subnet, gateway, auxiliary };
  }

  /** The pool that IPAM gave for this request, which did not know the network yet, but perhaps its name. */
  private poolOf(subnet: string, network: string | null): PoolRecord {
    const pools = this.parts.store.list('pool').filter((pool) => pool.subnet === subnet);
    pools.sort((one, other) => other.requestedAt - one.requestedAt);
    const [latest] = pools;
    const fitting = pools.find(({ scope }) => scope === (network ?? subnet));
    if (fitting !== undefined && (fitting === latest || this.now() - fitting.requestedAt < justNow))
      return fitting;
    if (latest === undefined) throw new WeftError('WEFT_IPAM_POOL_NOT_FOUND', { pool: subnet });
    if (network === null || latest.scope !== subnet) {
      const option = `weft.network=${latest.scope}`;
      const reason = `the addresses come from network "${latest.scope}", so the network is to be named too`;
      throw new WeftError('WEFT_DOCKER_OPTION', {
        option: 'weft.network',
        reason,
        advice: `Add "-o ${option}" to "docker network create", beside "--ipam-opt ${option}".`,
      });
    }
    const option = `weft.network=${network}`;
    throw new WeftError('WEFT_DOCKER_OPTION', {
      option: 'weft.network',
      reason: 'IPAM is to know the network too, so that one address is given once in it',
      advice: `Add "--ipam-opt ${option}" to "docker network create", beside "-o ${option}".`,
    });
  }

  /** What IPAM gave as plain addresses, and CreateNetwork tells to be gateways and auxiliary addresses. */
  private reservations(pools: readonly EnginePool[]): LeaseRecord[] {
    const { store } = this.parts;
    return pools.flatMap(({ id, gateway, auxiliary }) => {
      const scope = id === null ? undefined : store.get('pool', id)?.scope;
      if (scope === undefined) return [];
      const reserve = (address: string, kind: LeaseRecord['kind']): LeaseRecord => ({
        scope,
        address,
        kind,
        name: null,
        port: null,
        state: 'active',
        since: this.now(),
      });
      return [
        ...auxiliary.map((address) => reserve(address, 'auxiliary')),
        ...(gateway === null ? [] : [reserve(gateway, 'gateway')]),
      ];
    });
  }
}

/** Published: the same request on another host comes to the same name, and so to the same VNI. */
function nameOf(pools: readonly EngineNetworkPool[]): string {
  const named = pools.filter(({ subnet }) => !subnet.endsWith('/0'));
  const first = named.find(({ subnet }) => familyOf(subnet) === 4) ?? named[0];
  if (first === undefined) {
    throw new WeftError('WEFT_DOCKER_OPTION', {
      option: 'weft.network',
      reason: 'a network without a subnet has no name',
      advice: 'Add "-o weft.network=NAME", or "--ipam-driver weft --subnet 10.32.0.0/16".',
    });
  }
  return first.subnet;
}

function made(name: string, request: EngineNetworkCreate): NetworkRecord {
  const problem = networkNameProblem(name);
  if (problem !== null) throw new WeftError('WEFT_INVALID', { field: 'weft.network', reason: problem });
  return {
    name,
    vni: request.vni ?? vniOfName(name),
    subnets: subnetsOf(request),
    mtu: request.mtu ?? 'auto',
    vlan: 'drop',
    fdb: {},
    owner: { kind: 'docker', ref: request.id },
  };
}

/** The network that exists, with the subnets that Docker adds to one of its own. Throws when the request asks for another one. */
function joined(network: NetworkRecord, request: EngineNetworkCreate): NetworkRecord {
  const differs = (option: string, has: string): WeftError =>
    new WeftError('WEFT_DOCKER_OPTION', {
      option,
      reason: `network "${network.name}" exists and has ${has}`,
      advice: `Leave "-o ${option}" away, or choose another network with "-o weft.network=NAME --ipam-opt weft.network=NAME".`,
    });
  if (request.vni !== null && request.vni !== network.vni) throw differs('weft.vni', `VNI ${network.vni}`);
  if (request.mtu !== null && request.mtu !== network.mtu)
    throw differs('com.docker.network.driver.mtu', `MTU ${network.mtu}`);
  const added = subnetsOf(request).filter((subnet) => !network.subnets.includes(subnet));
  if (network.owner.kind !== 'docker' || added.length === 0) return network;
  return { ...network, subnets: [...network.subnets, ...added] };
}

function subnetsOf({ pools }: EngineNetworkCreate): string[] {
  return [...new Set(pools.map(({ subnet }) => subnet).filter((subnet) => !subnet.endsWith('/0')))];
}

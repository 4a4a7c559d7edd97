/** Endpoints of container engines: each is a port whose link the engine moves into the container and back. */

import { WeftError } from '../errors.js';
import { contains, formatCidr, isHostAddress, parseCidr, withoutPrefix } from '../model/address.js';
import { mintPortId } from '../model/identity.js';
import { isUnicastMac, mintMac, parseMac } from '../model/mac.js';
import { type EngineNetworkRecord, type LeaseRecord, leaseKey, type PortRecord } from '../model/objects.js';
import { portLabel } from '../state/catalog.js';
import { leasesOf, markRemoved } from '../state/removal.js';
import type { Transaction } from '../state/store.js';
import { steadyNow } from '../steady_time.js';
import { refuseWhenStopping } from './commit.js';
import type { IntentParts } from './parts.js';

export interface EndpointCreate {
  /** 64 hex digits. */
  id: string;
  engineNetwork: string;
  /** `10.0.0.1/24` form. */
  addresses: string[];
  /** null: one is minted. */
  mac: string | null;
}

export interface Joined {
  /** The link in our namespace that the engine is to move. */
  ifname: string;
  /** Other subnets of the network, which are on the same segment: canonical CIDRs. */
  onLink: string[];
}

/** The null driver's pool: every address, and none to route to. */
const everything = new Set(['0.0.0.0/0', '::/0']);
const mostEndpoints = 4096;

export class EndpointIntent {
  constructor(
    private readonly parts: IntentParts,
    private readonly bootId: () => string,
    private readonly now: () => number = steadyNow,
  ) {}

  /**
   * Takes the port down, durably; its link is there when {@link join} resolves, so that many endpoints at once are made in few rounds.
   * The same request again gives the same port.
   */
  create(request: EndpointCreate): Promise<PortRecord> {
    return this.parts.mutex.run(async () => {
      const existing = this.find(request.id);
      if (existing?.endpoint?.engineNetwork === request.engineNetwork) return existing;
      const { catalog, store, events, reconciler } = this.parts;
      refuseWhenStopping(reconciler);
      const engineNetwork = this.engineNetwork(request.engineNetwork);
      const { network } = engineNetwork;
      if (!catalog.networks().some(({ name }) => name === network))
        throw new WeftError('WEFT_ENGINE_NETWORK_LOST', { name: network });
      const addresses = request.addresses.map((text) => checkedAddress(text, engineNetwork));
      const port: PortRecord = {
        id: this.mintId(),
        name: null,
        network,
        ifname: ifnameOf(request.id),
        netns: null,
        mac: checkedMac(request.mac),
        addresses,
        attach: 'tap',
        owner: { kind: 'docker', ref: request.id },
        spoof: 'deny',
        endpoint: {
          engineNetwork: request.engineNetwork,
          sandbox: null,
          bootId: this.bootId(),
          since: this.now(),
        },
      };
      const leases = this.leasesFor(port, engineNetwork);
      const stale = this.superseded(port);
      const entries = catalog.entries();
      await store.transaction((tx) => {
        for (const { id } of stale) markRemoved(tx, id, entries);
        // The name is IPAM's, which may have written it since.
        for (const lease of leases)
          tx.put('lease', leaseKey(lease), {
            ...lease,
            name: tx.get('lease', leaseKey(lease))?.name ?? null,
          });
        tx.put('port', port.id, port);
      });
      reconciler.trigger();
      const where = `network "${network}" with ${addresses.map(withoutPrefix).join(' and ') || 'no address'}`;
      events.emit('port-added', `port ${port.id}`, `${portLabel(port)} was added to ${where} for Docker`);
      return port;
    });
  }

  /** `sandbox` is the path of the container's namespace, which need not exist yet. Throws why the link could not be made. */
  async join(id: string, sandbox: string): Promise<Joined> {
    const { reconciler, mutex } = this.parts;
    const { id: portId } = this.need(id);
    if (!reconciler.hasPort(portId)) await reconciler.settle();
    const failure = reconciler.portFailure(portId);
    if (failure !== null) throw failure;
    return await mutex.run(async () => {
      const port = this.need(id);
      const engineNetwork = this.engineNetwork(port.endpoint?.engineNetwork ?? '');
      const joined = await this.put(port, { path: sandbox, cookie: null });
      reconciler.expectArrival(joined);
      const onLink = engineNetwork.pools
        .map(({ subnet }) => subnet)
        .filter((subnet) => !everything.has(subnet))
        .filter((subnet) => !port.addresses.some((address) => contains(subnet, withoutPrefix(address))));
      return { ifname: port.ifname, onLink };
    });
  }

  /** The link is still in the sandbox and stays. It is no error when there is no such endpoint. */
  leave(id: string): Promise<void> {
    return this.parts.mutex.run(async () => {
      const port = this.find(id);
      if (port !== undefined) await this.put(port, null);
    });
  }

  /** The link goes soon. It is no error when there is no such endpoint. */
  remove(id: string): Promise<void> {
    return this.parts.mutex.run(async () => {
      const port = this.find(id);
      if (port === undefined) return;
      const { catalog, store, events, reconciler } = this.parts;
      refuseWhenStopping(reconciler);
      const now = this.now();
      await store.transaction((tx) => {
        // The engine releases the address itself, next; should it not, nobody claims the lease any more.
        for (const { key, lease } of leasesOf(tx, port))
          tx.put('lease', key, { ...lease, port: null, since: now });
        markRemoved(tx, port.id, catalog.entries());
      });
      reconciler.trigger();
      events.emit(
        'port-removed',
        `port ${port.id}`,
        `${portLabel(port)} was removed from network "${port.network}" by Docker`,
      );
    });
  }

  find(id: string): PortRecord | undefined {
    return this.parts.catalog.ports().find(({ owner }) => owner.kind === 'docker' && owner.ref === id);
  }

  private need(id: string): PortRecord {
    const port = this.find(id);
    if (port === undefined) throw new WeftError('WEFT_ENDPOINT_NOT_FOUND', { id: shortId(id) });
    return port;
  }

  private engineNetwork(id: string): EngineNetworkRecord {
    const record = this.parts.store.get('engine-network', id);
    if (record === undefined) throw new WeftError('WEFT_ENGINE_NETWORK_NOT_FOUND', { id: shortId(id) });
    return record;
  }

  private async put(port: PortRecord, sandbox: { path: string; cookie: null } | null): Promise<PortRecord> {
    const { endpoint } = port;
    if (endpoint === undefined) throw new Error(`port ${port.id} is no endpoint`);
    const { left: _, ...stays } = endpoint;
    const left = sandbox === null ? { left: true as const } : {};
    const changed: PortRecord = { ...port, endpoint: { ...stays, ...left, sandbox, since: this.now() } };
    await this.parts.store.transaction((tx: Transaction) => {
      const current = tx.get('port', port.id);
      if (current === undefined || current.removing === true)
        throw new WeftError('WEFT_ENDPOINT_NOT_FOUND', { id: shortId(port.owner.ref) });
      tx.put('port', port.id, changed);
    });
    return changed;
  }

  /** The leases of the port's addresses as they will be; those of another IPAM driver have none. Throws when an address is taken. */
  private leasesFor(port: PortRecord, { pools }: EngineNetworkRecord): LeaseRecord[] {
    const { store } = this.parts;
    return port.addresses.flatMap((cidr) => {
      const address = withoutPrefix(cidr);
      const pool = pools.find(({ id, subnet }) => id !== null && contains(subnet, address));
      const record = pool?.id == null ? undefined : store.get('pool', pool.id);
      if (record === undefined) return [];
      const { scope } = record;
      const known = store.get('lease', leaseKey({ scope, address }));
      if (known !== undefined && known.kind !== 'endpoint') {
        const holder = known.kind === 'gateway' ? 'the gateway' : 'an auxiliary address';
        throw new WeftError('WEFT_IPAM_ADDRESS_TAKEN', { address, subnet: record.subnet, holder });
      }
      return [
        {
          scope,
          address,
          kind: 'endpoint',
          name: null,
          port: port.id,
          state: 'active',
          since: this.now(),
        },
      ];
    });
  }

  /**
   * Ports that are in the way of this one, and that Docker forgot to remove. Throws when the port's MAC or address belongs to a port
   * that is in use.
   */
  private superseded(port: PortRecord): PortRecord[] {
    const { catalog } = this.parts;
    const others = catalog.ports().filter(({ network }) => network === port.network);
    if (catalog.ports().length >= mostEndpoints)
      throw new WeftError('WEFT_INVALID', {
        field: 'endpoint',
        reason: `${mostEndpoints} ports is the limit`,
      });
    return others.filter((other) => {
      const shared = other.addresses
        .map(withoutPrefix)
        .find((address) => port.addresses.some((one) => withoutPrefix(one) === address));
      const sameMac = other.mac === port.mac;
      if (shared === undefined && !sameMac) return false;
      if (this.isForgotten(other, port, shared !== undefined)) return true;
      const label = portLabel(other);
      if (shared === undefined)
        throw new WeftError('WEFT_MAC_IN_USE', { mac: port.mac, port: label, network: port.network });
      const holder = `port "${label}"`;
      throw new WeftError('WEFT_ADDRESS_IN_USE', { address: shared, holder, network: port.network });
    });
  }

  /** Docker releases the addresses of the endpoints that it forgot when it is started again. */
  private isForgotten(other: PortRecord, port: PortRecord, sharesAddress: boolean): boolean {
    const { store, namespaces } = this.parts;
    if (other.endpoint === undefined) return false;
    // Whatever IPAM was told: the container lives.
    const { sandbox } = other.endpoint;
    if (sandbox !== null && namespaces.exists(sandbox.path)) return false;
    const pools = store.get('engine-network', other.endpoint.engineNetwork)?.pools ?? [];
    if (pools.some(({ id }) => id !== null))
      return !leasesOf(store, other).some(({ lease }) => lease.state === 'active');
    // Another IPAM driver gives each address once in a network, too.
    return sharesAddress && other.endpoint.engineNetwork === port.endpoint?.engineNetwork;
  }

  private mintId(): string {
    for (;;) {
      const id = mintPortId();
      if (this.parts.store.get('port', id) === undefined) return id;
    }
  }
}

/** Derived from the endpoint, so that a request that is repeated means the same link; 15 bytes. */
export function ifnameOf(endpoint: string): string {
  return `weft${endpoint.slice(0, 11)}`;
}

export function shortId(id: string): string {
  return id.slice(0, 12);
}

function checkedAddress(text: string, { pools }: EngineNetworkRecord): string {
  const cidr = parseCidr(text);
  if (cidr === null || !isHostAddress(cidr.address))
    throw new WeftError('WEFT_INVALID', {
      field: 'address',
      reason: `${text}: expected an address with its prefix`,
    });
  if (!pools.some(({ subnet }) => contains(subnet, cidr.address))) {
    const subnet = pools.map((pool) => pool.subnet).join(' or ');
    throw new WeftError('WEFT_IPAM_ADDRESS_OUTSIDE', {
      address: cidr.address,
      reason: 'it is in no subnet of the network',
      subnet,
    });
  }
  return formatCidr(cidr);
}

function checkedMac(text: string | null): string {
  if (text === null) return mintMac();
  const mac = parseMac(text);
  if (mac === null || !isUnicastMac(mac))
    throw new WeftError('WEFT_INVALID', {
      field: 'MAC',
      reason: `${text}: expected a unicast MAC such as 02:00:00:00:00:01`,
    });
  return mac;
}

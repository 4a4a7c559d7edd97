/** Adding, changing and removing ports. A port is durable before its link is made, and gone again when the link cannot be made. */
import type { PortChange, PortCreate } from '../api/schema.js';
import { WeftError } from '../errors.js';
import { formatCidr, hostCidrProblem, parseCidr, withoutPrefix } from '../model/address.js';
import { mintPortId } from '../model/identity.js';
import { isUnicastMac, mintMac, parseMac } from '../model/mac.js';
import { ifnameProblem, portNameProblem } from '../model/names.js';
import { leaseKey, type NetnsRecord, type Owner, type PortRecord } from '../model/objects.js';
import { portLabel } from '../state/catalog.js';
import { markRemoved } from '../state/removal.js';
import { commit, commitRemoval } from './commit.js';
import { checkOwner } from './ownership.js';
import type { IntentParts } from './parts.js';

const mostAddresses = 32;

export class PortIntent {
  constructor(private readonly parts: IntentParts) {}

  /** `caller` is the PID through which the namespace is seen; null when it is not known. */
  add(request: PortCreate, caller: number | null, owner: Owner): Promise<PortRecord> {
    const checked = check(request);
    // Resolved before anything waits: the caller may end.
    const netns = request.netns === undefined ? null : this.parts.namespaces.resolve(request.netns, caller);
    return this.parts.mutex.run(async () => {
      const { catalog, events } = this.parts;
      const network = catalog.network(request.network).name;
      const guarded = request.spoof === 'deny' ? ({ spoof: 'deny' } as const) : {};
      const port: PortRecord = {
        id: this.mintId(),
        network,
        netns,
        attach: 'tap',
        owner,
        ...checked,
        ...guarded,
      };
      this.checkFree(port);
      await commit(this.parts, {
        store: (tx) => tx.put('port', port.id, port),
        takeBack: (tx) => markRemoved(tx, port.id, []),
        needs: (step) => (step.do === 'create-tap' || step.do === 'reattach-tap') && step.port.id === port.id,
      });
      events.emit('port-added', `port ${port.id}`, `${portLabel(port)} was added to network "${network}"`);
      return port;
    });
  }

  /** In force for the port's next frame when it resolves; for a port that waits for its namespace, once it is made. */
  change(ref: string, { spoof }: PortChange, caller: Owner): Promise<PortRecord> {
    return this.parts.mutex.run(async () => {
      const { catalog, events } = this.parts;
      const port = catalog.port(ref);
      checkOwner(`port "${port.name ?? portLabel(port)}"`, port.owner, caller);
      if ((port.spoof ?? 'allow') === spoof) return port;
      const { spoof: _, ...rest } = port;
      const changed: PortRecord = spoof === 'deny' ? { ...rest, spoof } : rest;
      await commit(this.parts, {
        store: (tx) => tx.put('port', port.id, changed),
        takeBack: (tx) => tx.put('port', port.id, port),
        needs: (step) => step.do === 'set-guard' && step.id === port.id,
      });
      const now = spoof === 'deny' ? 'its own MAC and addresses only' : 'any MAC and address';
      events.emit(
        'port-changed',
        `port ${port.id}`,
        `${portLabel(port)} may send from ${now} (spoof: ${spoof})`,
      );
      return changed;
    });
  }

  remove(ref: string, caller: Owner): Promise<void> {
    return this.parts.mutex.run(async () => {
      const { catalog, events } = this.parts;
      const port = catalog.port(ref);
      checkOwner(`port "${port.name ?? portLabel(port)}"`, port.owner, caller);
      await commitRemoval(this.parts, (tx) => markRemoved(tx, port.id, catalog.entries()));
      events.emit(
        'port-removed',
        `port ${port.id}`,
        `${portLabel(port)} was removed from network "${port.network}"`,
      );
    });
  }

  private mintId(): string {
    for (;;) {
      const id = mintPortId();
      if (this.parts.store.get('port', id) === undefined) return id;
    }
  }

  private checkFree(port: PortRecord): void {
    const cookie = cookieOf(port.netns, this.parts.namespaces.ownCookie);
    for (const other of this.parts.catalog.ports()) {
      const label = other.name ?? portLabel(other);
      const { network } = other;
      if (port.name !== null && (other.name === port.name || other.id === port.name)) {
        throw new WeftError('WEFT_PORT_EXISTS', { name: port.name, network });
      }
      const sameNetns = cookieOf(other.netns, this.parts.namespaces.ownCookie) === cookie;
      if (sameNetns && other.ifname === port.ifname) {
        // The network is part of the sentence: the same IFNAME may well be on another one.
        throw new WeftError('WEFT_PORT_EXISTS', { name: portLabel(other), network });
      }
      if (network !== port.network) continue;
      if (other.mac === port.mac)
        throw new WeftError('WEFT_MAC_IN_USE', { mac: port.mac, port: label, network });
      const taken = port.addresses.find((address) =>
        other.addresses.some((one) => withoutPrefix(one) === withoutPrefix(address)),
      );
      if (taken !== undefined)
        throw new WeftError('WEFT_ADDRESS_IN_USE', {
          address: withoutPrefix(taken),
          holder: `port "${label}"`,
          network,
        });
    }
    this.checkNotLeased(port);
  }

  /** Docker has an address before the container has a port. Gateways and auxiliary addresses are reserved for just such ports. */
  private checkNotLeased({ network, addresses }: PortRecord): void {
    const { catalog, store } = this.parts;
    const pools = catalog
      .engineNetworks()
      .filter((one) => one.network === network)
      .flatMap((one) => one.pools);
    const scopes = pools.flatMap(({ id }) => (id === null ? [] : (store.get('pool', id)?.scope ?? [])));
    for (const address of addresses.map(withoutPrefix))
      for (const scope of new Set([network, ...scopes])) {
        const lease = store.get('lease', leaseKey({ scope, address }));
        if (lease?.state !== 'active' || lease.kind !== 'endpoint') continue;
        const holder = lease.name === null ? 'a container of Docker' : `container "${lease.name}" of Docker`;
        throw new WeftError('WEFT_ADDRESS_IN_USE', { address, holder, network });
      }
  }
}

function cookieOf(netns: NetnsRecord | null, own: string): string {
  return netns === null ? own : netns.cookie;
}

function check(request: PortCreate): Pick<PortRecord, 'ifname' | 'name' | 'mac' | 'addresses'> {
  const { ifname = 'eth0', name = null } = request;
  const ifnameReason = ifnameProblem(ifname);
  if (ifnameReason !== null) throw new WeftError('WEFT_INVALID', { field: 'ifname', reason: ifnameReason });
  const nameReason = name === null ? null : portNameProblem(name);
  if (nameReason !== null) throw new WeftError('WEFT_INVALID', { field: 'name', reason: nameReason });

  const mac = request.mac === undefined ? mintMac() : parseMac(request.mac);
  if (mac === null)
    throw new WeftError('WEFT_INVALID', { field: 'mac', reason: 'expected a MAC such as 02:00:00:00:00:01' });
  if (!isUnicastMac(mac))
    throw new WeftError('WEFT_INVALID', {
      field: 'mac',
      reason: 'a group address or zero is no MAC of a port',
    });

  const given = request.addresses ?? [];
  if (given.length > mostAddresses) {
    throw new WeftError('WEFT_INVALID', {
      field: 'addresses',
      reason: `expected at most ${mostAddresses} addresses`,
    });
  }
  const addresses = given.map((text) => {
    const cidr = parseCidr(text);
    const problem =
      cidr === null
        ? 'expected an address with its prefix, such as 10.42.0.2/24 or fd42::2/64'
        : hostCidrProblem(cidr);
    if (cidr !== null && problem === null) return formatCidr(cidr);
    throw new WeftError('WEFT_INVALID', { field: 'addresses', reason: `${text}: ${problem}` });
  });
  return { ifname, name, mac, addresses: [...new Set(addresses)] };
}

/** From objects to what the datapath should hold: addresses resolved, MTUs computed. Pure; what was observed comes in as values. */
import type { Config } from '../config/schema.js';
import type { NetworkOptions, PeerOptions, UnderlayOptions } from '../datapath/datapath.js';
import { contains, familyOf, isLoopback, withoutPrefix } from '../model/address.js';
import { linkAlias, linkAliasPrefix } from '../model/identity.js';
import {
  autoMtu,
  fittingMtu,
  maxMtu,
  minMtuOfIpv6,
  mtuThrough,
  type Path,
  unknownMtu,
} from '../model/mtu.js';
import type { EntryRecord, FdbLimits, NetworkRecord, PeerRecord, PortRecord } from '../model/objects.js';
import type { Shadowed } from '../state/catalog.js';
import { type FindingDraft, finding, findingTable } from './findings.js';
import { type OffloadFaults, usedOffloads } from './offloads.js';
import type { Desired } from './plan.js';
import type { Resolution } from './resolver.js';

export interface Intent {
  hostId: string;
  config: Config;
  /** Of the offloads, as the probe found them. */
  faults: OffloadFaults;
  networks: readonly (NetworkRecord & { limits: FdbLimits })[];
  shadowed: readonly Shadowed[];
  peers: readonly PeerRecord[];
  ports: readonly PortRecord[];
  entries: readonly EntryRecord[];
}

/** What the desired state depends on and nobody declared. */
export interface Surroundings {
  /** Numeric addresses of this host's links. */
  ownAddresses: ReadonlySet<string>;
  /** The errors for which own and default addresses are those of an earlier round; null when they are of this one. */
  unreadable: { links: string | null; routes: string | null };
  /** What the kernel would send from where no address is configured. */
  defaultAddresses: readonly string[];
  resolve(address: string): Resolution;
  /** The way to a numeric address. */
  route(address: string): Route;
  /** Bytes of IP that arrive at a peer, by its ID, where that is less than the kernel knows of; else null. */
  pathLimit(peer: string): number | null;
  /** Of what the peers computed by themselves for the network with a VNI; null where none says anything. `peer` is its ID. */
  leastMtu(vni: number): { peer: string; mtu: number } | null;
}

export interface Route {
  /** Bytes of IP on the way; null without a route. */
  mtu: number | null;
  /** The error for which it is that of an earlier round, or not known at all; null when it is of this one. */
  unread: string | null;
}

export interface PeerView {
  state: 'programmed' | 'unresolved' | 'self' | 'failed';
  endpoint: string | null;
  /** Bytes of IP: what the kernel says, and what of it arrives. */
  routeMtu: number | null;
  pathMtu: number | null;
  reason: string | null;
}

export interface UnderlayView {
  addresses: string[];
  reason: string | null;
}

export interface Picture {
  desired: Desired;
  peers: ReadonlyMap<string, PeerView>;
  /** Effective MTU by network. */
  mtus: ReadonlyMap<string, number>;
  /** As this host computes them by itself: of networks with `mtu: auto`, and by VNI of those that declare one. */
  ownMtus: { auto: number; declared: ReadonlyMap<number, number> };
  underlay: UnderlayView;
  /** Of the links of this host, as they were last seen. */
  ownAddresses: ReadonlySet<string>;
  findings: FindingDraft[];
}

export function desire(intent: Intent, around: Surroundings): Picture {
  const findings: FindingDraft[] = [];
  const underlay = viewUnderlay(intent, around, findings);
  const unreadRoutes: string[] = [];
  const peers = viewPeers(intent.peers, around, findings, unreadRoutes);
  const programmed = intent.peers.flatMap((peer) => {
    const view = peers.get(peer.id);
    return view?.state === 'programmed' && view.endpoint !== null
      ? [{ peer, address: view.endpoint, pathMtu: view.pathMtu }]
      : [];
  });
  const fitting = fittingMtu(programmed, underlay.addresses);
  const mtus = new Map(
    intent.networks.map(({ name, vni, mtu }) => [
      name,
      mtu === 'auto' ? autoMtu(Math.min(fitting, around.leastMtu(vni)?.mtu ?? maxMtu)) : mtu,
    ]),
  );
  findings.push(
    ...unreadableFindings(around, unreadRoutes),
    ...networkFindings(intent, fitting),
    ...mtuFindings(intent, mtus, around),
    ...portFindings(intent),
  );
  return {
    desired: {
      underlay: underlayOptions(intent, underlay.usable),
      networks: new Map(
        intent.networks.map((network) => [
          network.name,
          networkOptions(network, mtus.get(network.name) ?? autoMtu(fitting)),
        ]),
      ),
      peers: new Map(programmed.map((path) => [path.peer.id, peerOptions(path.peer, path)])),
      ports: intent.ports.map((port) => ({
        id: port.id,
        network: port.network,
        ifname: port.ifname,
        mac: port.mac,
        addresses: port.endpoint === undefined ? port.addresses : [],
        mtu: mtus.get(port.network) ?? autoMtu(fitting),
        alias: linkAlias(intent.hostId, port.id),
        roams: port.endpoint !== undefined,
        guard: port.spoof === 'deny' ? { mac: port.mac, addresses: port.addresses.map(withoutPrefix) } : null,
      })),
      entries: intent.entries.map(({ network, mac, where }) => ({ network, mac, where })),
      aliasPrefix: linkAliasPrefix(intent.hostId),
    },
    peers,
    mtus,
    ownMtus: {
      auto: autoMtu(fitting),
      declared: new Map(
        intent.networks.flatMap(({ vni, mtu }) => (mtu === 'auto' ? [] : [[vni, mtu] as const])),
      ),
    },
    underlay,
    ownAddresses: around.ownAddresses,
    findings,
  };
}

function viewUnderlay(
  { config, peers }: Intent,
  around: Surroundings,
  findings: FindingDraft[],
): UnderlayView & { usable: string[] } {
  const configured = config.underlay.addresses;
  const usable = configured.filter((address) => around.ownAddresses.has(address));
  const absent = configured.filter((address) => !around.ownAddresses.has(address));
  let reason: string | null = null;
  if (absent.length > 0)
    reason = `${absent.join(' and ')} ${absent.length === 1 ? 'is' : 'are'} on no link of this host`;
  // Without a peer, nothing is to be sent.
  else if (
    configured.length === 0 &&
    peers.length > 0 &&
    around.defaultAddresses.length === 0 &&
    around.unreadable.routes === null
  )
    reason = 'this host has no route to send through';
  if (reason !== null)
    findings.push(finding('UNDERLAY_DEGRADED', 'underlay', `the underlay is not complete: ${reason}`));
  return { addresses: configured.length > 0 ? configured : [...around.defaultAddresses], usable, reason };
}

function unreadableFindings({ unreadable }: Surroundings, unreadRoutes: readonly string[]): FindingDraft[] {
  const routes = unreadable.routes ?? unreadRoutes[0];
  const problems = [
    ...(unreadable.links === null ? [] : [`the links of this host cannot be listed (${unreadable.links})`]),
    ...(routes === undefined ? [] : [`the routes of this host cannot be read (${routes})`]),
  ];
  if (problems.length === 0) return [];
  const sentence = `${problems.join(' and ')}; weftd goes on with what it saw last`;
  return [finding('HOST_UNREADABLE', 'host', sentence)];
}

const nowhere = { routeMtu: null, pathMtu: null };

function viewPeers(
  peers: readonly PeerRecord[],
  around: Surroundings,
  findings: FindingDraft[],
  unreadRoutes: string[],
): Map<string, PeerView> {
  const owners = new Map<string, PeerRecord>();
  const views = new Map<string, PeerView>();
  for (const peer of peers) {
    const object = `peer ${peer.address}`;
    const { address, reason, pending } = around.resolve(peer.address);
    const other = address === null ? undefined : owners.get(address);
    if (address === null) {
      if (!pending) findings.push(finding('PEER_UNRESOLVED', object, reason));
      views.set(peer.id, { ...nowhere, state: 'unresolved', endpoint: null, reason });
    } else if (around.ownAddresses.has(address) || isLoopback(address)) {
      views.set(peer.id, {
        ...nowhere,
        state: 'self',
        endpoint: address,
        reason: 'this is an address of this host',
      });
    } else if (other !== undefined) {
      const sentence = `${peer.address} is ${address}, which peer ${other.address} has already`;
      findings.push(finding('PEER_DUPLICATE', object, sentence));
      views.set(peer.id, { ...nowhere, state: 'failed', endpoint: address, reason: sentence });
    } else {
      owners.set(address, peer);
      const { mtu: routeMtu, unread } = around.route(address);
      if (unread !== null) unreadRoutes.push(unread);
      const limit = around.pathLimit(peer.id) ?? Number.POSITIVE_INFINITY;
      const pathMtu = routeMtu === null ? null : Math.min(routeMtu, limit);
      const noRoute = routeMtu === null && unread === null ? `the kernel has no route to ${address}` : null;
      if (noRoute !== null) findings.push(finding('PEER_NO_ROUTE', object, noRoute));
      views.set(peer.id, { state: 'programmed', endpoint: address, routeMtu, pathMtu, reason: noRoute });
    }
  }
  return views;
}

function underlayOptions({ config, faults, peers }: Intent, usable: readonly string[]): UnderlayOptions {
  const { port, accept } = config.underlay;
  const { udpGso, udpGro } = usedOffloads(config.underlay.offloads, faults);
  return {
    ipv4: usable.find((address) => familyOf(address) === 4) ?? null,
    ipv6: usable.find((address) => familyOf(address) === 6) ?? null,
    // The own port stays first; a Linux device on another port sends to that port of ours too.
    ports: [...new Set([port, ...peers.map((peer) => peer.port).sort((one, other) => one - other)])],
    acceptAny: accept === 'any',
    udpGso,
    udpGro,
  };
}

function networkOptions(network: NetworkRecord & { limits: FdbLimits }, mtu: number): NetworkOptions {
  return { vni: network.vni, mtu, vlan: network.vlan === 'pass', fdb: network.limits };
}

function peerOptions(peer: PeerRecord, path: Path): PeerOptions {
  const zeroChecksum = peer.checksum === 'zero';
  return {
    address: path.address,
    port: peer.port,
    zeroChecksum,
    offload: peer.offload === 'auto' && !zeroChecksum,
    mtu: mtuThrough(path) ?? unknownMtu,
  };
}

const makers = { file: 'the file', api: '"weft network create"', docker: 'Docker', cni: 'CNI' } as const;

function networkFindings({ networks, shadowed }: Intent, fitting: number): FindingDraft[] {
  return [
    ...shadowed.map(({ network, by }) => {
      const sentence =
        network.name === by.name
          ? `network "${network.name}" is in the configuration file and was made by ${makers[network.owner.kind]} too; the file is in force`
          : `network "${network.name}" has VNI ${network.vni}, which network "${by.name}" of the configuration file has taken`;
      return finding('NETWORK_SHADOWED', `network ${network.name}`, sentence);
    }),
    ...networks
      .filter(({ mtu }) => mtu !== 'auto' && mtu > fitting)
      .map(({ name, mtu }) =>
        finding(
          'MTU_DOES_NOT_FIT',
          `network ${name}`,
          `its declared MTU of ${mtu} is larger than the ${fitting} that fit to all peers`,
        ),
      ),
    ...networks
      .filter(({ mtu }) => mtu === 'auto' && fitting < minMtuOfIpv6)
      .map(({ name }) =>
        finding(
          'MTU_NO_IPV6',
          `network ${name}`,
          `its MTU of ${autoMtu(fitting)} is the least that IPv6 needs, and only ${fitting} fit to all peers`,
        ),
      ),
  ];
}

/** A host drops what is larger than its own network. One with `mtu: auto` follows, where it may. */
function mtuFindings(
  { networks, peers }: Intent,
  mtus: ReadonlyMap<string, number>,
  around: Surroundings,
): FindingDraft[] {
  return networks.flatMap(({ name, vni }) => {
    const mtu = mtus.get(name) ?? 0;
    const least = around.leastMtu(vni);
    if (least === null || least.mtu >= mtu) return [];
    const address = peers.find(({ id }) => id === least.peer)?.address ?? least.peer;
    const sentence = `its MTU is ${mtu} here and ${least.mtu} at peer ${address}, which drops larger packets`;
    return [finding('NETWORK_MTU_DIFFERS', `network ${name}`, sentence)];
  });
}

/** What became of a network of a port that is not in force, and what helps. */
export function lostNetwork(
  name: string,
  shadowed: readonly Shadowed[],
): { problem: string; remedy: string | undefined } {
  const by = shadowed.find(({ network }) => network.name === name)?.by;
  if (by === undefined) return { problem: `network "${name}" is gone`, remedy: undefined };
  return {
    problem: `network "${name}" is not in force, because network "${by.name}" of the configuration file has its VNI ${by.vni}`,
    remedy: findingTable.NETWORK_SHADOWED.remedy,
  };
}

function portFindings({ ports, networks, shadowed }: Intent): FindingDraft[] {
  const byName = new Map(networks.map((network) => [network.name, network]));
  return ports.flatMap((port) => {
    const network = byName.get(port.network);
    const object = `port ${port.id}`;
    if (network === undefined) {
      const { problem, remedy } = lostNetwork(port.network, shadowed);
      const ofDocker = port.endpoint === undefined ? undefined : findingTable.ENGINE_NETWORK_LOST.remedy;
      return [finding('PORT_NO_NETWORK', object, `its ${problem}`, remedy ?? ofDocker)];
    }
    return port.addresses
      .filter((address) => network.subnets.some((subnet) => familyOf(subnet) === familyOf(address)))
      .filter(
        (address) =>
          !network.subnets.some((subnet) => contains(subnet, address.slice(0, address.indexOf('/')))),
      )
      .map((address) =>
        finding('ADDRESS_OUTSIDE', object, `${address} is in no subnet of network "${port.network}"`),
      );
  });
}

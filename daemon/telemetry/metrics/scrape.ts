/** What one scrape reads, once, so that its numbers are of one moment: the engine's counters, and the objects as the API shows them. */
import type { Finding, Health, Peer, Port } from '../../api/schema.js';
import type { Identity, Views } from '../../api/views.js';
import type { Datapath, NamedCounters, PeerCounters, PortCounters } from '../../datapath/datapath.js';
import type { Ipam, PoolUse } from '../../ipam/ipam.js';
import type { NetworkRecord } from '../../model/objects.js';
import { type Catalog, portLabel } from '../../state/catalog.js';
import type { Captures } from '../captures.js';
import type { DockerRequests } from '../docker_requests.js';
import type { EventBus } from '../events.js';
import type { Meters } from '../meters.js';
import type { ProcessMeter, ProcessUse } from '../process_meter.js';
import type { Turns } from '../turns.js';
import type { Labels } from './definition.js';

export interface MetricsParts {
  datapath: Datapath;
  catalog: Catalog;
  views: Pick<Views, 'port' | 'peers' | 'mtuOf'>;
  identity: Identity;
  findings: () => readonly Finding[];
  health: () => Health;
  ipam: Pick<Ipam, 'use'>;
  dockerRequests: Pick<DockerRequests, 'all' | 'seconds'>;
  events: Pick<EventBus, 'lost' | 'followers'>;
  captures: Pick<Captures, 'list'>;
  meters: Meters;
  process: Pick<ProcessMeter, 'lag' | 'startedAt' | 'use'>;
}

export interface PortSeries {
  /** What does not change while the port lives. */
  labels: Labels;
  /** What does, and what people know it by. */
  info: Labels;
  port: Port;
  counted: PortCounters | undefined;
}

export interface PeerSeries {
  /** Its address as given, by which it is one peer. */
  labels: Labels;
  peer: Peer;
  counted: PeerCounters | undefined;
}

export interface NetworkSeries {
  labels: Labels;
  network: NetworkRecord;
  /** Bytes of IP. */
  mtu: number;
  /** FDB entries that it may have. */
  limit: number;
  ports: number;
}

export type ObjectKind = 'port' | 'peer' | 'network' | 'pool';

export interface Scrape {
  parts: MetricsParts;
  counters: NamedCounters;
  process: ProcessUse;
  /** Of all, by state. */
  portStates: ReadonlyMap<string, number>;
  peerStates: ReadonlyMap<string, number>;
  /** Ports that Docker made. */
  endpoints: number;
  networkCount: number;
  /** Those that are shown one by one. */
  ports: readonly PortSeries[];
  peers: readonly PeerSeries[];
  networks: readonly NetworkSeries[];
  pools: readonly PoolUse[];
  /** How many are not. */
  hidden: Readonly<Record<ObjectKind, number>>;
}

export async function takeScrape(parts: MetricsParts, turns: Turns): Promise<Scrape> {
  const { catalog, datapath } = parts;
  const most = catalog.config.metrics.objects;
  const counters = datapath.counters();
  const process = parts.process.use();
  const records = catalog.ports();
  const networks = catalog.networks();
  await turns.pause();

  const ports: PortSeries[] = [];
  const portStates = new Map<string, number>();
  const portsOf = new Map<string, number>();
  for (const record of records) {
    const port = parts.views.port(record, counters);
    add(portStates, port.state);
    add(portsOf, port.network);
    if (ports.length < most) ports.push(portSeries(port, portLabel(record), counters.ports.get(port.id)));
    await turns.pause();
  }

  const peers: PeerSeries[] = [];
  const peerStates = new Map<string, number>();
  for (const peer of parts.views.peers(counters)) {
    add(peerStates, peer.state);
    if (peers.length >= most) continue;
    peers.push({ labels: { peer: peer.address }, peer, counted: counters.peers.get(peer.id) });
    await turns.pause();
  }

  const pools = parts.ipam.use();
  await turns.pause();
  return {
    parts,
    counters,
    process,
    portStates,
    peerStates,
    endpoints: records.filter(({ endpoint }) => endpoint !== undefined).length,
    networkCount: networks.length,
    ports,
    peers,
    networks: networks.slice(0, most).map((network) => ({
      labels: { network: network.name },
      network,
      mtu: parts.views.mtuOf(network.name),
      limit: catalog.limitsOf(network).limit,
      ports: portsOf.get(network.name) ?? 0,
    })),
    pools: pools.slice(0, most),
    hidden: {
      port: records.length - ports.length,
      peer: sum(peerStates) - peers.length,
      network: Math.max(0, networks.length - most),
      pool: Math.max(0, pools.length - most),
    },
  };
}

function portSeries(port: Port, place: string, counted: PortCounters | undefined): PortSeries {
  const { id, network, name, container, owner } = port;
  return {
    labels: { port: id, network },
    info: {
      port: id,
      network,
      name: name ?? container ?? place,
      place,
      container: container ?? '',
      origin: owner.kind,
    },
    port,
    counted,
  };
}

function add(to: Map<string, number>, key: string): void {
  to.set(key, (to.get(key) ?? 0) + 1);
}

function sum(counts: ReadonlyMap<string, number>): number {
  let total = 0;
  for (const count of counts.values()) total += count;
  return total;
}

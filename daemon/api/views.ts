/** The objects of the API, made of what is desired and what the last round of the reconciler saw. */
import type { Datapath, NamedCounters } from '../datapath/datapath.js';
import type { Link, Probe } from '../datapath/kernel.js';
import type { NamedEntry } from '../datapath/registry.js';
import type { ContainerFacts, Names } from '../docker/names.js';
import type { PluginWatch } from '../docker/plugin_state.js';
import type { Ipam } from '../ipam/ipam.js';
import { hostIdText, versionText } from '../mesh/host_self.js';
import type { Mesh, PeerHello } from '../mesh/mesh.js';
import type { OffloadChecks } from '../mesh/offload_checks.js';
import { overhead } from '../model/mtu.js';
import type { EntryRecord, NetworkRecord, PeerRecord, PortRecord } from '../model/objects.js';
import { lostNetwork, type PeerView } from '../reconcile/desire.js';
import type { FindingCode } from '../reconcile/findings.js';
import { describeOffloads } from '../reconcile/offloads.js';
import { type Desired, type DesiredPort, linkOf } from '../reconcile/plan.js';
import type { Reconciler } from '../reconcile/reconciler.js';
import { type Catalog, portLabel } from '../state/catalog.js';
import type { Container, Drop, FdbEntry, Network, Peer, Pool, Port, Status } from './schema.js';

/** Facts that do not change while the daemon runs. */
export interface Identity {
  version: string;
  nativeVersion: string;
  hostId: string;
  pid: number;
  startedAt: string;
  /** Absolute. */
  stateDir: string;
  probe: Probe;
}

export interface ViewsParts {
  catalog: Catalog;
  reconciler: Pick<Reconciler, 'view' | 'findings' | 'portFailure'>;
  datapath: Datapath;
  offloadChecks: Pick<OffloadChecks, 'view'>;
  mesh: Pick<Mesh, 'view'>;
  identity: Identity;
  ipam: Pick<Ipam, 'pools'>;
  names: Names;
  plugin: Pick<PluginWatch, 'state'>;
}

const ethernetHeader = 14;
/** A peer from which nothing came for so long is shown as silent. */
const silentAfter = 60;

export class Views {
  private indexed: { of: Desired; ports: ReadonlyMap<string, DesiredPort> } | null = null;

  constructor(private readonly parts: ViewsParts) {}

  networks(): Network[] {
    const counters = this.parts.datapath.counters();
    return this.parts.catalog.networks().map((network) => this.network(network, counters));
  }

  /** Effective, in bytes of IP. */
  mtuOf(network: string): number {
    return this.parts.reconciler.view.picture.mtus.get(network) ?? 0;
  }

  /** By its name, or by the one that Docker has for it while that is unique. Throws WEFT_NETWORK_NOT_FOUND. */
  networkNamed(name: string): NetworkRecord {
    const { catalog, names } = this.parts;
    const known = catalog.networks();
    if (known.some((network) => network.name === name)) return catalog.network(name);
    const ofDocker = catalog.engineNetworks().filter(({ id }) => names.networkName(id) === name);
    const [only, ...others] = new Set(ofDocker.map(({ network }) => network));
    return catalog.network(only !== undefined && others.length === 0 ? only : name);
  }

  network(network: NetworkRecord, counters = this.parts.datapath.counters()): Network {
    const { name, vni, subnets, mtu, vlan, owner } = network;
    const fdb = counters.networks.get(name);
    const effective = this.mtuOf(name);
    return {
      name,
      vni,
      subnets,
      mtu: { declared: mtu, effective },
      vlan,
      owner,
      ports: this.parts.catalog.ports().filter((port) => port.network === name).length,
      fdb: { learned: fdb?.learned ?? 0, declared: fdb?.declared ?? 0 },
      engines: this.parts.catalog
        .engineNetworks()
        .filter((one) => one.network === name)
        .map(({ engine, id, pools, internal }) => ({
          engine,
          id,
          name: this.parts.names.networkName(id),
          subnets: pools.map(({ subnet }) => subnet),
          internal,
        })),
    };
  }

  ports(): Port[] {
    const counters = this.parts.datapath.counters();
    return this.parts.catalog.ports().map((port) => this.port(port, counters));
  }

  port(port: PortRecord, counters = this.parts.datapath.counters()): Port {
    const { id, name, network, ifname, mac, addresses, attach, owner } = port;
    const { desired, link } = this.actual(id);
    return {
      id,
      name,
      network,
      ifname,
      netns: port.netns?.given ?? null,
      mac,
      addresses,
      mtu: link?.mtu ?? desired?.mtu ?? 0,
      attach,
      owner,
      ...this.portState(port, link?.up ?? null),
      offloadDisabled: counters.ports.get(id)?.offloadDisabled ?? null,
      counters: withoutHandle(counters.ports.get(id)),
      spoof: port.spoof ?? 'allow',
      refused: refusals(counters.ports.get(id)?.refused),
      container: this.factsOf(port)?.name ?? null,
    };
  }

  portHealth(port: PortRecord): Pick<Port, 'state' | 'reason'> {
    return this.portState(port, this.actual(port.id).link?.up ?? null);
  }

  containerName(port: PortRecord): string | null {
    return this.factsOf(port)?.name ?? null;
  }

  containers(): Container[] {
    const counters = this.parts.datapath.counters();
    return this.parts.catalog.ports().flatMap((port) => {
      const { endpoint } = port;
      if (endpoint === undefined) return [];
      const { id, network, mac, addresses, owner } = port;
      const { link } = this.actual(id);
      const facts = this.factsOf(port);
      return [
        {
          engine: 'docker' as const,
          id: facts?.id ?? null,
          name: facts?.name ?? null,
          image: facts?.image ?? null,
          labels: { ...facts?.labels },
          aliases: [...(facts?.aliases ?? [])],
          network,
          engineNetwork: {
            id: endpoint.engineNetwork,
            name: this.parts.names.networkName(endpoint.engineNetwork),
          },
          endpoint: owner.ref,
          addresses,
          mac,
          port: id,
          ifname: link?.ifname ?? port.ifname,
          ...this.portState(port, link?.up ?? null),
          counters: withoutHandle(counters.ports.get(id)),
        },
      ];
    });
  }

  pools(): Pool[] {
    const containers = new Map(
      this.parts.catalog.ports().map((port) => [port.id, this.factsOf(port)?.name ?? null]),
    );
    // Docker tells the name with the request for an address since its version 25 or so.
    return this.parts.ipam.pools().map(({ leases, ...pool }) => ({
      ...pool,
      leases: leases.map((lease) => ({
        ...lease,
        name: lease.name ?? (lease.port === null ? null : (containers.get(lease.port) ?? null)),
      })),
    }));
  }

  peers(counters = this.parts.datapath.counters()): Peer[] {
    const programmed = this.parts.datapath.state().peers;
    return this.parts.catalog.peers().map((peer) => this.peer(peer, counters, programmed));
  }

  peer(
    peer: PeerRecord,
    counters = this.parts.datapath.counters(),
    inDatapath: ReadonlyMap<string, unknown> = this.parts.datapath.state().peers,
  ): Peer {
    const { id, address, port, checksum, offload, owner } = peer;
    const seen = this.parts.reconciler.view.picture.peers.get(id);
    const counted = counters.peers.get(id);
    const idle = counted?.idle ?? null;
    const programmed = inDatapath.has(id);
    const { hello, path } = this.parts.mesh.view(id);
    const gone =
      hello?.state === 'silent' || (hello?.state !== 'alive' && (idle === null || idle > silentAfter));
    const states = { programmed: programmed ? (gone ? 'silent' : 'active') : 'failed' } as const;
    const state =
      seen === undefined ? 'failed' : seen.state === 'programmed' ? states.programmed : seen.state;
    return {
      id,
      address,
      endpoint: seen?.endpoint ?? null,
      port,
      checksum,
      offload,
      owner,
      state,
      reason:
        seen?.reason ??
        (state === 'failed' ? 'the datapath refused it; see the findings of "weft status"' : null),
      hello: helloView(hello),
      pathMtu: seen?.pathMtu ?? null,
      routeMtu: seen?.routeMtu ?? null,
      pathCheckedAt: path.at === null ? null : new Date(path.at).toISOString(),
      offloadDisabled: counted?.offloadDisabled ?? null,
      offloadCheck: this.offloadCheck(id, programmed, seen),
      carryChecksum: counted?.carryChecksum ?? false,
      idle,
      counters: withoutHandle(counted),
    };
  }

  /** Of the Ethernet frame in an IP packet of `size` bytes to the peer. */
  helloBytes(peer: string, size: number): number {
    const endpoint = this.parts.reconciler.view.picture.peers.get(peer)?.endpoint ?? '0.0.0.0';
    return size - overhead(endpoint) + ethernetHeader;
  }

  private offloadCheck(
    peer: string,
    programmed: boolean,
    { reason, pathMtu }: Pick<PeerView, 'reason' | 'pathMtu'> = { reason: null, pathMtu: null },
  ): Peer['offloadCheck'] {
    if (!programmed) {
      const detail = `the peer is not in use${reason === null ? '' : `: ${reason}`}`;
      return { state: 'off', at: null, detail };
    }
    const { state, at, detail } = this.parts.offloadChecks.view(peer);
    const noPath = state === 'pending' && pathMtu === null ? reason : null;
    return { state, at: at?.toISOString() ?? null, detail: noPath ?? detail };
  }

  /**
   * At most `limit` entries of one network, or of all, and whether there are more. Static ones that wait for their network, port or
   * peer are shown too. Throws WEFT_NETWORK_NOT_FOUND.
   */
  fdb(network: string | null, limit: number): { entries: FdbEntry[]; more: boolean } {
    const left = network !== null && this.parts.catalog.entries().some((entry) => entry.network === network);
    if (network !== null && !left) this.parts.catalog.network(network);
    const labels = this.labels();
    const live = this.parts.datapath.fdb(network, limit + 1).map((entry) => view(entry, labels));
    const shown = new Set(live.map((entry) => `${entry.mac} ${entry.network}`));
    const waiting = this.parts.catalog
      .entries()
      .filter(
        (entry) =>
          (network === null || entry.network === network) && !shown.has(`${entry.mac} ${entry.network}`),
      )
      .map((entry) => view({ ...entry, declared: true, frozen: false, idle: 0 }, labels));
    const all = [...live, ...waiting];
    return { entries: all.slice(0, limit), more: all.length > limit };
  }

  entry(entry: EntryRecord): FdbEntry {
    return view({ ...entry, declared: true, frozen: false, idle: 0 }, this.labels());
  }

  drops(): Drop[] {
    const { dropped } = this.parts.datapath.counters();
    return this.parts.datapath.drops.map(({ name, stage, fault, sentence }, index) => ({
      reason: name,
      stage,
      fault,
      count: dropped[index] ?? 0,
      sentence,
    }));
  }

  status(): Status {
    const { version, hostId, pid, startedAt, stateDir, probe } = this.parts.identity;
    const counters = this.parts.datapath.counters();
    const { addresses, reason } = this.parts.reconciler.view.picture.underlay;
    const ports = this.parts.catalog.ports().map((port) => this.port(port, counters));
    const peers = this.peers(counters);
    const { config, file } = this.parts.catalog;
    const trouble =
      this.findingOf('UNDERLAY_FAILED') ??
      reason ??
      this.findingOf('UNDERLAY_DEGRADED') ??
      this.findingOf('UNDERLAY_PORT_FAILED');
    const drops = this.drops();
    return {
      version,
      host: { id: hostId, name: config.host.name },
      pid,
      startedAt,
      config: file,
      stateDir,
      kernel: probe.kernel,
      underlay: {
        addresses,
        port: config.underlay.port,
        state: trouble === null ? 'up' : 'degraded',
        reason: trouble,
      },
      offloads: describeOffloads(config.underlay.offloads, probe.offloads),
      networks: this.parts.catalog.networks().length,
      ports: { total: ports.length, up: ports.filter(({ state }) => state === 'up').length },
      peers: {
        total: peers.length,
        active: peers.filter(({ state }) => state === 'active').length,
        alive: peers.filter(({ hello }) => hello.state === 'alive').length,
        silent: peers.filter(({ hello }) => hello.state === 'silent').length,
        foreign: peers.filter(({ hello }) => hello.state === 'foreign').length,
      },
      fdb: fdbTotals(counters),
      frames: {
        received: counters.received,
        unicast: counters.unicast,
        flooded: counters.flooded,
        consumed: counters.consumed,
        dropped: sum(drops.filter(({ stage }) => stage === 'ingress').map(({ count }) => count)),
        queued: counters.queued,
        sent: counters.sent,
        droppedEgress: sum(drops.filter(({ stage }) => stage === 'egress').map(({ count }) => count)),
      },
      pathMtu: { answered: counters.pathMtuAnswered, unanswered: counters.pathMtuUnanswered },
      docker: this.docker(),
      findings: this.parts.reconciler.findings,
    };
  }

  private docker(): Status['docker'] {
    const { catalog, names, plugin } = this.parts;
    const { socket, state, reason, activated } = plugin.state();
    return {
      socket,
      state,
      reason,
      activated: activated?.toISOString() ?? null,
      engine: names.engineVersion(),
      api: names.trouble(),
      networks: catalog.engineNetworks().length,
      endpoints: catalog.ports().filter(({ endpoint }) => endpoint !== undefined).length,
    };
  }

  private factsOf({ endpoint, owner }: PortRecord): ContainerFacts | undefined {
    return endpoint === undefined ? undefined : this.parts.names.containerOf(owner.ref);
  }

  /** What is wanted of the port, and its link as the last round saw it. */
  private actual(id: string): { desired: DesiredPort | undefined; link: Link | undefined } {
    const { view } = this.parts.reconciler;
    const desired = this.desiredPorts().get(id);
    const place = view.actual.places.get(id);
    const link =
      desired !== undefined && place?.state === 'present'
        ? linkOf(desired, view.actual.namespaces.get(place.cookie))
        : undefined;
    return { desired, link };
  }

  /** By ID; made once for what one round saw. */
  private desiredPorts(): ReadonlyMap<string, DesiredPort> {
    const { desired } = this.parts.reconciler.view.picture;
    if (this.indexed?.of !== desired)
      this.indexed = { of: desired, ports: new Map(desired.ports.map((port) => [port.id, port])) };
    return this.indexed.ports;
  }

  private portState(port: PortRecord, linkUp: boolean | null): Pick<Port, 'state' | 'reason'> {
    const { view } = this.parts.reconciler;
    const failure = this.parts.reconciler.portFailure(port.id);
    if (failure !== null) return { state: 'failed', reason: `${failure.message} (${failure.code})` };
    if (!view.picture.desired.networks.has(port.network))
      return { state: 'failed', reason: lostNetwork(port.network, this.parts.catalog.shadowed()).problem };
    const place = view.actual.places.get(port.id);
    if (!view.actual.ports.has(port.id)) {
      return {
        state: 'waiting',
        reason: place === undefined || place.state === 'present' ? 'it is being made' : place.reason,
      };
    }
    // The path is gone, but the datapath still serves processes that live in the namespace.
    if (place?.state !== 'present') return { state: 'up', reason: place?.reason ?? null };
    if (linkUp === null) return { state: 'waiting', reason: 'its link is gone' };
    if (!linkUp && port.endpoint !== undefined && place.path === null)
      return { state: 'waiting', reason: 'Docker has not moved it into its container yet' };
    return linkUp
      ? { state: 'up', reason: null }
      : { state: 'down', reason: 'the link is down in its namespace' };
  }

  private findingOf(wanted: FindingCode): string | null {
    return this.parts.reconciler.findings.find(({ code }) => code === wanted)?.message ?? null;
  }

  private labels(): Map<string, string> {
    return new Map([
      ...this.parts.catalog.ports().map((port) => [port.id, port.name ?? portLabel(port)] as const),
      ...this.parts.catalog.peers().map((peer) => [peer.id, peer.address] as const),
    ]);
  }
}

function view(entry: NamedEntry, labels: ReadonlyMap<string, string>): FdbEntry {
  const { network, mac, where, declared, frozen, idle } = entry;
  const label = labels.get(where.id) ?? where.id;
  return {
    network,
    mac,
    kind: where.kind,
    where: where.id,
    label,
    type: declared ? 'static' : 'learned',
    frozen,
    idle,
  };
}

function helloView(hello: PeerHello['hello']): Peer['hello'] {
  const self = hello?.answer?.self ?? null;
  return {
    state: hello?.state ?? 'unknown',
    since: hello === null ? null : new Date(hello.since).toISOString(),
    rtt: hello?.roundTrip?.rtt ?? null,
    jitter: hello?.roundTrip?.jitter ?? null,
    answeredAt: hello === null || hello.answeredAt === null ? null : new Date(hello.answeredAt).toISOString(),
    unanswered: hello?.unanswered ?? 0,
    host: self === null ? null : hostIdText(self.host),
    version: self === null ? null : versionText(self.version),
    seenAs: hello?.answer?.seenAs ?? null,
    reason: hello === null ? 'the peer is not in use' : reasonOf(hello),
  };
}

function reasonOf({ state, elsewhere, oneWay, error }: NonNullable<PeerHello['hello']>): string | null {
  if (elsewhere !== null) return `it answers from ${elsewhere}`;
  if (state === 'alive') return null;
  if (error !== null) return `hellos cannot be sent (${error})`;
  if (oneWay) return 'its hellos arrive here, and it answers none of ours';
  if (state === 'foreign') return 'it sends VXLAN, and answers no hello: it is no weft host';
  return state === 'silent' ? 'it answered, and does not any more' : null;
}

function refusals(refused: readonly [number, number, number] | undefined): Port['refused'] {
  if (refused === undefined) return null;
  const [spoofedMac, spoofedAddress, rogueService] = refused;
  return { spoofedMac, spoofedAddress, rogueService };
}

function withoutHandle(counters: NonNullable<Port['counters']> | undefined): Port['counters'] {
  if (counters === undefined) return null;
  const { rxFrames, rxBytes, rxSuperFrames, txFrames, txBytes, txSuperFrames, rxDropped, txDropped } =
    counters;
  return { rxFrames, rxBytes, rxSuperFrames, txFrames, txBytes, txSuperFrames, rxDropped, txDropped };
}

function fdbTotals(counters: NamedCounters): { learned: number; declared: number } {
  const networks = [...counters.networks.values()];
  return {
    learned: sum(networks.map(({ learned }) => learned)),
    declared: sum(networks.map(({ declared }) => declared)),
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

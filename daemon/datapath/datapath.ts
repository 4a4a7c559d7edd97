/**
 * The engine, by the names of the control plane: networks by name, ports and peers by ID. Remembers what was programmed, so that the
 * reconciler can compare; the engine itself knows handles only.
 */
import { isDeepStrictEqual } from 'node:util';
import { type Keeper, type KeptTap, noKeeper } from './keeper.js';
import type {
  CaptureCounts,
  CaptureEnd,
  CaptureOptions,
  Counters,
  DropReason,
  Engine,
  EngineEvent,
  EngineOptions,
  FdbEntry,
  HostSelf,
  Native,
  NetworkCounters,
  NetworkOptions,
  OffloadBurst,
  PeerCounters,
  PeerOptions,
  PortCounters,
  PortGuard,
  PortOffloads,
  QueryText,
  Receiver,
  UnderlayOptions,
  Where,
} from './native.js';

export type {
  BpfInstruction,
  CaptureCounts,
  CaptureEnd,
  DropReason,
  HostSelf,
  NetworkOptions,
  OffloadBurst,
  PeerCounters,
  PeerOptions,
  PortCounters,
  PortGuard,
  PortOffloads,
  QueryText,
  TrafficCounters,
  UnderlayOptions,
} from './native.js';

export interface Target {
  kind: 'port' | 'peer';
  id: string;
}

export interface DeclaredEntry {
  network: string;
  mac: string;
  where: Target;
}

export interface NamedEntry extends DeclaredEntry {
  declared: boolean;
  frozen: boolean;
  idle: number;
}

/** Frames from or to one port or peer that were dropped for one reason. */
export interface DropsAt {
  reason: string;
  stage: 'ingress' | 'egress';
  sentence: string;
  frames: number;
  /** Seconds since the last one. */
  idle: number;
}

/** What a capture is of. */
export interface CaptureTarget {
  kind: 'port' | 'peer' | 'network';
  /** The name of a network. */
  id: string;
}

/** How the frames of a port, or of a peer in one network, are called in a capture file. */
export interface CapturePlace {
  where: Target;
  network: string;
  name: string;
  description: string;
}

/** Nothing more is given to the reader of a capture. */
export interface EndedCapture extends CaptureCounts {
  end: CaptureEnd;
}

export interface CaptureRequest extends Omit<CaptureOptions, 'target' | 'interfaces'> {
  target: CaptureTarget;
  interfaces: readonly CapturePlace[];
}

/** Where a port's TAP is. */
export interface PortPlace {
  network: string;
  /** Cookie and path of the namespace that holds the TAP; the path is null for our own. */
  cookie: string;
  netns: string | null;
  /** Our file descriptor was opened inside the namespace and keeps it alive. */
  pins: boolean;
}

/** The counters of the engine, with names in the place of handles. */
export interface NamedCounters extends Omit<Counters, 'ports' | 'peers' | 'networks'> {
  ports: Map<string, PortCounters>;
  peers: Map<string, PeerCounters>;
  networks: Map<string, NetworkCounters>;
}

/** What is known of a burst to a peer; see {@link EngineEvent}. */
export interface OffloadReport {
  peer: string;
  nonce: bigint;
  error: string | null;
  sent: number;
  missing: readonly number[];
}

/** A peer's answer to {@link Datapath.sendHello}; see {@link EngineEvent}. */
export interface HelloAnswer {
  type: 'hello-answer';
  peer: string;
  nonce: bigint;
  microseconds: number;
  bytes: number;
  takesUnfinished: boolean;
  self: HostSelf | null;
  seenAs: string | null;
}

/** What became of a hello. */
export type HelloReport =
  | HelloAnswer
  | { type: 'hello-failed'; peer: string; nonce: bigint; error: string }
  | { type: 'hello-misplaced'; peer: string; address: string };

/** A query of a peer, or its reply to one of ours. */
export interface QueryReport {
  type: 'query' | 'reply';
  peer: string;
  nonce: bigint;
  topic: number;
  text: Uint8Array;
  room: number;
}

export type DatapathEvent =
  | { type: 'mac-learned' | 'mac-moved' | 'mac-frozen'; network: string; mac: string; where: Target }
  | { type: 'port-gone'; port: string }
  | { type: 'port-error'; port: string; error: string }
  | { type: 'port-offload-disabled'; port: string; reason: string }
  | { type: 'peer-offload-disabled'; peer: string; reason: string }
  | { type: 'peer-too-big'; peer: string }
  | { type: 'stranger'; address: string }
  /**
   * A frame of ARP or ND claims an address of guarded port `port` for another MAC. It came from `where`; null is a host that is no
   * peer.
   */
  | {
      type: 'address-conflict';
      network: string;
      port: string;
      address: string;
      mac: string;
      where: Target | null;
    }
  | ({ type: 'offload-report' } & OffloadReport)
  | HelloReport
  | QueryReport
  | ({ type: 'capture-ended' } & EndedCapture)
  | { type: 'events-lost'; count: number };

export interface DatapathState {
  underlay: UnderlayOptions | null;
  carryChecksum: boolean;
  networks: ReadonlyMap<string, NetworkOptions>;
  peers: ReadonlyMap<string, PeerOptions>;
  ports: ReadonlyMap<string, PortPlace>;
  /** Of those ports that have one. */
  guards: ReadonlyMap<string, PortGuard>;
  entries: readonly DeclaredEntry[];
}

/** {@link HostSelf} as plain data: the host ID in hexadecimal digits, the large numbers in decimal ones. */
interface PlainSelf {
  host: string;
  incarnation: string;
  version: HostSelf['version'];
  networks: string;
}

/** All that the engine was told, so that another one can be told the same: plain data. */
export interface Program {
  options: DatapathOptions;
  underlay: UnderlayOptions | null;
  portOffloads: PortOffloads | null;
  carryChecksum: boolean;
  busyPoll: boolean;
  self: PlainSelf | null;
  networks: [string, NetworkOptions][];
  peers: [string, PeerOptions][];
  /** {@link Datapath.offloadDamage} of peers. */
  damage: [string, string][];
  ports: [string, PortPlace][];
  guards: [string, PortGuard][];
  entries: DeclaredEntry[];
  /** What it has learned itself, or as much of it as is worth it. */
  learned: DeclaredEntry[];
}

/** Of learned entries in a {@link Program}: what is not among them is flooded until it is learned again. */
const mostLearned = 4096;
const mostLooked = 65_536;

/** Of the Ethernet frame of a hello that is not padded. */
export const helloBytes = 110;
/** The most bytes of text in a query or a reply. */
export const mostQueryText = 1400;

/** FDB entries over all networks, as many as one network may be configured to have: 72 MiB when all are there, none before. */
const fdbCapacity = 1 << 20;
const usualSourcePorts = 4;
/** For networks that are cut off from the underlay; several may have it. */
export const noVni = 0xffff_ffff;
/** All peers are in one split-horizon group: what came from a peer never goes to another. */
const noGroup = 0;

/** What to join into super-frames on TAP writes, and from how many UDP ports to send. */
export type DatapathOptions = Pick<EngineOptions, 'mergeTcp' | 'mergeUdp'> &
  Partial<Pick<EngineOptions, 'sourcePorts'>>;

export class Datapath {
  readonly drops: readonly DropReason[];
  private readonly engine: Engine;
  private underlay: UnderlayOptions | null = null;
  private portOffloads: PortOffloads | null = null;
  private carryChecksum = false;
  private busyPoll = true;
  private self: HostSelf | null = null;
  private readonly networks = new Handles<NetworkOptions>();
  private readonly peers = new Handles<PeerOptions>();
  private readonly ports = new Handles<PortPlace>();
  /** Why UDP_SEGMENT is not used, of peers whose bursts arrive damaged. */
  private readonly damage = new Map<string, string>();
  private readonly guards = new Map<string, PortGuard>();
  private readonly entries = new Map<string, DeclaredEntry>();
  private onChange: () => void = () => undefined;

  /** `onEvents` is called when {@link takeEvents} has something to give. */
  constructor(
    native: Native,
    private options: DatapathOptions,
    private onEvents: () => void,
    readonly keeper: Keeper = noKeeper,
  ) {
    this.drops = native.drops;
    const told = () => this.onEvents();
    this.engine = new native.Engine({
      fdbCapacity,
      sourcePorts: usualSourcePorts,
      ...options,
      onEvents: told,
    });
  }

  start(): void {
    this.engine.start();
  }

  /** For an engine that was started before there was anybody to listen: `onEvents` is called at once, too. */
  listen(onEvents: () => void): void {
    this.onEvents = onEvents;
    onEvents();
  }

  /** `onChange` is called whenever {@link program} would give something else, learned entries excepted. */
  watch(onChange: () => void): void {
    this.onChange = onChange;
    onChange();
  }

  program(withLearned: boolean): Program {
    const learned = withLearned
      ? this.fdb(null, mostLooked)
          .filter(({ declared, frozen }) => !declared && !frozen)
          .sort((one, other) => one.idle - other.idle)
          .slice(0, mostLearned)
          .map(({ network, mac, where }) => ({ network, mac, where }))
      : [];
    return {
      options: this.options,
      underlay: this.underlay,
      portOffloads: this.portOffloads,
      carryChecksum: this.carryChecksum,
      busyPoll: this.busyPoll,
      self: this.self === null ? null : plainSelf(this.self),
      networks: [...this.networks.values],
      peers: [...this.peers.values],
      damage: [...this.damage],
      ports: [...this.ports.values],
      guards: [...this.guards],
      entries: [...this.entries.values()],
      learned,
    };
  }

  /** Tells a new engine, before it is started, what another was told. Ports that `open` does not give are left out. */
  restore(program: Program, open: (port: string) => KeptTap | null): void {
    for (const [name, options] of program.networks) this.putNetwork(name, options);
    for (const [id, options] of program.peers) this.putPeer(id, options);
    for (const [id, reason] of program.damage) this.setOffloadDamage(id, reason);
    if (program.portOffloads !== null) this.setPortOffloads(program.portOffloads);
    this.setCarryChecksum(program.carryChecksum);
    this.setBusyPoll(program.busyPoll);
    // Its successor's incarnation is another one, which is told as soon as it is known.
    if (program.self !== null) this.setSelf(selfOf(program.self));
    const guards = new Map(program.guards);
    for (const [id, place] of program.ports) {
      const kept = open(id);
      if (kept === null) continue;
      this.addPort(id, { ...place, pins: kept.pins }, () => kept.fds, guards.get(id) ?? null);
    }
    const known = ({ network, where }: DeclaredEntry) =>
      this.networks.handle(network) !== undefined &&
      (where.kind === 'port' ? this.ports : this.peers).handle(where.id) !== undefined;
    for (const entry of program.entries.filter(known)) this.declare(entry);
    for (const { network, mac, where } of program.learned.filter(known))
      this.engine.fdbLearn(this.networks.need(network), mac, this.toWhere(where));
    if (program.underlay !== null) this.setUnderlay(program.underlay);
  }

  /** From how many UDP ports of each family to send. */
  setSourcePorts(sourcePorts: number): void {
    if (sourcePorts === (this.options.sourcePorts ?? usualSourcePorts)) return;
    this.engine.setSourcePorts(sourcePorts);
    this.options = { ...this.options, sourcePorts };
    if (this.underlay !== null) this.engine.setUnderlay(this.underlay);
    this.onChange();
  }

  stop(): void {
    this.engine.stop();
  }

  /** A copy of what was programmed. */
  state(): DatapathState {
    return {
      underlay: this.underlay,
      carryChecksum: this.carryChecksum,
      networks: new Map(this.networks.values),
      peers: new Map(this.peers.values),
      ports: new Map(this.ports.values),
      guards: new Map(this.guards),
      entries: [...this.entries.values()],
    };
  }

  setUnderlay(options: UnderlayOptions): void {
    this.engine.setUnderlay(options);
    this.underlay = options;
    this.keeper.keepReceivers(this.engine.receivers());
    this.onChange();
  }

  /** See {@link Engine.offerReceiver}. */
  offerReceiver(fd: number): Omit<Receiver, 'fd'> {
    return this.engine.offerReceiver(fd);
  }

  closeOffered(): void {
    this.engine.closeOffered();
  }

  receivers(): Receiver[] {
    return this.engine.receivers();
  }

  setPortOffloads(offloads: PortOffloads): void {
    if (isDeepStrictEqual(offloads, this.portOffloads)) return;
    this.engine.setPortOffloads(offloads);
    this.portOffloads = offloads;
    this.onChange();
  }

  /** Whether unfinished checksums are taken from peers, and sent to those that take them. */
  setCarryChecksum(carry: boolean): void {
    if (carry === this.carryChecksum) return;
    this.engine.setCarryChecksum(carry);
    this.carryChecksum = carry;
    this.onChange();
  }

  /** Whether the worker may look for work before it sleeps. */
  setBusyPoll(allowed: boolean): void {
    if (allowed === this.busyPoll) return;
    this.engine.setBusyPoll(allowed);
    this.busyPoll = allowed;
    this.onChange();
  }

  /** Another network with this VNI is cut off from the underlay until it is given its new one. */
  putNetwork(name: string, options: NetworkOptions): void {
    for (const [other, theirs] of [...this.networks.values])
      if (other !== name && theirs.vni === options.vni && theirs.vni !== noVni)
        this.putNetwork(other, { ...theirs, vni: noVni });
    const handle = this.networks.handle(name);
    if (handle === undefined) {
      this.networks.set(name, this.engine.addNetwork(options), options);
      for (const [id, { address }] of this.peers.values)
        this.describe({ kind: 'peer', id }, name, `${address}/${name}`);
    } else {
      this.engine.updateNetwork(handle, options);
      this.networks.set(name, handle, options);
    }
    this.onChange();
  }

  removeNetwork(name: string): void {
    this.networks.remove(name, (handle) => this.engine.removeNetwork(handle));
    this.forgetEntries((entry) => entry.network === name);
    this.onChange();
  }

  putPeer(id: string, options: PeerOptions): void {
    const handle = this.peers.handle(id);
    if (handle === undefined) {
      this.peers.set(id, this.engine.addPeer(options), options);
      for (const network of this.networks.values.keys())
        this.describe({ kind: 'peer', id }, network, `${options.address}/${network}`);
    } else {
      this.engine.updatePeer(handle, options);
      this.peers.set(id, handle, options);
    }
    this.onChange();
  }

  removePeer(id: string): void {
    this.peers.remove(id, (handle) => this.engine.removePeer(handle));
    this.damage.delete(id);
    this.forgetEntries(({ where }) => where.kind === 'peer' && where.id === id);
    this.onChange();
  }

  sendOffloadBurst(peer: string, burst: OffloadBurst): void {
    this.engine.sendOffloadBurst(this.peers.need(peer), burst);
  }

  askAboutBurst(peer: string, nonce: bigint): void {
    this.engine.askAboutBurst(this.peers.need(peer), nonce);
  }

  /** As it was put last; undefined when it is not here. */
  peerOptions(id: string): PeerOptions | undefined {
    return this.peers.values.get(id);
  }

  /** Whether unfinished checksums are taken from peers. */
  get carriesChecksum(): boolean {
    return this.carryChecksum;
  }

  /** What hellos say of this host. */
  setSelf(self: HostSelf): void {
    this.engine.setSelf(self);
    this.self = self;
    this.onChange();
  }

  /** `bytes`: of the Ethernet frame. Throws when there is no such peer, or too much waits to be sent. */
  sendHello(peer: string, nonce: bigint, bytes: number = helloBytes): void {
    this.engine.sendHello(this.peers.need(peer), nonce, bytes);
  }

  /** Throws when there is no such peer, or too much waits to be sent. */
  sendQuery(peer: string, query: QueryText & { room: number }): void {
    this.engine.sendQuery(this.peers.need(peer), query);
  }

  sendReply(peer: string, reply: QueryText): void {
    this.engine.sendReply(this.peers.need(peer), { ...reply, room: 0 });
  }

  /** For so long, in seconds, or until the peer's options change. */
  sendUnfinished(peer: string, seconds: number): void {
    this.engine.sendUnfinished(this.peers.need(peer), seconds);
  }

  /** `reason`: how bursts arrive damaged, so that UDP_SEGMENT is not used towards the peer; null when they do not. */
  setOffloadDamage(peer: string, reason: string | null): void {
    this.engine.setOffloadCorrupts(this.peers.need(peer), reason !== null);
    if (reason === null) this.damage.delete(peer);
    else this.damage.set(peer, reason);
    this.onChange();
  }

  offloadDamage(peer: string): string | null {
    return this.damage.get(peer) ?? null;
  }

  /**
   * `open` gives the TAP's file descriptors. It is called only when the engine will take them, which it does also when it throws.
   * `guard`: the only sources that its frames may have; null lets it send anything.
   */
  addPort(id: string, place: PortPlace, open: () => number[], guard: PortGuard | null = null): void {
    const network = this.networks.need(place.network);
    const fds = open();
    this.ports.set(id, this.engine.addPort({ network, fds, group: noGroup, guard }), place);
    this.keeper.keepPort(id, fds);
    this.describe({ kind: 'port', id }, place.network, id);
    if (guard !== null) this.guards.set(id, guard);
    this.onChange();
  }

  portPlace(id: string): PortPlace | undefined {
    return this.ports.values.get(id);
  }

  /** As the `guard` of {@link addPort}, from the port's next frame on. */
  setGuard(id: string, guard: PortGuard | null): void {
    this.engine.setGuard(this.ports.need(id), guard);
    if (guard === null) this.guards.delete(id);
    else this.guards.set(id, guard);
    this.onChange();
  }

  portGuard(id: string): PortGuard | null {
    return this.guards.get(id) ?? null;
  }

  /** Tells the port's network where the addresses of its guard are. Nothing happens when it has none. */
  announce(id: string): void {
    this.engine.announce(this.ports.need(id));
  }

  /** `destroy` ends the TAP too, wherever it is: the port will not return. */
  removePort(id: string, destroy: boolean): void {
    this.ports.remove(id, (handle) => {
      // A copy would keep the device, or the namespace in which it was opened.
      this.keeper.dropPort(id);
      this.engine.removePort(handle, destroy);
    });
    this.guards.delete(id);
    this.forgetEntries(({ where }) => where.kind === 'port' && where.id === id);
    this.onChange();
  }

  /** Whether a capture of it could begin: the engine knows it. */
  has({ kind, id }: CaptureTarget): boolean {
    return this.handlesOf(kind).handle(id) !== undefined;
  }

  /** The number of the capture. Throws NativeError: EINVAL for a filter that cannot be run, EBUSY while as many run as may. */
  startCapture({ target, interfaces, ...options }: CaptureRequest): number {
    const handle = this.handlesOf(target.kind).need(target.id);
    return this.engine.startCapture({
      ...options,
      target: { [target.kind]: handle } as CaptureOptions['target'],
      interfaces: interfaces.flatMap(({ where, network, name, description }) =>
        this.has(where) && this.networks.handle(network) !== undefined
          ? [{ where: this.toWhere(where), network: this.networks.need(network), name, description }]
          : [],
      ),
    });
  }

  endCapture(capture: number, reason: string): void {
    this.engine.endCapture(capture, reason);
  }

  /** Those of which the end was not told yet. */
  captures(): CaptureCounts[] {
    return this.engine.captures();
  }

  declare(entry: DeclaredEntry): void {
    this.engine.fdbAdd(this.networks.need(entry.network), entry.mac, this.toWhere(entry.where));
    this.entries.set(`${entry.mac} ${entry.network}`, entry);
    this.onChange();
  }

  undeclare(entry: { network: string; mac: string }): void {
    const network = this.networks.handle(entry.network);
    if (network !== undefined) this.engine.fdbRemove(network, entry.mac);
    this.entries.delete(`${entry.mac} ${entry.network}`);
    this.onChange();
  }

  flush(network: string | null): void {
    if (network === null) this.engine.fdbFlush();
    else this.engine.fdbFlush(this.networks.need(network));
  }

  /** At most `limit` entries. */
  fdb(network: string | null, limit: number): NamedEntry[] {
    if (network !== null && this.networks.handle(network) === undefined) return [];
    const handle = network === null ? null : this.networks.need(network);
    return this.engine.fdbDump(handle, limit).flatMap((entry) => {
      const named = this.named(entry);
      return named === null
        ? []
        : [{ ...named, declared: entry.declared, frozen: entry.frozen, idle: entry.idle }];
    });
  }

  /** The entry of one MAC; null when there is none. */
  entry(network: string, mac: string): NamedEntry | null {
    const handle = this.networks.handle(network);
    const entry = handle === undefined ? null : this.engine.fdbFind(handle, mac);
    const named = entry === null ? null : this.named(entry);
    if (entry === null || named === null) return null;
    return { ...named, declared: entry.declared, frozen: entry.frozen, idle: entry.idle };
  }

  /** How many MACs the network has learned there. */
  learnedAt(network: string, where: Target): number {
    const handle = this.networks.handle(network);
    return handle === undefined || !this.has(where) ? 0 : this.engine.fdbLearned(handle, this.toWhere(where));
  }

  /** Why frames from there or to there were dropped, the latest first. */
  dropsAt(where: Target): DropsAt[] {
    if (!this.has(where)) return [];
    const drops = this.engine.dropsAt(this.toWhere(where)).flatMap(({ reason, frames, idle }) => {
      const known = this.drops[reason];
      if (known === undefined) return [];
      return [{ reason: known.name, stage: known.stage, sentence: known.sentence, frames, idle }];
    });
    return drops.sort((one, other) => one.idle - other.idle || other.frames - one.frames);
  }

  counters(): NamedCounters {
    const raw = this.engine.counters();
    return {
      ...raw,
      ports: this.ports.byName(raw.ports),
      peers: this.withDamage(this.peers.byName(raw.peers)),
      networks: this.networks.byName(raw.networks),
    };
  }

  /** Those of {@link counters}, without counting everything else. */
  peerCounters(): Map<string, PeerCounters> {
    return this.withDamage(this.peers.byName(this.engine.peerCounters()));
  }

  /** {@link NamedCounters.rounds}. */
  get rounds(): number {
    return this.engine.rounds();
  }

  private withDamage(peers: Map<string, PeerCounters>): Map<string, PeerCounters> {
    for (const [id, reason] of this.damage) {
      const counted = peers.get(id);
      if (counted !== undefined) counted.offloadDisabled = reason;
    }
    return peers;
  }

  /** Events about objects that were removed meanwhile are left out. */
  takeEvents(): DatapathEvent[] {
    return this.engine.takeEvents().flatMap((event) => this.namedEvent(event) ?? []);
  }

  private namedEvent(event: EngineEvent): DatapathEvent | null {
    switch (event.type) {
      case 'mac-learned':
      case 'mac-moved':
      case 'mac-frozen': {
        const named = this.named(event);
        return named === null ? null : { type: event.type, ...named };
      }
      case 'port-gone':
      case 'port-error':
      case 'port-offload-disabled': {
        const port = this.ports.name(event.port);
        return port === undefined ? null : { ...event, port };
      }
      case 'peer-offload-disabled':
      case 'peer-too-big':
      case 'offload-report':
      case 'hello-answer':
      case 'hello-failed':
      case 'hello-misplaced':
      case 'query':
      case 'reply': {
        const peer = this.peers.name(event.peer);
        return peer === undefined ? null : { ...event, peer };
      }
      case 'address-conflict': {
        const network = this.networks.name(event.network);
        const port = this.ports.name(event.port);
        if (network === undefined || port === undefined) return null;
        return { ...event, network, port, where: this.target(event.where) };
      }
      default:
        return event;
    }
  }

  private handlesOf(kind: CaptureTarget['kind']): Handles<unknown> {
    return { port: this.ports, peer: this.peers, network: this.networks }[kind];
  }

  /** Tells captures that run what has come meanwhile: a port by its ID, a peer by its address and the network. */
  private describe(where: Target, network: string, name: string): void {
    const handle = this.networks.need(network);
    this.engine.describeCapture({ where: this.toWhere(where), network: handle, name, description: '' });
  }

  private named(entry: Pick<FdbEntry, 'network' | 'mac' | 'where'>): DeclaredEntry | null {
    const network = this.networks.name(entry.network);
    const where = this.target(entry.where);
    return network === undefined || where === null ? null : { network, mac: entry.mac, where };
  }

  private target(where: Where): Target | null {
    const kind = 'port' in where ? 'port' : 'peer';
    const id = 'port' in where ? this.ports.name(where.port) : this.peers.name(where.peer);
    return id === undefined ? null : { kind, id };
  }

  private toWhere(target: Target): Where {
    return target.kind === 'port'
      ? { port: this.ports.need(target.id) }
      : { peer: this.peers.need(target.id) };
  }

  private forgetEntries(match: (entry: DeclaredEntry) => boolean): void {
    for (const [key, entry] of this.entries) if (match(entry)) this.entries.delete(key);
  }
}

function plainSelf({ host, incarnation, version, networks }: HostSelf): PlainSelf {
  return {
    host: Buffer.from(host).toString('hex'),
    incarnation: String(incarnation),
    version,
    networks: String(networks),
  };
}

function selfOf({ host, incarnation, version, networks }: PlainSelf): HostSelf {
  return {
    host: Buffer.from(host, 'hex'),
    incarnation: BigInt(incarnation),
    version,
    networks: BigInt(networks),
  };
}

/** Names and engine handles of one kind of object, both ways. */
class Handles<T> {
  readonly values = new Map<string, T>();
  private readonly handles = new Map<string, number>();
  private readonly names = new Map<number, string>();

  set(name: string, handle: number, value: T): void {
    this.values.set(name, value);
    this.handles.set(name, handle);
    this.names.set(handle, name);
  }

  handle(name: string): number | undefined {
    return this.handles.get(name);
  }

  need(name: string): number {
    const handle = this.handles.get(name);
    if (handle === undefined) throw new Error(`"${name}" is not in the datapath`);
    return handle;
  }

  name(handle: number): string | undefined {
    return this.names.get(handle);
  }

  /** Forgets the name only when `release` did not throw. */
  remove(name: string, release: (handle: number) => void): void {
    const handle = this.handles.get(name);
    if (handle === undefined) return;
    release(handle);
    this.values.delete(name);
    this.handles.delete(name);
    this.names.delete(handle);
  }

  byName<C extends { handle: number }>(counters: readonly C[]): Map<string, C> {
    return new Map(
      counters.flatMap((one) => {
        const name = this.names.get(one.handle);
        return name === undefined ? [] : [[name, one] as const];
      }),
    );
  }
}

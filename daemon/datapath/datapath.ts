/**
 * The engine, by the names of the control plane: networks by name, ports and peers by ID. Remembers what was programmed, so that the
 * reconciler can compare; the engine itself knows handles only.
 */
import { isDeepStrictEqual } from 'node:util';
import { type DatapathEvent, namedEvent } from './events.js';
import { type Keeper, type KeptTap, noKeeper } from './keeper.js';
import type {
  CaptureCounts,
  CaptureOptions,
  Counters,
  DropReason,
  Engine,
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
} from './native.js';
import { type DatapathOptions, type Program, plainSelf, selfOf } from './program.js';
import {
  type CaptureTarget,
  type DeclaredEntry,
  type NamedEntry,
  type PortPlace,
  Registry,
  type Target,
} from './registry.js';

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

/** Frames from or to one port or peer that were dropped for one reason. */
export interface DropsAt {
  reason: string;
  stage: 'ingress' | 'egress';
  sentence: string;
  frames: number;
  /** Seconds since the last one. */
  idle: number;
}

/** How the frames of a port, or of a peer in one network, are called in a capture file. */
export interface CapturePlace {
  where: Target;
  network: string;
  name: string;
  description: string;
}

export interface CaptureRequest extends Omit<CaptureOptions, 'target' | 'interfaces'> {
  target: CaptureTarget;
  interfaces: readonly CapturePlace[];
}

/** The counters of the engine, with names in the place of handles. */
export interface NamedCounters extends Omit<Counters, 'ports' | 'peers' | 'networks'> {
  ports: Map<string, PortCounters>;
  peers: Map<string, PeerCounters>;
  networks: Map<string, NetworkCounters>;
}

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

export class Datapath {
  readonly drops: readonly DropReason[];
  private readonly engine: Engine;
  private underlay: UnderlayOptions | null = null;
  private portOffloads: PortOffloads | null = null;
  private carryChecksum = false;
  private busyPoll = true;
  private self: HostSelf | null = null;
  private readonly known = new Registry();
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
      networks: [...this.known.networks.values],
      peers: [...this.known.peers.values],
      damage: [...this.damage],
      ports: [...this.known.ports.values],
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
    const takes = (entry: DeclaredEntry) => this.takes(entry);
    for (const entry of program.entries.filter(takes)) this.declare(entry);
    for (const { network, mac, where } of program.learned.filter(takes))
      this.engine.fdbLearn(this.known.networks.need(network), mac, this.known.where(where));
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
      networks: new Map(this.known.networks.values),
      peers: new Map(this.known.peers.values),
      ports: new Map(this.known.ports.values),
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
    for (const [other, theirs] of [...this.known.networks.values])
      if (other !== name && theirs.vni === options.vni && theirs.vni !== noVni)
        this.putNetwork(other, { ...theirs, vni: noVni });
    const handle = this.known.networks.handle(name);
    if (handle === undefined) {
      this.known.networks.set(name, this.engine.addNetwork(options), options);
      for (const [id, { address }] of this.known.peers.values)
        this.describe({ kind: 'peer', id }, name, `${address}/${name}`);
    } else {
      this.engine.updateNetwork(handle, options);
      this.known.networks.set(name, handle, options);
    }
    this.onChange();
  }

  removeNetwork(name: string): void {
    this.known.networks.remove(name, (handle) => this.engine.removeNetwork(handle));
    this.forgetEntries((entry) => entry.network === name);
    this.onChange();
  }

  putPeer(id: string, options: PeerOptions): void {
    const handle = this.known.peers.handle(id);
    if (handle === undefined) {
      this.known.peers.set(id, this.engine.addPeer(options), options);
      for (const network of this.known.networks.values.keys())
        this.describe({ kind: 'peer', id }, network, `${options.address}/${network}`);
    } else {
      this.engine.updatePeer(handle, options);
      this.known.peers.set(id, handle, options);
    }
    this.onChange();
  }

  removePeer(id: string): void {
    this.known.peers.remove(id, (handle) => this.engine.removePeer(handle));
    this.damage.delete(id);
    this.forgetEntries(({ where }) => where.kind === 'peer' && where.id === id);
    this.onChange();
  }

  sendOffloadBurst(peer: string, burst: OffloadBurst): void {
    this.engine.sendOffloadBurst(this.known.peers.need(peer), burst);
  }

  askAboutBurst(peer: string, nonce: bigint): void {
    this.engine.askAboutBurst(this.known.peers.need(peer), nonce);
  }

  /** As it was put last; undefined when it is not here. */
  peerOptions(id: string): PeerOptions | undefined {
    return this.known.peers.values.get(id);
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
    this.engine.sendHello(this.known.peers.need(peer), nonce, bytes);
  }

  /** Throws when there is no such peer, or too much waits to be sent. */
  sendQuery(peer: string, query: QueryText & { room: number }): void {
    this.engine.sendQuery(this.known.peers.need(peer), query);
  }

  sendReply(peer: string, reply: QueryText): void {
    this.engine.sendReply(this.known.peers.need(peer), { ...reply, room: 0 });
  }

  /** For so long, in seconds, or until the peer's options change. */
  sendUnfinished(peer: string, seconds: number): void {
    this.engine.sendUnfinished(this.known.peers.need(peer), seconds);
  }

  /** `reason`: how bursts arrive damaged, so that UDP_SEGMENT is not used towards the peer; null when they do not. */
  setOffloadDamage(peer: string, reason: string | null): void {
    this.engine.setOffloadCorrupts(this.known.peers.need(peer), reason !== null);
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
    const network = this.known.networks.need(place.network);
    const fds = open();
    this.known.ports.set(id, this.engine.addPort({ network, fds, group: noGroup, guard }), place);
    this.keeper.keepPort(id, fds);
    this.describe({ kind: 'port', id }, place.network, id);
    if (guard !== null) this.guards.set(id, guard);
    this.onChange();
  }

  portPlace(id: string): PortPlace | undefined {
    return this.known.ports.values.get(id);
  }

  /** As the `guard` of {@link addPort}, from the port's next frame on. */
  setGuard(id: string, guard: PortGuard | null): void {
    this.engine.setGuard(this.known.ports.need(id), guard);
    if (guard === null) this.guards.delete(id);
    else this.guards.set(id, guard);
    this.onChange();
  }

  portGuard(id: string): PortGuard | null {
    return this.guards.get(id) ?? null;
  }

  /** Tells the port's network where the addresses of its guard are. Nothing happens when it has none. */
  announce(id: string): void {
    this.engine.announce(this.known.ports.need(id));
  }

  /** `destroy` ends the TAP too, wherever it is: the port will not return. */
  removePort(id: string, destroy: boolean): void {
    this.known.ports.remove(id, (handle) => {
      // A copy would keep the device, or the namespace in which it was opened.
      this.keeper.dropPort(id);
      this.engine.removePort(handle, destroy);
    });
    this.guards.delete(id);
    this.forgetEntries(({ where }) => where.kind === 'port' && where.id === id);
    this.onChange();
  }

  /** Whether a capture of it could begin: the engine knows it. */
  has(target: CaptureTarget): boolean {
    return this.known.has(target);
  }

  /** The number of the capture. Throws NativeError: EINVAL for a filter that cannot be run, EBUSY while as many run as may. */
  startCapture({ target, interfaces, ...options }: CaptureRequest): number {
    const handle = this.known.of(target.kind).need(target.id);
    return this.engine.startCapture({
      ...options,
      target: { [target.kind]: handle } as CaptureOptions['target'],
      interfaces: interfaces.flatMap(({ where, network, name, description }) =>
        this.has(where) && this.known.networks.handle(network) !== undefined
          ? [
              {
                where: this.known.where(where),
                network: this.known.networks.need(network),
                name,
                description,
              },
            ]
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

  /** The network of an entry is here, and what it leads to. */
  takes({ network, where }: DeclaredEntry): boolean {
    return this.known.has({ kind: 'network', id: network }) && this.known.has(where);
  }

  declare(entry: DeclaredEntry): void {
    this.engine.fdbAdd(this.known.networks.need(entry.network), entry.mac, this.known.where(entry.where));
    this.entries.set(`${entry.mac} ${entry.network}`, entry);
    this.onChange();
  }

  undeclare(entry: { network: string; mac: string }): void {
    const network = this.known.networks.handle(entry.network);
    if (network !== undefined) this.engine.fdbRemove(network, entry.mac);
    this.entries.delete(`${entry.mac} ${entry.network}`);
    this.onChange();
  }

  flush(network: string | null): void {
    if (network === null) this.engine.fdbFlush();
    else this.engine.fdbFlush(this.known.networks.need(network));
  }

  /** At most `limit` entries. */
  fdb(network: string | null, limit: number): NamedEntry[] {
    if (network !== null && this.known.networks.handle(network) === undefined) return [];
    const handle = network === null ? null : this.known.networks.need(network);
    return this.engine.fdbDump(handle, limit).flatMap((entry) => this.known.entry(entry) ?? []);
  }

  /** The entry of one MAC; null when there is none. */
  entry(network: string, mac: string): NamedEntry | null {
    const handle = this.known.networks.handle(network);
    const entry = handle === undefined ? null : this.engine.fdbFind(handle, mac);
    return entry === null ? null : this.known.entry(entry);
  }

  /** How many MACs the network has learned there. */
  learnedAt(network: string, where: Target): number {
    const handle = this.known.networks.handle(network);
    return handle === undefined || !this.has(where)
      ? 0
      : this.engine.fdbLearned(handle, this.known.where(where));
  }

  /** Why frames from there or to there were dropped, the latest first. */
  dropsAt(where: Target): DropsAt[] {
    if (!this.has(where)) return [];
    const drops = this.engine.dropsAt(this.known.where(where)).flatMap(({ reason, frames, idle }) => {
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
      ports: this.known.ports.byName(raw.ports),
      peers: this.withDamage(this.known.peers.byName(raw.peers)),
      networks: this.known.networks.byName(raw.networks),
    };
  }

  /** Those of {@link counters}, without counting everything else. */
  peerCounters(): Map<string, PeerCounters> {
    return this.withDamage(this.known.peers.byName(this.engine.peerCounters()));
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
    return this.engine.takeEvents().flatMap((event) => namedEvent(event, this.known) ?? []);
  }

  /** Tells captures that run what has come meanwhile: a port by its ID, a peer by its address and the network. */
  private describe(where: Target, network: string, name: string): void {
    const handle = this.known.networks.need(network);
    this.engine.describeCapture({ where: this.known.where(where), network: handle, name, description: '' });
  }

  private forgetEntries(match: (entry: DeclaredEntry) => boolean): void {
    for (const [key, entry] of this.entries) if (match(entry)) this.entries.delete(key);
  }
}

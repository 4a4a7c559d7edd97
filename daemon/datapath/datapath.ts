/**
 * The engine, by the names of the control plane: networks by name, ports and peers by ID. Remembers what was programmed, so that the
 * reconciler can compare; the engine itself knows handles only.
 */
import { isDeepStrictEqual } from 'node:util';
import type {
  Counters,
  DropReason,
  Engine,
  EngineEvent,
  EngineOptions,
  FdbEntry,
  Native,
  NetworkCounters,
  NetworkOptions,
  OffloadBurst,
  PeerCounters,
  PeerOptions,
  PortCounters,
  PortGuard,
  PortOffloads,
  UnderlayOptions,
  Where,
} from './native.js';

export type {
  DropReason,
  NetworkOptions,
  OffloadBurst,
  PeerOptions,
  PortGuard,
  PortOffloads,
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

/** A peer's answer to {@link Datapath.askFeatures}. */
export interface FeatureReport {
  peer: string;
  nonce: bigint;
  takesUnfinished: boolean;
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
  | ({ type: 'peer-features' } & FeatureReport)
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
  private readonly networks = new Handles<NetworkOptions>();
  private readonly peers = new Handles<PeerOptions>();
  private readonly ports = new Handles<PortPlace>();
  /** Why UDP_SEGMENT is not used, of peers whose bursts arrive damaged. */
  private readonly damage = new Map<string, string>();
  private readonly guards = new Map<string, PortGuard>();
  private readonly entries = new Map<string, DeclaredEntry>();

  /** `onEvents` is called when {@link takeEvents} has something to give. */
  constructor(native: Native, options: DatapathOptions, onEvents: () => void) {
    this.drops = native.drops;
    this.engine = new native.Engine({ fdbCapacity, sourcePorts: usualSourcePorts, ...options, onEvents });
  }

  start(): void {
    this.engine.start();
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
  }

  setPortOffloads(offloads: PortOffloads): void {
    if (isDeepStrictEqual(offloads, this.portOffloads)) return;
    this.engine.setPortOffloads(offloads);
    this.portOffloads = offloads;
  }

  /** Whether unfinished checksums are taken from peers, and sent to those that take them. */
  setCarryChecksum(carry: boolean): void {
    if (carry === this.carryChecksum) return;
    this.engine.setCarryChecksum(carry);
    this.carryChecksum = carry;
  }

  /** Whether the worker may look for work before it sleeps. */
  setBusyPoll(allowed: boolean): void {
    if (allowed === this.busyPoll) return;
    this.engine.setBusyPoll(allowed);
    this.busyPoll = allowed;
  }

  /** Another network with this VNI is cut off from the underlay until it is given its new one. */
  putNetwork(name: string, options: NetworkOptions): void {
    for (const [other, theirs] of [...this.networks.values])
      if (other !== name && theirs.vni === options.vni && theirs.vni !== noVni)
        this.putNetwork(other, { ...theirs, vni: noVni });
    const handle = this.networks.handle(name);
    if (handle === undefined) this.networks.set(name, this.engine.addNetwork(options), options);
    else {
      this.engine.updateNetwork(handle, options);
      this.networks.set(name, handle, options);
    }
  }

  removeNetwork(name: string): void {
    this.networks.remove(name, (handle) => this.engine.removeNetwork(handle));
    this.forgetEntries((entry) => entry.network === name);
  }

  putPeer(id: string, options: PeerOptions): void {
    const handle = this.peers.handle(id);
    if (handle === undefined) this.peers.set(id, this.engine.addPeer(options), options);
    else {
      this.engine.updatePeer(handle, options);
      this.peers.set(id, handle, options);
    }
  }

  removePeer(id: string): void {
    this.peers.remove(id, (handle) => this.engine.removePeer(handle));
    this.damage.delete(id);
    this.forgetEntries(({ where }) => where.kind === 'peer' && where.id === id);
  }

  sendOffloadBurst(peer: string, burst: OffloadBurst): void {
    this.engine.sendOffloadBurst(this.peers.need(peer), burst);
  }

  askAboutBurst(peer: string, nonce: bigint): void {
    this.engine.askAboutBurst(this.peers.need(peer), nonce);
  }

  /** Throws when there is no such peer, or too much waits to be sent. */
  askFeatures(peer: string, nonce: bigint): void {
    this.engine.askFeatures(this.peers.need(peer), nonce);
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
    this.ports.set(id, this.engine.addPort({ network, fds: open(), group: noGroup, guard }), place);
    if (guard !== null) this.guards.set(id, guard);
  }

  portPlace(id: string): PortPlace | undefined {
    return this.ports.values.get(id);
  }

  /** As the `guard` of {@link addPort}, from the port's next frame on. */
  setGuard(id: string, guard: PortGuard | null): void {
    this.engine.setGuard(this.ports.need(id), guard);
    if (guard === null) this.guards.delete(id);
    else this.guards.set(id, guard);
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
    this.ports.remove(id, (handle) => this.engine.removePort(handle, destroy));
    this.guards.delete(id);
    this.forgetEntries(({ where }) => where.kind === 'port' && where.id === id);
  }

  declare(entry: DeclaredEntry): void {
    this.engine.fdbAdd(this.networks.need(entry.network), entry.mac, this.toWhere(entry.where));
    this.entries.set(`${entry.mac} ${entry.network}`, entry);
  }

  undeclare(entry: { network: string; mac: string }): void {
    const network = this.networks.handle(entry.network);
    if (network !== undefined) this.engine.fdbRemove(network, entry.mac);
    this.entries.delete(`${entry.mac} ${entry.network}`);
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

  counters(): NamedCounters {
    const raw = this.engine.counters();
    return {
      ...raw,
      ports: this.ports.byName(raw.ports),
      peers: this.withDamage(this.peers.byName(raw.peers)),
      networks: this.networks.byName(raw.networks),
    };
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
      case 'peer-features': {
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

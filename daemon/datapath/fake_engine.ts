/** An engine that forwards nothing but keeps the books, and complains where the real one would. For tests. */
import { isIP } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { noVni } from './datapath.js';
import type {
  CaptureCounts,
  CaptureInterface,
  CaptureOptions,
  Counters,
  DropsOfOne,
  Engine,
  EngineEvent,
  EngineOptions,
  FdbEntry,
  HostSelf,
  NativeError,
  NetworkOptions,
  OffloadBurst,
  PeerCounters,
  PeerOptions,
  PortGuard,
  PortOffloads,
  PortOptions,
  QueryText,
  Receiver,
  UnderlayOptions,
  Where,
} from './native.js';

export function refuse(code: string, syscall: string): NativeError {
  return Object.assign(new Error(`${syscall}: ${code}`), { code, syscall });
}

const zero = {
  rxFrames: 0,
  rxBytes: 0,
  rxSuperFrames: 0,
  txFrames: 0,
  txBytes: 0,
  txSuperFrames: 0,
  rxDropped: 0,
  txDropped: 0,
};

export class FakeEngine implements Engine {
  /** Every call that changes something, as text. */
  readonly calls: string[] = [];
  readonly networks = new Map<number, NetworkOptions>();
  readonly ports = new Map<number, PortOptions>();
  readonly peers = new Map<number, PeerOptions>();
  entries: FdbEntry[] = [];
  underlay: UnderlayOptions | null = null;
  portOffloads: PortOffloads | null = null;
  running = false;
  private passed = 0;
  /** UDP ports that another program has. */
  readonly taken = new Set<number>();
  /** Sockets of a former process. */
  readonly sockets = new Map<number, Receiver>();
  readonly offered: Receiver[] = [];
  /** Addresses of this host that cannot be bound yet. */
  readonly tentative = new Set<string>();
  /** Ports whose link vanished. */
  readonly gone = new Set<number>();
  /** What the guards of ports refused. */
  readonly refused = new Map<number, [number, number, number]>();
  /** What was dropped at a port or peer, by the JSON of its {@link Where}. */
  readonly dropped = new Map<string, DropsOfOne[]>();
  /** Ports for which the kernel refuses super-frames, and how. */
  readonly refusing = new Map<number, string>();
  /** Peers towards which UDP_SEGMENT is off because bursts arrive damaged. */
  readonly corrupts = new Set<number>();
  /** Peers that take unfinished checksums, and for how many seconds that was said. */
  readonly unfinished = new Map<number, number>();
  /** What hellos say. */
  self: HostSelf | null = null;
  /** Called with each hello. */
  onHello: (peer: number, nonce: bigint, bytes: number) => void = () => undefined;
  onQuery: (peer: number, query: QueryText & { room: number }) => void = () => undefined;
  onReply: (peer: number, reply: QueryText) => void = () => undefined;
  /** Seconds since the last datagram and the last hello of peers; others were never heard. */
  readonly heard = new Map<number, { idle: number | null; helloIdle: number | null }>();
  /** Called with each burst, and with each question that is asked again. */
  onBurst: (peer: number, nonce: bigint, burst: OffloadBurst | null) => void = () => undefined;
  readonly capturing = new Map<number, CaptureOptions>();
  private readonly events: EngineEvent[] = [];
  private nextHandle = 1;

  constructor(
    readonly options: EngineOptions,
    /** `destroy`: the link dies with it. */
    private readonly closeFd: (fd: number, destroy: boolean) => void,
    private readonly dropCount: number,
  ) {}

  raise(event: EngineEvent): void {
    this.events.push(event);
    this.options.onEvents();
  }

  start(): void {
    this.running = true;
  }

  stop(): void {
    this.running = false;
    for (const handle of [...this.ports.keys()]) this.closePort(handle, false);
  }

  setUnderlay(options: UnderlayOptions): void {
    this.calls.push('setUnderlay');
    if (options.ports.some((port) => this.taken.has(port))) throw refuse('EADDRINUSE', 'bind');
    if ([options.ipv4, options.ipv6].some((address) => address !== null && this.tentative.has(address)))
      throw refuse('EADDRNOTAVAIL', 'bind');
    this.underlay = options;
  }

  setSourcePorts(count: number): void {
    this.calls.push(`setSourcePorts ${count}`);
  }

  offerReceiver(fd: number): Omit<Receiver, 'fd'> {
    const found = this.sockets.get(fd);
    if (found === undefined) throw refuse('EINVAL', 'getsockname');
    this.offered.push(found);
    return { family: found.family, port: found.port };
  }

  closeOffered(): void {
    this.offered.length = 0;
  }

  receivers(): Receiver[] {
    return (this.underlay?.ports ?? []).map(
      (port) => this.offered.find((one) => one.port === port) ?? { family: 'ipv4', port, fd: 9000 + port },
    );
  }

  setPortOffloads(offloads: PortOffloads): void {
    this.calls.push('setPortOffloads');
    this.portOffloads = offloads;
  }

  setBusyPoll(allowed: boolean): void {
    this.calls.push(`setBusyPoll ${allowed}`);
  }

  setCarryChecksum(carry: boolean): void {
    this.calls.push(`setCarryChecksum ${carry}`);
    if (!carry) this.unfinished.clear();
  }

  setSelf(self: HostSelf): void {
    this.self = self;
  }

  sendHello(peer: number, nonce: bigint, bytes: number): void {
    need(this.peers, peer);
    this.onHello(peer, nonce, bytes);
  }

  sendQuery(peer: number, query: QueryText & { room: number }): void {
    need(this.peers, peer);
    this.onQuery(peer, query);
  }

  sendReply(peer: number, reply: QueryText): void {
    need(this.peers, peer);
    this.onReply(peer, reply);
  }

  sendUnfinished(peer: number, seconds: number): void {
    need(this.peers, peer);
    if (seconds === 0) this.unfinished.delete(peer);
    else this.unfinished.set(peer, seconds);
  }

  addNetwork(options: NetworkOptions): number {
    this.calls.push(`addNetwork ${options.vni}`);
    this.checkVni(options.vni, null);
    return this.add(this.networks, options);
  }

  updateNetwork(handle: number, options: NetworkOptions): void {
    this.calls.push(`updateNetwork ${options.vni}`);
    need(this.networks, handle);
    this.checkVni(options.vni, handle);
    this.networks.set(handle, options);
  }

  removeNetwork(handle: number): void {
    this.calls.push('removeNetwork');
    need(this.networks, handle);
    if ([...this.ports.values()].some(({ network }) => network === handle))
      throw refuse('EBUSY', 'removeNetwork');
    this.networks.delete(handle);
    this.entries = this.entries.filter(({ network }) => network !== handle);
  }

  addPort(options: PortOptions): number {
    this.calls.push('addPort');
    if (!this.networks.has(options.network)) for (const fd of options.fds) this.closeFd(fd, false);
    need(this.networks, options.network);
    if (options.guard?.addresses.some((address) => isIP(address) === 0)) {
      for (const fd of options.fds) this.closeFd(fd, false);
      throw refuse('EINVAL', 'address');
    }
    return this.add(this.ports, options);
  }

  removePort(handle: number, destroy: boolean): void {
    this.calls.push('removePort');
    this.closePort(handle, destroy);
    this.entries = this.entries.filter(({ where }) => !('port' in where) || where.port !== handle);
  }

  setGuard(handle: number, guard: PortGuard | null): void {
    this.calls.push(`setGuard ${guard?.mac ?? 'nothing'}`);
    this.ports.set(handle, { ...need(this.ports, handle), guard });
  }

  announce(handle: number): void {
    this.calls.push(`announce ${need(this.ports, handle).guard?.mac ?? 'nothing'}`);
  }

  addPeer(options: PeerOptions): number {
    this.calls.push(`addPeer ${options.address}`);
    this.checkAddress(options.address, null);
    return this.add(this.peers, options);
  }

  updatePeer(handle: number, options: PeerOptions): void {
    this.calls.push(`updatePeer ${options.address}`);
    need(this.peers, handle);
    this.checkAddress(options.address, handle);
    this.peers.set(handle, options);
    this.unfinished.delete(handle);
  }

  removePeer(handle: number): void {
    this.calls.push('removePeer');
    need(this.peers, handle);
    this.peers.delete(handle);
    this.entries = this.entries.filter(({ where }) => !('peer' in where) || where.peer !== handle);
  }

  sendOffloadBurst(peer: number, burst: OffloadBurst): void {
    need(this.peers, peer);
    this.onBurst(peer, burst.nonce, burst);
  }

  askAboutBurst(peer: number, nonce: bigint): void {
    need(this.peers, peer);
    this.onBurst(peer, nonce, null);
  }

  setOffloadCorrupts(peer: number, corrupts: boolean): void {
    this.calls.push(`setOffloadCorrupts ${corrupts}`);
    need(this.peers, peer);
    if (corrupts) this.corrupts.add(peer);
    else this.corrupts.delete(peer);
  }

  startCapture(options: CaptureOptions): number {
    if (this.capturing.size === 4) throw refuse('EBUSY', 'capture');
    if (options.filter.some(([code]) => code > 0xff)) throw refuse('EINVAL', 'filter');
    const capture = this.nextHandle++;
    this.capturing.set(capture, options);
    return capture;
  }

  endCapture(capture: number, reason: string): void {
    this.calls.push(`endCapture ${reason}`);
    if (!this.capturing.delete(capture)) return;
    this.raise({ type: 'capture-ended', end: 'asked', capture, frames: 0, bytes: 0, lost: 0 });
  }

  describeCapture({ name }: CaptureInterface): void {
    if (this.capturing.size > 0) this.calls.push(`describeCapture ${name}`);
  }

  captures(): CaptureCounts[] {
    return [...this.capturing.keys()].map((capture) => ({ capture, frames: 0, bytes: 0, lost: 0 }));
  }

  fdbAdd(network: number, mac: string, where: Where): void {
    this.calls.push(`fdbAdd ${mac}`);
    need(this.networks, network);
    if ('port' in where) need(this.ports, where.port);
    else need(this.peers, where.peer);
    this.fdbRemove(network, mac);
    this.entries.push({ network, mac, where, declared: true, frozen: false, idle: 0 });
  }

  fdbLearn(network: number, mac: string, where: Where): void {
    this.entries.push({ network, mac, where, declared: false, frozen: false, idle: 0 });
  }

  fdbRemove(network: number, mac: string): boolean {
    const before = this.entries.length;
    this.entries = this.entries.filter((entry) => entry.network !== network || entry.mac !== mac);
    return this.entries.length < before;
  }

  fdbFlush(network?: number): void {
    this.entries = this.entries.filter(
      (entry) => entry.declared || (network !== undefined && entry.network !== network),
    );
  }

  fdbDump(network: number | null, limit: number): FdbEntry[] {
    return this.entries.filter((entry) => network === null || entry.network === network).slice(0, limit);
  }

  fdbFind(network: number, mac: string): FdbEntry | null {
    return this.entries.find((entry) => entry.network === network && entry.mac === mac) ?? null;
  }

  fdbLearned(network: number, where: Where): number {
    return this.entries.filter(
      (entry) => entry.network === network && !entry.declared && isDeepStrictEqual(entry.where, where),
    ).length;
  }

  dropsAt(where: Where): DropsOfOne[] {
    return this.dropped.get(JSON.stringify(where)) ?? [];
  }

  /** One more at each look while it runs. */
  rounds(): number {
    return this.running ? ++this.passed : this.passed;
  }

  peerCounters(): PeerCounters[] {
    return [...this.peers.keys()].map((handle) => ({
      handle,
      ...zero,
      offloadDisabled: null,
      carryChecksum: this.unfinished.has(handle),
      ...(this.heard.get(handle) ?? { idle: null, helloIdle: null }),
    }));
  }

  counters(): Counters {
    const count = (network: number, declared: boolean) =>
      this.entries.filter((entry) => entry.network === network && entry.declared === declared).length;
    return {
      received: 0,
      unicast: 0,
      flooded: 0,
      consumed: 0,
      queued: 0,
      sent: 0,
      dropped: new Array<number>(this.dropCount).fill(0),
      ports: [...this.ports.keys()].map((handle) => ({
        handle,
        ...zero,
        refused: this.refused.get(handle) ?? [0, 0, 0],
        gone: this.gone.has(handle),
        offloadDisabled: this.refusing.get(handle) ?? null,
      })),
      peers: this.peerCounters(),
      networks: [...this.networks.keys()].map((handle) => ({
        handle,
        learned: count(handle, false),
        declared: count(handle, true),
      })),
      fdb: {
        learned: 0,
        moved: 0,
        expired: 0,
        evicted: 0,
        flushed: 0,
        frozen: 0,
        refusedPort: 0,
        refusedNetwork: 0,
        memoryBytes: 0,
      },
      pathMtuAnswered: 0,
      pathMtuUnanswered: 0,
      rounds: this.rounds(),
      polled: 0,
      idleSeconds: 0,
      underlayOverflow: 0,
    };
  }

  takeEvents(): EngineEvent[] {
    return this.events.splice(0);
  }

  private add<T>(to: Map<number, T>, value: T): number {
    const handle = this.nextHandle++;
    to.set(handle, value);
    return handle;
  }

  private checkVni(wanted: number, by: number | null): void {
    const taken = [...this.networks].some(([handle, { vni }]) => vni === wanted && handle !== by);
    if (taken && wanted !== noVni) throw refuse('EEXIST', 'putNetwork');
  }

  private checkAddress(wanted: string, by: number | null): void {
    const taken = [...this.peers].some(([handle, { address }]) => address === wanted && handle !== by);
    if (taken) throw refuse('EEXIST', 'putPeer');
  }

  private closePort(handle: number, destroy: boolean): void {
    for (const fd of need(this.ports, handle).fds) this.closeFd(fd, destroy);
    this.ports.delete(handle);
  }
}

function need<T>(from: ReadonlyMap<number, T>, handle: number): T {
  const value = from.get(handle);
  if (value === undefined) throw refuse('ENOENT', 'handle');
  return value;
}

/**
 * The boundary to the addon, typed by hand. Only files of this folder import it.
 *
 * Every call is synchronous and takes microseconds to a few milliseconds. Calls that the kernel refuses throw a
 * {@link NativeError}. Handles are small integers, unique within their kind while the object lives, and reused later.
 */

/** Thrown by every call here that the kernel refuses. */
export interface NativeError extends Error {
  /** The symbolic errno, such as `EPERM`. */
  code: string;
  /** What was attempted, such as `TUNSETIFF`. */
  syscall: string;
}

// ---- the data plane (native/engine) ---------------------------------------------------------------------------------------

export interface EngineOptions {
  /** Upper bound of FDB entries over all networks. */
  fdbCapacity: number;
  /** Source ports a worker sends from (flow entropy on the underlay), 1-64. */
  sourcePorts: number;
  /** {@link PortOffloads.coalesceTcp} and `coalesceUdp` to begin with. */
  mergeTcp: boolean;
  mergeUdp: boolean;
  /** Called on the Node thread when {@link Engine.takeEvents} has something to give. Calls are coalesced. */
  onEvents: () => void;
}

export interface UnderlayOptions {
  /** Own addresses to send from; null lets the kernel choose for each peer. */
  ipv4: string | null;
  ipv6: string | null;
  /** UDP ports to receive on: the own one and every other that a peer names. */
  ports: number[];
  /** Take datagrams from sources that are no peer (they are delivered, never learned). */
  acceptAny: boolean;
  /** Kill switches; false never uses the offload, true uses it where the kernel has it. */
  udpGso: boolean;
  udpGro: boolean;
}

export interface Receiver {
  family: 'ipv4' | 'ipv6';
  port: number;
  fd: number;
}

/** Kill switches for the super-frames of ports; false never uses one, true uses it where the kernel has it. */
export interface PortOffloads {
  /** Guests may send TCP super-frames (TUNSETOFFLOAD). */
  tso: boolean;
  uso: boolean;
  /**
   * Guests may get TCP super-frames: joined from what arrives, or passed on from another port. Without it, and for a TAP that has
   * no TSO, every frame is written by itself.
   */
  coalesceTcp: boolean;
  coalesceUdp: boolean;
}

export interface NetworkLimits {
  /** Seconds. */
  age: number;
  limit: number;
  limitPerPort: number;
  moveCount: number;
  /** Seconds. */
  moveWindow: number;
  /** Seconds. */
  moveFreeze: number;
}

export interface NetworkOptions {
  /** 24 bits, or {@link NO_VNI}: cut off from the underlay, for the moment in which networks exchange their VNIs. */
  vni: number;
  /** Bytes of IP. */
  mtu: number;
  /** Forward VLAN-tagged frames instead of dropping them. */
  vlan: boolean;
  fdb: NetworkLimits;
}

export interface PortOptions {
  network: number;
  /** TAP queue file descriptors with IFF_VNET_HDR; the engine owns (and closes) them from here on, also when it throws. */
  fds: number[];
  /** Frames never go from a split-horizon group to itself; 0 is no group. Peers are all in group 1. */
  group: number;
  /**
   * The only sources that frames from this port may have; others are dropped as `spoofed_mac` or `spoofed_address`, and what only
   * routers and DHCP servers send as `rogue_service`. null: any. The addresses are numeric, without prefix. Always allowed besides: the
   * IPv6 link-local address made from the MAC (RFC 4291, appendix A), and what a host sends before it has an address (0.0.0.0 in ARP
   * probes and DHCP; :: in DAD of the addresses allowed, in router solicitations and in MLD). EINVAL for what is no address or no MAC.
   */
  guard: PortGuard | null;
}

export interface PortGuard {
  /** `aa:bb:cc:dd:ee:ff` */
  mac: string;
  addresses: string[];
}

export interface PeerOptions {
  /** IPv4 or IPv6 address, numeric. */
  address: string;
  port: number;
  /** Send with UDP checksum zero; implies no UDP_SEGMENT. */
  zeroChecksum: boolean;
  /** Use UDP_SEGMENT towards this peer. */
  offload: boolean;
  /** Bytes of IP that fit into an untagged frame to this peer; 65535 while the path is not known. Larger packets are answered. */
  mtu: number;
}

/** A burst of probes for the offload check between weft hosts, and the question which of them arrived. */
export interface OffloadBurst {
  /** 64 bits that nobody can guess: an answer counts only with them. */
  nonce: bigint;
  /** Cut to what one UDP_SEGMENT send to the peer may hold. */
  datagrams: number;
  /** Of the Ethernet frame in each datagram but the last, which is shorter. */
  bytes: number;
  /** In one send with UDP_SEGMENT, even while it is off for the peer; else one by one. */
  segmented: boolean;
  /** Chooses the source port. */
  flow: number;
}

/** Who speaks in a hello. */
export interface HostSelf {
  /** 16 bytes: the host ID. */
  host: Uint8Array;
  /** 64 bits, another number after each start of the daemon. */
  incarnation: bigint;
  version: readonly [major: number, minor: number, patch: number];
  /** 64 bits, a digest of the networks. */
  networks: bigint;
}

/** What a control plane asks another, or replies. */
export interface QueryText {
  nonce: bigint;
  topic: number;
  text: Uint8Array;
}

export type Where = { port: number } | { peer: number };

export interface FdbEntry {
  network: number;
  /** `aa:bb:cc:dd:ee:ff` */
  mac: string;
  where: Where;
  declared: boolean;
  frozen: boolean;
  /** Seconds since the last frame from it. */
  idle: number;
}

export type EngineEvent =
  | { type: 'mac-learned' | 'mac-moved' | 'mac-frozen'; network: number; mac: string; where: Where }
  | { type: 'port-gone'; port: number }
  | { type: 'port-error'; port: number; error: string }
  /** The kernel refused super-frames of one kind; they are cut for a while, from the refused one on. */
  | { type: 'port-offload-disabled'; port: number; reason: string }
  | { type: 'peer-offload-disabled'; peer: number; reason: string }
  | { type: 'peer-too-big'; peer: number }
  | { type: 'stranger'; address: string }
  /**
   * A frame of ARP or ND from `where` claims an address of a guarded port of this network for another MAC. At most one a second for
   * each port. The frame was forwarded; the address is announced again, at most once in ten seconds for each port. Peer 65535 is
   * a host that is no peer (`acceptAny`).
   */
  | { type: 'address-conflict'; network: number; port: number; address: string; mac: string; where: Where }
  /**
   * The answer of the far end about the last burst; or, with the name of an errno in `error`, that the burst or the question could not
   * be sent. `missing` are the indexes of the datagrams, 0 to `sent` - 1, that did not arrive as they were sent.
   */
  | {
      type: 'offload-report';
      peer: number;
      nonce: bigint;
      error: string | null;
      sent: number;
      missing: number[];
    }
  /** A peer's answer to one of the last {@link Engine.sendHello}. `bytes` is the length of the question. */
  | {
      type: 'hello-answer';
      peer: number;
      nonce: bigint;
      microseconds: number;
      bytes: number;
      takesUnfinished: boolean;
      /** Who answered, and the address of ours that it saw; null of a weftd that is older than that. */
      self: HostSelf | null;
      seenAs: string | null;
    }
  /** A hello could not be sent. `error` is the name of an errno. */
  | { type: 'hello-failed'; peer: number; nonce: bigint; error: string }
  /** A hello to a peer was answered from another address. At most once a second. */
  | { type: 'hello-misplaced'; peer: number; address: string }
  /** A peer's query, or its reply to the last {@link Engine.sendQuery}. `room`: bytes that the reply to a query may have. */
  | { type: 'query' | 'reply'; peer: number; nonce: bigint; topic: number; text: Uint8Array; room: number }
  /** Nothing more is written to the reader of a capture; its number is not given again. */
  | ({ type: 'capture-ended'; end: CaptureEnd } & CaptureCounts)
  | { type: 'events-lost'; count: number };

/** What ended a capture: a limit of it, the control plane, or its reader. */
export type CaptureEnd = 'frames' | 'bytes' | 'time' | 'asked' | 'reader-gone';

export interface CaptureCounts {
  capture: number;
  /** Given to the reader. */
  frames: number;
  bytes: number;
  /** For want of room in the ring, because the reader was slow. */
  lost: number;
}

/** An instruction of classic BPF: code, jt, jf, k. */
export type BpfInstruction = readonly [number, number, number, number];

/** How the frames of a port, or of a peer in one network, are called in a capture file: an interface of their own. */
export interface CaptureInterface {
  where: Where;
  network: number;
  name: string;
  description: string;
}

export interface CaptureOptions {
  /** A connected, non-blocking stream socket. The engine writes to a duplicate of it, and shuts it down at the end. */
  fd: number;
  /** What is written to it before the file. */
  preamble: string;
  target: { port: number } | { peer: number } | { network: number } | null;
  /** Frames that weft receives from there, and those that it sends there. */
  in: boolean;
  out: boolean;
  /** Bytes of a frame that are kept. */
  snaplen: number;
  /** At most 512 instructions; none: every frame. */
  filter: readonly BpfInstruction[];
  filterText: string;
  /** Of the file: what wrote it, and what it is. */
  application: string;
  comment: string;
  /** The first is in the file from the start, others with their first frame. */
  interfaces: CaptureInterface[];
  /** 0: no limit. */
  mostFrames: number;
  mostBytes: number;
  mostMilliseconds: number;
}

/** Wire frames: a super-frame counts its segments. */
export interface TrafficCounters {
  handle: number;
  rxFrames: number;
  rxBytes: number;
  rxSuperFrames: number;
  txFrames: number;
  txBytes: number;
  txSuperFrames: number;
  rxDropped: number;
  txDropped: number;
}

export type PortCounters = TrafficCounters & {
  /** Frames that its guard refused, by reason: `spoofed_mac`, `spoofed_address`, `rogue_service`. They are in `rxDropped` too. */
  refused: [number, number, number];
  /** The device is gone (its link was deleted, or its namespace died); it is not read any more. */
  gone: boolean;
  /** Which super-frames the kernel refuses for this port, and how; null while none that are wanted. */
  offloadDisabled: string | null;
};

export type PeerCounters = TrafficCounters & {
  /** Why UDP_SEGMENT was switched off for this peer; null while it may be used. */
  offloadDisabled: string | null;
  /** Checksums that guests left unfinished go to it unfinished. */
  carryChecksum: boolean;
  /** Seconds since the last datagram from this peer; null when there was none. */
  idle: number | null;
  /** Seconds since its last hello; null when there was none. */
  helloIdle: number | null;
};

export interface NetworkCounters {
  handle: number;
  learned: number;
  declared: number;
}

export interface Counters {
  /** received = unicast + flooded + consumed + the sum of `dropped` with stage `ingress`. */
  received: number;
  unicast: number;
  flooded: number;
  consumed: number;
  /** queued = sent + the sum of `dropped` with stage `egress`. */
  queued: number;
  sent: number;
  /** In the order of {@link Native.drops}. */
  dropped: number[];
  ports: PortCounters[];
  peers: PeerCounters[];
  networks: NetworkCounters[];
  fdb: {
    learned: number;
    moved: number;
    expired: number;
    evicted: number;
    flushed: number;
    frozen: number;
    refusedPort: number;
    refusedNetwork: number;
    memoryBytes: number;
  };
  /** Frames too big for a peer whose sender was told what fits, and those of which it was not told because of the rate limit. */
  pathMtuAnswered: number;
  pathMtuUnanswered: number;
  /** Rounds of the worker loop; grows while the worker makes progress, at least every 250 ms. */
  rounds: number;
  /** Those of them that found work by busy polling. */
  polled: number;
  /** Seconds that the worker waited for frames, asleep or looking for them. */
  idleSeconds: number;
  /** What the kernel dropped before we saw it (SO_RXQ_OVFL of the VTEP sockets). */
  underlayOverflow: number;
}

export interface DropsOfOne {
  /** Index in {@link Native.drops}. */
  reason: number;
  frames: number;
  /** Seconds since the last one. */
  idle: number;
}

export interface DropReason {
  name: string;
  fault: 'guest' | 'peer' | 'host' | 'us';
  stage: 'ingress' | 'egress';
  sentence: string;
}

export declare class Engine {
  constructor(options: EngineOptions);
  start(): void;
  /** Stops the worker and closes all file descriptors. TAPs that are persistent stay. */
  stop(): void;
  /** Opens, keeps or closes sockets so that they fit; on an error the former ones stay in use. */
  setUnderlay(options: UnderlayOptions): void;
  /** {@link EngineOptions.sourcePorts} from the next {@link setUnderlay} on. */
  setSourcePorts(count: number): void;
  /**
   * A receiving socket that a former process left, which {@link setUnderlay} uses in the place of a new one. The engine owns it from here on,
   * also when it throws: EINVAL for what is no UDP socket of this namespace bound to a port of every address.
   */
  offerReceiver(fd: number): { family: 'ipv4' | 'ipv6'; port: number };
  /** Closes those that were offered and are not used. */
  closeOffered(): void;
  /** The receiving sockets that are in use. The engine owns them. */
  receivers(): Receiver[];
  /** For the ports there are and those to come; takes effect at once. */
  setPortOffloads(offloads: PortOffloads): void;
  addNetwork(options: NetworkOptions): number;
  updateNetwork(handle: number, options: NetworkOptions): void;
  /** The network has no ports any more. */
  removeNetwork(handle: number): void;
  addPort(options: PortOptions): number;
  /** `destroy` ends a persistent TAP with its descriptor, wherever its link is; else it stays for a later reattachment. */
  removePort(handle: number, destroy: boolean): void;
  /**
   * Another guard for a port, from its next frame on. null takes it away. Other MACs than the new guard's that were learned from the port
   * are forgotten.
   */
  setGuard(port: number, guard: PortGuard | null): void;
  /**
   * Sends a gratuitous ARP (RFC 5227) for each IPv4 and an unsolicited neighbour advertisement (RFC 4861, 7.2.6) for each IPv6
   * address of a guarded port to the rest of its network, as if the port had sent them: they count as received from it. Returns
   * before that is done. Nothing happens when it has no guard.
   */
  announce(port: number): void;
  addPeer(options: PeerOptions): number;
  updatePeer(handle: number, options: PeerOptions): void;
  removePeer(handle: number): void;
  /** The answer, if any, is an event. Returns before the burst is sent. EAGAIN while 64 requests wait. */
  sendOffloadBurst(peer: number, burst: OffloadBurst): void;
  /** Asks again, unless the last burst to the peer had another nonce. */
  askAboutBurst(peer: number, nonce: bigint): void;
  /** UDP_SEGMENT is not used towards the peer while its bursts arrive damaged. */
  setOffloadCorrupts(peer: number, corrupts: boolean): void;
  /**
   * Whether this host takes unfinished TCP and UDP checksums from weft hosts, and sends them to those that take them. Off at first; when
   * it is switched off, all peers get finished ones from the next frame on.
   */
  setCarryChecksum(carry: boolean): void;
  /** Whether the worker may look for work before it sleeps, with CPU time that nobody else wants. It may at first. */
  setBusyPoll(allowed: boolean): void;
  /** What hellos say of this host. Before the first call only those are answered that do not ask. */
  setSelf(self: HostSelf): void;
  /**
   * Asks a peer who it is and what it takes, with an Ethernet frame of `bytes` bytes (110 to 9014); the answer, if any, is an event with
   * this nonce. EAGAIN while 64 of them wait.
   */
  sendHello(peer: number, nonce: bigint, bytes: number): void;
  /** Text of at most 1400 bytes. The reply, if any, is an event with this nonce, unless another query followed. EAGAIN while 64 wait. */
  sendQuery(peer: number, query: QueryText & { room: number }): void;
  /** The nonce and the topic are those of the query, and the text has at most the bytes of its room. */
  sendReply(peer: number, reply: QueryText & { room: number }): void;
  /** The peer takes unfinished checksums for so many seconds, unless its options change meanwhile; 0: no more. */
  sendUnfinished(peer: number, seconds: number): void;
  /**
   * Writes frames as pcapng from now on. The number of the capture. EINVAL for a filter that cannot be run, ENOENT, EBUSY while four
   * run already; nothing was written then.
   */
  startCapture(options: CaptureOptions): number;
  /** What was captured is still written, for two seconds at most where the reader stalls; then comes the event. */
  endCapture(capture: number, reason: string): void;
  /** To all captures: of a port or peer that came after they began. */
  describeCapture(description: CaptureInterface): void;
  /** Those of which the end was not told yet. */
  captures(): CaptureCounts[];
  fdbAdd(network: number, mac: string, where: Where): void;
  /** As if a frame had just come from there. Before {@link start} only. */
  fdbLearn(network: number, mac: string, where: Where): void;
  /** False when there is no such entry. */
  fdbRemove(network: number, mac: string): boolean;
  /** Forgets what was learned; declared entries stay. */
  fdbFlush(network?: number): void;
  fdbDump(network: number | null, limit: number): FdbEntry[];
  fdbFind(network: number, mac: string): FdbEntry | null;
  /** How many entries of the network were learned there. */
  fdbLearned(network: number, where: Where): number;
  /** Why frames from there, and those that were queued to there, were dropped since it was added; reasons that happened only. */
  dropsAt(where: Where): DropsOfOne[];
  /** All of them: with a thousand ports and peers, milliseconds. */
  counters(): Counters;
  /** {@link Counters.peers} alone. */
  peerCounters(): PeerCounters[];
  /** {@link Counters.rounds} alone. */
  rounds(): number;
  takeEvents(): EngineEvent[];
}

// ---- the kernel's links and namespaces (native/sys) -----------------------------------------------------------------------

/** A network namespace: null is our own, a string is a path to an nsfs file such as /run/netns/blue or /proc/7/ns/net. */
export type NetnsPath = string | null;

export interface NetnsInfo {
  /** SO_NETNS_COOKIE, unique until reboot. */
  cookie: string;
  inode: string;
}

export interface TapCreateOptions {
  netns: NetnsPath;
  ifname: string;
  /** `aa:bb:cc:dd:ee:ff` */
  mac: string;
  mtu: number;
  /** `10.0.0.1/24`, `fd00::1/64`; IPv6 ones are set without duplicate address detection. */
  addresses: string[];
  /** Written to IFALIAS: the tag by which the janitor knows our links. */
  alias: string;
  queues: number;
  /** TUN_F_TSO4|6|ECN and TUN_F_USO4|6; the result says which the kernel took. */
  tso: boolean;
  uso: boolean;
  /** IFLA_GSO_MAX_SIZE for the link, bytes. */
  gsoMaxSize: number;
  /** IFLA_GSO_MAX_SEGS: segments of a super-frame that the guest sends. */
  gsoMaxSegs: number;
  /** False leaves the link down: an engine moves it and brings it up, and our own namespace must never speak on it. */
  up: boolean;
}

export interface TapResult {
  /** Non-blocking, close-on-exec, one a queue. The caller owns them. */
  fds: number[];
  ifindex: number;
  tso: boolean;
  uso: boolean;
}

export interface TapIdentity {
  ifname: string;
  alias: string;
  /** Of the namespace where the device is now. */
  cookie: string;
  /** The descriptor was opened in another namespace than ours and keeps it alive. */
  pins: boolean;
}

export interface Link {
  ifindex: number;
  ifname: string;
  mac: string;
  mtu: number;
  up: boolean;
  carrier: boolean;
  alias: string | null;
  kind: string | null;
  qdisc: string | null;
  /** `10.0.0.1/24` form, link-local IPv6 left out. */
  addresses: string[];
}

/** What the kernel's ARP or neighbour discovery knows of an address. */
export interface NeighbourEntry {
  /** null while it is asked for, and when nobody answered. */
  mac: string | null;
  /** It was asked for, and nobody answered. */
  failed: boolean;
}

export interface Probe {
  kernel: string;
  tun: boolean;
  /** errno name when tun is false */
  tunError: string | null;
  /** What is wrong with each offload: it is not in this kernel, or it did not do what it promises when it was tried. null: it works. */
  offloads: {
    tso: string | null;
    uso: string | null;
    coalesceTcp: string | null;
    coalesceUdp: string | null;
    udpGso: string | null;
    udpGro: string | null;
  };
  /** Why some of them could not be tried; those count as working. */
  notTested: string | null;
  capNetAdmin: boolean;
  capSysAdmin: boolean;
}

/** A packet with "don't fragment", of a size whatever the kernel believes of the path. */
export interface PathProbe {
  /** Numeric. */
  address: string;
  /**
   * A VXLAN datagram that means nothing goes to this UDP port: a weft host counts it as consumed, every other VTEP drops it as an unknown
   * VNI. null: an ICMP echo request.
   */
  port: number | null;
  /** Of the IP packet, at least 96. */
  bytes: number;
}

export interface PathAnswer {
  /** The echo came back. */
  answered: boolean;
  /**
   * errno name of what the kernel refused, or of what ICMP told; null when neither was heard. ECONNREFUSED: nothing listens on the port.
   * EMSGSIZE: too big for a link on the way. EPERM: a firewall of this host refused it.
   */
  error: string | null;
  /** Who told it by ICMP; null when it was this kernel. */
  from: string | null;
  /** With EMSGSIZE, bytes of IP that fit, where it was told. */
  mtu: number | null;
}

/** A plain TAP or TUN without offloads. One thread of the addon reads all of them: no libuv pool thread is occupied. */
export declare class RawDevice {
  /** `name` may hold one %d. `onFrame` gets a fresh Buffer for every frame; `onError` ends the device. */
  constructor(
    kind: 'tap' | 'tun',
    name: string | null,
    onFrame: (frame: Buffer) => void,
    onError: (error: NativeError) => void,
  );
  readonly name: string;
  readonly ifindex: number;
  /** False when the kernel's queue is full. */
  write(frame: Uint8Array): boolean;
  /** Stops and starts reading, for back-pressure. */
  pause(): void;
  resume(): void;
  close(): void;
}

export interface Native {
  readonly version: string;
  readonly drops: readonly DropReason[];
  Engine: typeof Engine;
  RawDevice: typeof RawDevice;
  /** An expression of tcpdump for Ethernet frames as a program; null where this machine has no libpcap. May resolve names. */
  compileFilter(expression: string): { program: BpfInstruction[] } | { problem: string } | null;
  /** Tries the offloads in a network namespace made for it; half a second at most. */
  probe(): Probe;
  netnsInfo(path: NetnsPath): NetnsInfo;
  /**
   * Makes the link in its namespace, under a unique temporary name until it is set up. Nothing is left behind on an error. The
   * descriptors keep the namespace alive.
   */
  tapCreate(options: TapCreateOptions): TapResult;
  /**
   * Attaches to a persistent TAP that an earlier process left, inside its namespace. ENODEV when it is gone, EPERM when its alias
   * is not `alias`.
   */
  tapReattach(options: {
    netns: NetnsPath;
    ifname: string;
    alias: string;
    queues: number;
    tso: boolean;
    uso: boolean;
  }): TapResult;
  /** What a descriptor of a TAP is; EINVAL when it is none as tapCreate makes them, EBADFD when its device is gone. It stays the caller's. */
  tapIdentify(fd: number): TapIdentity;
  links(netns: NetnsPath): Link[];
  /** {@link links} of several paths, or in its place what the kernel says of one. Half as dear as one by one. */
  linksOf(paths: readonly string[]): (Link[] | NativeError)[];
  /** null when the kernel there has not asked for the address of late. */
  neighbour(netns: NetnsPath, ifname: string, address: string): NeighbourEntry | null;
  /** Only when its alias starts with `aliasPrefix`. False when there is no such link. */
  linkDelete(netns: NetnsPath, ifname: string, aliasPrefix: string): boolean;
  /**
   * `noqueue` puts back the queueing discipline that a move to another namespace took away: the default one holds megabytes for each
   * TAP, because it is made for every queue that the device might have.
   */
  linkSet(
    netns: NetnsPath,
    ifname: string,
    change: {
      mtu?: number;
      up?: boolean;
      mac?: string;
      alias?: string;
      gsoMaxSize?: number;
      gsoMaxSegs?: number;
      noqueue?: boolean;
    },
  ): void;
  addressAdd(netns: NetnsPath, ifname: string, address: string): void;
  addressRemove(netns: NetnsPath, ifname: string, address: string): void;
  /** The MTU of the route to a numeric address, as a DF-set UDP socket sees it (IP_MTU). Throws ENETUNREACH and the like. */
  pathMtu(address: string): number;
  /** The source address that the kernel would use towards a numeric address. Sends nothing. */
  sourceAddress(address: string): string;
  /** At most 256 at once. Blocks until each has its answer, `limit` milliseconds at most. For the doctor, never for the daemon. */
  probePaths(probes: PathProbe[], limit: number): PathAnswer[];
  /**
   * The MAC of another machine of the link that has this IPv4 address too; null when none told of itself within `limit` milliseconds,
   * which it blocks. An ARP probe (RFC 5227, 2.1.1), which changes nobody's cache. EPERM without CAP_NET_RAW.
   */
  findDuplicateAddress(ifname: string, address: string, limit: number): string | null;
  /** SO_PEERCRED of a connected unix socket. */
  peerCredentials(fd: number): { pid: number; uid: number; gid: number };
  /**
   * Takes a lock that lives as long as the process, one for each name in each network namespace (an abstract unix socket).
   * False when another process holds it.
   */
  lock(name: string): boolean;
  /**
   * Locks an open file or directory for this process (flock), until its descriptor is closed. False when another process has the lock. Needs
   * no room and no permission to write.
   */
  lockFile(fd: number): boolean;
  /** sd_notify: sends `state` and copies of `fds` to $NOTIFY_SOCKET. False when there is none. */
  notify(state: string, fds?: number[]): boolean;
  /**
   * Closes every descriptor but the standard ones and those of directories, and ends the process, without a wait for calls that its threads
   * are in, and without what Node does at an exit. As long as such a call does not return, locks on directories stay.
   */
  endProcess(status: number): never;
}

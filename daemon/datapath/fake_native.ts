/** The addon without a kernel: namespaces, links and locks as plain objects. For tests. */
import { fstatSync } from 'node:fs';
import { FakeEngine, refuse } from './fake_engine.js';
import type {
  DropReason,
  Engine,
  EngineOptions,
  Link,
  Native,
  NativeError,
  NeighbourEntry,
  NetnsInfo,
  NetnsPath,
  PathAnswer,
  PathProbe,
  Probe,
  RawDevice,
  TapCreateOptions,
  TapIdentity,
  TapResult,
} from './native.js';

export interface FakeNamespace {
  cookie: string;
  links: Link[];
}

const fakeDrops: readonly DropReason[] = [
  {
    name: 'runt',
    fault: 'guest',
    stage: 'ingress',
    sentence: 'The frame is shorter than an Ethernet header.',
  },
  { name: 'port_full', fault: 'guest', stage: 'egress', sentence: "The port's receive queue is full." },
];

export class FakeNative implements Native {
  readonly version = '0.0.0-fake';
  readonly drops = fakeDrops;
  readonly Engine: typeof Engine;
  readonly engines: FakeEngine[] = [];
  readonly own: FakeNamespace;
  /** nsfs paths and what they lead to; several paths may lead to one. */
  readonly namespaces = new Map<string, FakeNamespace>();
  readonly locks = new Set<string>();
  /** Descriptors by inode, of all fakes: several daemons of a test may open the same files. */
  private static readonly lockedFiles = new Map<number, number>();
  /** Open file descriptors, and what ends the link of each. */
  readonly openFds = new Map<number, () => void>();
  readonly notified: string[] = [];
  /** What the service manager keeps, by name. */
  readonly stored = new Map<string, number>();
  readonly pathMtus = new Map<string, number>();
  /** What comes of a probe; undefined: an echo comes back, and of a datagram nothing is heard. */
  pathAnswer: (probe: PathProbe) => Partial<PathAnswer> | undefined = () => undefined;
  /** What ARP and ND of every namespace know, by address. */
  readonly neighbours = new Map<string, NeighbourEntry>();
  /** IPv4 address -> MAC of another machine that has it. */
  readonly duplicates = new Map<string, string>();
  /** Calls that fail, by name. */
  readonly failures = new Map<keyof Native, Error>();
  /** The only route besides is the one to 10.99.0.0/24. */
  defaultRoute = true;
  caller = { pid: 1000, uid: 0, gid: 0 };
  probed: Probe = {
    kernel: '6.1.0',
    tun: true,
    tunError: null,
    offloads: {
      tso: null,
      uso: 'not in this kernel',
      coalesceTcp: null,
      coalesceUdp: 'not in this kernel',
      udpGso: null,
      udpGro: null,
    },
    notTested: null,
    capNetAdmin: true,
    capSysAdmin: true,
  };
  /** What the descriptors of TAPs belong to, open or not. */
  private readonly taps = new Map<number, { link: Link; pins: boolean }>();
  /** Also those that no path leads to. */
  private readonly allNamespaces: FakeNamespace[] = [];
  private nextCookie = 1;
  private nextFd = 100;
  private nextIfindex = 1;

  constructor() {
    this.own = this.makeNamespace();
    this.own.links.push(
      this.makeLink('lo', ['127.0.0.1/8', '::1/128']),
      this.makeLink('eth0', ['10.99.0.1/24']),
    );
    const native = this;
    this.Engine = class extends FakeEngine {
      constructor(options: EngineOptions) {
        super(options, (fd, destroy) => native.closeFd(fd, destroy), fakeDrops.length);
        native.engines.push(this);
      }
    };
  }

  get engine(): FakeEngine {
    const last = this.engines.at(-1);
    if (last === undefined) throw new Error('no engine was made');
    return last;
  }

  get RawDevice(): typeof RawDevice {
    throw new Error('the fake has no devices');
  }

  makeNamespace(...paths: string[]): FakeNamespace {
    const namespace = { cookie: String(this.nextCookie++), links: [] };
    this.allNamespaces.push(namespace);
    for (const path of paths) this.namespaces.set(path, namespace);
    return namespace;
  }

  makeLink(ifname: string, addresses: string[] = []): Link {
    const base = {
      mac: '02:00:00:00:00:99',
      mtu: 1500,
      up: true,
      carrier: true,
      alias: null,
      kind: null,
      qdisc: null,
    };
    return { ifindex: this.nextIfindex++, ifname, addresses, ...base };
  }

  /**
   * What an engine does with a link of ours: moves and renames it, which takes it down, its addresses and its queueing discipline away,
   * and brings it up unless told otherwise.
   */
  moveLink(alias: string, to: FakeNamespace, ifname: string, up = true): Link {
    const link = this.allNamespaces.flatMap(({ links }) => links).find((one) => one.alias === alias);
    if (link === undefined) throw refuse('ENODEV', 'RTM_SETLINK');
    if (to.links.some((one) => one !== link && one.ifname === ifname)) throw refuse('EEXIST', 'RTM_SETLINK');
    this.detach(link);
    Object.assign(link, { ifname, up, addresses: [], qdisc: up ? 'mq' : 'noop' });
    to.links.push(link);
    return link;
  }

  compileFilter(expression: string): ReturnType<Native['compileFilter']> {
    return expression === '' ? { problem: 'nothing' } : { program: [[6, 0, 0, expression.length]] };
  }

  probe(): Probe {
    return this.probed;
  }

  netnsInfo(path: NetnsPath): NetnsInfo {
    this.failIfAsked('netnsInfo');
    const { cookie } = this.find(path);
    return { cookie, inode: `4026${cookie}` };
  }

  tapCreate(options: TapCreateOptions): TapResult {
    this.failIfAsked('tapCreate');
    const { links } = this.find(options.netns);
    if (links.some(({ ifname }) => ifname === options.ifname)) throw refuse('EEXIST', 'RTM_NEWLINK');
    const { mac, mtu, alias, addresses, ifname, up } = options;
    const link = { ...this.makeLink(ifname, addresses), mac, mtu, alias, up, kind: 'tun', qdisc: 'noqueue' };
    links.push(link);
    return this.open(link, { ...options, pins: options.netns !== null });
  }

  tapReattach({ netns, ifname, alias, ...options }: Parameters<Native['tapReattach']>[0]): TapResult {
    this.failIfAsked('tapReattach');
    const { links } = this.find(netns);
    const link = links.find((one) => one.ifname === ifname);
    if (link === undefined) throw refuse('ENODEV', 'TUNSETIFF');
    if (link.alias !== alias) throw refuse('EPERM', 'TUNSETIFF');
    return this.open(link, { ...options, pins: netns !== null });
  }

  links(netns: NetnsPath): Link[] {
    this.failIfAsked('links');
    return this.find(netns).links.map((link) => ({ ...link }));
  }

  linksOf(paths: readonly string[]): (Link[] | NativeError)[] {
    return paths.map((path) => {
      try {
        return this.links(path);
      } catch (error) {
        return error as NativeError;
      }
    });
  }

  neighbour(netns: NetnsPath, ifname: string, address: string): NeighbourEntry | null {
    this.failIfAsked('neighbour');
    if (!this.find(netns).links.some((link) => link.ifname === ifname)) throw refuse('ENODEV', 'RTM_GETLINK');
    return this.neighbours.get(address) ?? null;
  }

  linkDelete(netns: NetnsPath, ifname: string, aliasPrefix: string): boolean {
    this.failIfAsked('linkDelete');
    const { links } = this.find(netns);
    const index = links.findIndex((link) => link.ifname === ifname);
    if (index < 0) return false;
    if (links[index]?.alias?.startsWith(aliasPrefix) !== true) throw refuse('EPERM', 'RTM_DELLINK');
    links.splice(index, 1);
    return true;
  }

  linkSet(netns: NetnsPath, ifname: string, change: Parameters<Native['linkSet']>[2]): void {
    this.failIfAsked('linkSet');
    const link = this.find(netns).links.find((one) => one.ifname === ifname);
    if (link === undefined) throw refuse('ENODEV', 'RTM_SETLINK');
    if (change.mtu !== undefined) link.mtu = change.mtu;
    if (change.up !== undefined) link.up = change.up;
    if (change.mac !== undefined) link.mac = change.mac;
    if (change.alias !== undefined) link.alias = change.alias === '' ? null : change.alias;
    if (change.noqueue === true) link.qdisc = 'noqueue';
  }

  addressAdd(netns: NetnsPath, ifname: string, address: string): void {
    this.find(netns)
      .links.find((one) => one.ifname === ifname)
      ?.addresses.push(address);
  }

  addressRemove(netns: NetnsPath, ifname: string, address: string): void {
    const link = this.find(netns).links.find((one) => one.ifname === ifname);
    if (link !== undefined) link.addresses = link.addresses.filter((one) => one !== address);
  }

  pathMtu(address: string): number {
    this.failIfAsked('pathMtu');
    const mtu = this.pathMtus.get(address) ?? 1500;
    if (mtu === 0) throw refuse('ENETUNREACH', 'connect');
    return mtu;
  }

  sourceAddress(address: string): string {
    this.failIfAsked('sourceAddress');
    const toDefault = address.startsWith('192.0.2.');
    if (address.includes(':') || (toDefault && !this.defaultRoute)) throw refuse('ENETUNREACH', 'connect');
    return '10.99.0.1';
  }

  probePaths(probes: PathProbe[]): PathAnswer[] {
    return probes.map((probe) => {
      const answer = this.pathAnswer(probe);
      const answered = answer === undefined && probe.port === null;
      return { answered, error: null, from: null, mtu: null, ...answer };
    });
  }

  findDuplicateAddress(_ifname: string, address: string): string | null {
    this.failIfAsked('findDuplicateAddress');
    return this.duplicates.get(address) ?? null;
  }

  peerCredentials(): { pid: number; uid: number; gid: number } {
    return this.caller;
  }

  lock(name: string): boolean {
    if (this.locks.has(name)) return false;
    this.locks.add(name);
    return true;
  }

  /** Of an open descriptor of a TAP. */
  tapIdentify(fd: number): TapIdentity {
    const tap = this.taps.get(fd);
    if (tap === undefined) throw refuse('EINVAL', 'TUNGETIFF');
    const holder = this.allNamespaces.find(({ links }) => links.includes(tap.link));
    if (holder === undefined) throw refuse('EBADFD', 'TUNGETIFF');
    const { ifname, alias } = tap.link;
    return { ifname, alias: alias ?? '', cookie: holder.cookie, pins: tap.pins };
  }

  lockFile(fd: number): boolean {
    const { ino } = fstatSync(fd);
    const holder = FakeNative.lockedFiles.get(ino);
    if (holder !== undefined && holder !== fd && leadsTo(holder, ino)) return false;
    FakeNative.lockedFiles.set(ino, fd);
    return true;
  }

  notify(state: string, fds: number[] = []): boolean {
    this.notified.push(state);
    const [, name] = /^FDNAME=(.*)$/m.exec(state) ?? [];
    if (state.startsWith('FDSTORE=1') && name !== undefined) for (const fd of fds) this.stored.set(name, fd);
    if (state.startsWith('FDSTOREREMOVE=1') && name !== undefined) this.stored.delete(name);
    return true;
  }

  endProcess(): never {
    throw new Error('the process of a test goes on');
  }

  private find(path: NetnsPath): FakeNamespace {
    const namespace = path === null ? this.own : this.namespaces.get(path);
    if (namespace === undefined) throw refuse('ENOENT', 'open');
    return namespace;
  }

  /** Takes the link out of the namespace where it is. */
  private detach(link: Link): void {
    const holder = this.allNamespaces.find(({ links }) => links.includes(link));
    holder?.links.splice(holder.links.indexOf(link), 1);
  }

  private open(
    link: Link,
    { queues, tso, uso, pins }: { queues: number; tso: boolean; uso: boolean; pins: boolean },
  ): TapResult {
    const vanish = (): void => this.detach(link);
    const fds = Array.from({ length: queues }, () => this.nextFd++);
    for (const fd of fds) {
      this.openFds.set(fd, vanish);
      this.taps.set(fd, { link, pins });
    }
    return {
      fds,
      ifindex: link.ifindex,
      tso: tso && this.probed.offloads.tso === null,
      uso: uso && this.probed.offloads.uso === null,
    };
  }

  private closeFd(fd: number, destroy: boolean): void {
    const vanish = this.openFds.get(fd);
    if (vanish === undefined) throw new Error(`fd ${fd} was closed twice`);
    this.openFds.delete(fd);
    if (destroy) vanish();
  }

  private failIfAsked(call: keyof Native): void {
    const failure = this.failures.get(call);
    if (failure !== undefined) throw failure;
  }
}

/** False when the descriptor was closed meanwhile. */
function leadsTo(fd: number, inode: number): boolean {
  try {
    return fstatSync(fd).ino === inode;
  } catch {
    return false;
  }
}

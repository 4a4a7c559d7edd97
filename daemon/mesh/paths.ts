/**
 * What the way to each weft host carries, where nobody tells: a path that drops large datagrams without a word (a filtered ICMP, a tunnel with a
 * wrong MTU) is found by hellos that are padded, and what fits is used until larger ones arrive again.
 *
 * The kernel's path MTU stays the upper bound: nothing larger is tried, and what the kernel learns from ICMP it forgets by itself. A
 * peer is tried soon after it is first there and after the kernel's path MTU to it changed, then with one datagram of the full
 * size every ten seconds, or rarer when there are many peers. When that is not answered three times while small ones are, the
 * largest that arrives is searched for. A path that is narrower than the kernel believes is tried again after half a minute, one, two, up to
 * ten, and by `weft peer check`.
 *
 * A forged answer would need the nonce, which goes to the peer alone. Who can drop datagrams can lower the path, but not below what every
 * path must carry.
 */
import type { Logger } from 'pino';
import { familyOf } from '../model/address.js';
import { maxMtu, minMtu, minMtuOfIpv6, overhead } from '../model/mtu.js';
import type { EventBus } from '../telemetry/events.js';
import type { HelloState, Hellos } from './hellos.js';
import { searchPath } from './path_search.js';
import { nextTurns, type Turn } from './turns.js';

/** What the kernel says of the way to a peer. */
export interface Route {
  address: string;
  /** Bytes of IP. */
  mtu: number;
}

export interface PathsParts {
  hellos: { view(peer: string): { state: HelloState; roundTrip: { rtt: number } | null } | null } & Pick<
    Hellos,
    'ask'
  >;
  /** Of all peers that are in the datapath and have a route. */
  routes: () => ReadonlyMap<string, Route>;
  events: Pick<EventBus, 'emit'>;
  log: Logger;
  /** What a path carries has changed. */
  onChange: () => void;
  /** Milliseconds; never goes back. */
  now?: () => number;
  /** From 0 up to 1. */
  random?: () => number;
}

export interface PathView {
  /** Bytes of IP that arrive, where it is less than the kernel's path MTU. */
  limit: number | null;
  /** When that was found out last, in milliseconds since the epoch. */
  at: number | null;
}

const second = 1000;
const tickPeriod = second;
const usualPause = 10 * second;
/** One datagram of the full size for each peer in so long, whatever their number is. */
const pauseForEachPeer = 200;
const firstRaise = 30 * second;
const lastRaise = 600 * second;
const mostAtOnce = 8;
const ethernetHeader = 14;
const shortestPatience = 300;
const longestPatience = 1500;

interface Known extends Turn {
  route: Route;
  limit: number | null;
  at: number | null;
  /** Of a path that is narrower than the kernel believes: when more is tried, and the pause until it is tried again. */
  raiseAt: number;
  raise: number;
  running: Promise<void> | null;
}

export class Paths {
  private readonly known = new Map<string, Known>();
  private readonly now: () => number;
  private readonly random: () => number;
  private timer: NodeJS.Timeout | null = null;
  private stopped = false;

  constructor(private readonly parts: PathsParts) {
    this.now = parts.now ?? (() => performance.now());
    this.random = parts.random ?? Math.random;
  }

  start(): void {
    this.timer = setInterval(() => this.tick(), tickPeriod);
  }

  stop(): void {
    this.stopped = true;
    if (this.timer !== null) clearInterval(this.timer);
  }

  view(peer: string): PathView {
    const { limit = null, at = null } = this.known.get(peer) ?? {};
    return { limit, at };
  }

  /** Bytes of IP; null where the kernel's path MTU is what fits, as far as is known. */
  limit(peer: string): number | null {
    return this.known.get(peer)?.limit ?? null;
  }

  /** Tries the path now, or joins the try that runs. */
  async check(peer: string): Promise<void> {
    this.look();
    const known = this.known.get(peer);
    if (known === undefined || this.stopped) return;
    known.raiseAt = 0;
    await this.run(peer, known);
  }

  private tick(): void {
    this.look();
    const alive = (peer: string) => this.parts.hellos.view(peer)?.state === 'alive';
    for (const [id, known] of nextTurns(this.known, this.now(), mostAtOnce, alive)) void this.run(id, known);
  }

  private look(): void {
    const routes = this.parts.routes();
    for (const id of this.known.keys()) if (!routes.has(id)) this.known.delete(id);
    for (const [id, route] of routes) {
      const known = this.known.get(id);
      if (known?.route.address === route.address && known.route.mtu === route.mtu) continue;
      // On another way, or to another place, other things hold.
      const same = known?.route.address === route.address;
      const limit = same && known.limit !== null && known.limit < route.mtu ? known.limit : null;
      const running = known?.running ?? null;
      this.known.set(id, {
        route,
        limit,
        at: known?.at ?? null,
        due: this.now() + second * this.random(),
        raiseAt: 0,
        raise: firstRaise,
        running,
      });
      if (limit !== (known?.limit ?? null)) this.parts.onChange();
    }
  }

  private run(id: string, known: Known): Promise<void> {
    known.running ??= this.measure(id, known).finally(() => {
      known.running = null;
      const now = this.known.get(id);
      if (now !== undefined) now.running = null;
    });
    return known.running;
  }

  private async measure(id: string, known: Known): Promise<void> {
    const { address, mtu } = known.route;
    const rtt = this.parts.hellos.view(id)?.roundTrip?.rtt ?? 0;
    const patience = Math.min(longestPatience, Math.max(shortestPatience, 4 * rtt));
    const room = overhead(address) - ethernetHeader;
    const ask = (bytes: number | null) =>
      this.parts.hellos.ask(id, bytes === null ? { patience } : { bytes: bytes - room, patience });
    const least = familyOf(address) === 6 ? minMtuOfIpv6 : minMtu;
    const whole = Math.min(mtu, maxMtu + overhead(address));
    const most = this.now() < known.raiseAt ? Math.min(whole, known.limit ?? whole) : whole;
    const result =
      most <= least ? ({ known: true, bytes: most } as const) : await searchPath(ask, least, most);
    if (this.stopped || this.known.get(id) !== known) return;
    const jitter = 1 + 0.2 * this.random();
    known.due = this.now() + Math.max(usualPause, this.known.size * pauseForEachPeer) * jitter;
    if (result.known) this.apply(id, known, result.bytes, { tried: most, whole });
  }

  private apply(
    id: string,
    known: Known,
    bytes: number,
    { tried, whole }: { tried: number; whole: number },
  ): void {
    const { events, log, onChange } = this.parts;
    const limit = bytes < whole ? bytes : null;
    known.at = Date.now();
    if (limit !== known.limit) known.raise = firstRaise;
    else if (tried === whole) known.raise = Math.min(lastRaise, known.raise * 2);
    if (tried === whole || limit !== known.limit) known.raiseAt = this.now() + known.raise;
    if (limit === known.limit) return;
    known.limit = limit;
    const sentence =
      limit === null
        ? `datagrams of ${bytes} bytes arrive there again`
        : `datagrams of more than ${limit} bytes do not arrive there`;
    log.info({ peer: id, limit }, sentence);
    events.emit('peer-path', `peer ${id}`, sentence);
    onChange();
  }
}

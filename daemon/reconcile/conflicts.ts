/** Addresses that somebody else claims too, as the datapath hears it in ARP and neighbour discovery. */
import { steadyNow } from '../steady_time.js';
export interface Conflict {
  port: string;
  address: string;
  /** Of the other one. */
  mac: string;
  /** null: a stranger. */
  where: { kind: 'port' | 'peer'; id: string } | null;
}

/** The other one speaks of its address at least this often while anybody uses it; in milliseconds. */
const remembered = 2 * 60_000;
const most = 1024;

export class Conflicts {
  private readonly seen = new Map<string, Conflict & { at: number }>();

  constructor(private readonly now: () => number = steadyNow) {}

  /** True when it was not known. */
  add(conflict: Conflict): boolean {
    const key = `${conflict.port} ${conflict.address} ${conflict.mac}`;
    const known = this.seen.delete(key);
    const [oldest] = this.seen.keys();
    if (oldest !== undefined && this.seen.size >= most) this.seen.delete(oldest);
    this.seen.set(key, { ...conflict, at: this.now() });
    return !known;
  }

  /** Those that still hold for these ports. */
  current(ports: ReadonlySet<string>): Conflict[] {
    for (const [key, { at, port }] of this.seen)
      if (this.now() - at > remembered || !ports.has(port)) this.seen.delete(key);
    return [...this.seen.values()].map(({ port, address, mac, where }) => ({ port, address, mac, where }));
  }
}

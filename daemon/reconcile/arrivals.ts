/**
 * Announces endpoints when their link comes up in its container: neighbours may still have the MAC of the container that had the address
 * before. Engines before Docker 28 announce nothing, and the kernel tells nobody in another namespace that a link came up, so after a
 * Join the sandbox is looked at often, for a short while.
 */
import type { Datapath } from '../datapath/datapath.js';
import type { Kernel } from '../datapath/kernel.js';
import { linkAlias } from '../model/identity.js';
import type { PortRecord } from '../model/objects.js';
import type { Namespaces } from './netns.js';

export interface ArrivalParts {
  hostId: string;
  datapath: Pick<Datapath, 'announce' | 'portPlace'>;
  kernel: Pick<Kernel, 'links'>;
  namespaces: Pick<Namespaces, 'find'>;
}

/** Milliseconds between looks at first, and at last; and how long they go on. The rounds of the reconciler take over then. */
const lookEvery = 50;
const slowest = 800;
const lookFor = 10_000;
/** A neighbour may miss one (RFC 5227, section 2.3: two announcements; Docker 28 sends three). */
const repetitions = 3;
const repeatEvery = 1000;

export class Arrivals {
  private readonly expected = new Map<
    string,
    { port: PortRecord; next: number; pause: number; until: number }
  >();
  /** Ports that were announced since their link came up. */
  private readonly announced = new Set<string>();
  private readonly pending = new Map<string, NodeJS.Timeout>();
  private timer: NodeJS.Timeout | null = null;

  constructor(
    private readonly parts: ArrivalParts,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** The link of the port is about to be moved into its sandbox. */
  expect(port: PortRecord): void {
    this.forget(port.id);
    const now = this.now();
    this.expected.set(port.id, { port, next: now + lookEvery, pause: lookEvery, until: now + lookFor });
    this.timer ??= setInterval(() => this.look(), lookEvery);
  }

  /** What a round of the reconciler saw: every endpoint that is attached, and whether its link is up in a sandbox. */
  saw(endpoints: ReadonlyMap<string, boolean>): void {
    for (const id of this.announced) if (endpoints.get(id) !== true) this.forget(id);
    for (const [id, up] of endpoints) if (up) this.arrived(id);
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
    for (const timer of this.pending.values()) clearTimeout(timer);
    this.pending.clear();
  }

  private look(): void {
    const now = this.now();
    for (const [id, one] of this.expected) {
      if (one.next > now) continue;
      if (this.isUp(one.port)) this.arrived(id);
      else if (now > one.until) this.expected.delete(id);
      // Many that start at once take longer, and must not be slowed down further by being looked at.
      one.pause = Math.min(one.pause * 2, slowest);
      one.next = now + one.pause;
    }
    if (this.expected.size > 0 || this.timer === null) return;
    clearInterval(this.timer);
    this.timer = null;
  }

  private isUp({ id, endpoint }: PortRecord): boolean {
    const sandbox = endpoint?.sandbox?.path;
    if (sandbox === undefined) return false;
    const sight = this.parts.namespaces.find(sandbox);
    if (sight.state !== 'present') return false;
    try {
      const alias = linkAlias(this.parts.hostId, id);
      return this.parts.kernel.links(sight.path).some((link) => link.alias === alias && link.up);
    } catch {
      return false;
    }
  }

  private arrived(id: string): void {
    this.expected.delete(id);
    if (this.announced.has(id) || this.parts.datapath.portPlace(id) === undefined) return;
    this.announced.add(id);
    this.announce(id, repetitions);
  }

  private announce(id: string, times: number): void {
    this.pending.delete(id);
    if (times === 0 || this.parts.datapath.portPlace(id) === undefined) return;
    this.parts.datapath.announce(id);
    this.pending.set(
      id,
      setTimeout(() => this.announce(id, times - 1), repeatEvery),
    );
  }

  private forget(id: string): void {
    this.announced.delete(id);
    clearTimeout(this.pending.get(id));
    this.pending.delete(id);
  }
}

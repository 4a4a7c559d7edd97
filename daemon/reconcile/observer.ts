/** Sees what is: the datapath, the namespaces of all known ports, and the links in them. */

import type { Datapath } from '../datapath/datapath.js';
import type { Kernel, Link, NetnsPath } from '../datapath/kernel.js';
import { linkAlias, linkAliasPrefix } from '../model/identity.js';
import type { Catalog } from '../state/catalog.js';
import { steadyNow } from '../steady_time.js';
import { lodge, type SandboxSight } from './lodging.js';
import type { Namespaces } from './netns.js';
import type { Actual, Namespace, Place, Step } from './plan.js';
import type { Proc } from './proc.js';
import { Recognition } from './recognition.js';

export interface ObserverParts {
  hostId: string;
  catalog: Catalog;
  datapath: Datapath;
  kernel: Kernel;
  namespaces: Namespaces;
  proc: Pick<Proc, 'bootId'>;
}

/**
 * Links are read again after this long, in milliseconds: less than the period of the reconciler, so that its rounds always look, and
 * enough that a thousand ports added in a row do not each list the links of a thousand namespaces.
 */
const freshFor = 1000;
/**
 * Milliseconds that one look may take to read again what is stale but known. Each list costs a thread, which on a host that is starting
 * dozens of containers waits for a CPU, and for the kernel's lock of all links: the rest waits for the next rounds.
 */
const rereadBudget = 100;
/** Namespaces whose links are listed between two looks at the clock. */
const readAtOnce = 8;

export class Observer {
  /** Namespaces with links that are, or were, ours. */
  private readonly known = new Map<string, NetnsPath>();
  private readonly links = new Map<string, { links: Link[]; at: number }>();
  private readonly aliasPrefix: string;
  private recognition: Recognition | null = null;

  constructor(
    private readonly parts: ObserverParts,
    private readonly now: () => number = () => performance.now(),
    private readonly clock: () => number = steadyNow,
  ) {
    this.aliasPrefix = linkAliasPrefix(parts.hostId);
  }

  observe(): Actual {
    const { catalog, datapath, namespaces } = this.parts;
    const state = datapath.state();
    const places = new Map<string, Place>();
    const sandboxes = new Map<string, SandboxSight | null>();
    const ports = [...catalog.ports(), ...catalog.removedPorts()];
    for (const port of ports) {
      if (port.endpoint !== undefined) {
        sandboxes.set(port.id, this.sight(port.endpoint.sandbox?.path ?? null));
        continue;
      }
      const place = namespaces.locate(port.netns);
      places.set(port.id, place);
      if (place.state === 'present') this.known.set(place.cookie, place.path);
    }
    this.known.set(namespaces.ownCookie, null);
    for (const { cookie, netns } of state.ports.values())
      if (!this.known.has(cookie)) this.known.set(cookie, netns);
    const inUse = new Set<string>();
    for (const place of places.values()) if (place.state === 'present') inUse.add(place.cookie);
    for (const sandbox of sandboxes.values()) if (sandbox?.state === 'present') inUse.add(sandbox.cookie);
    const found = this.scan(inUse);
    this.recognition ??= new Recognition(namespaces.ownCookie);
    const endpoints = ports.filter(({ endpoint }) => endpoint !== undefined);
    const untagged = this.recognition.restore(
      endpoints.map(({ id, mac, ifname }) => {
        const sandbox = sandboxes.get(id);
        const cookies = [...(sandbox?.state === 'present' ? [sandbox.cookie] : []), namespaces.ownCookie];
        return { id, mac, ifname, alias: linkAlias(this.parts.hostId, id), cookies };
      }),
      found,
    );
    const holders = this.holders(found);
    for (const port of ports) {
      const sandbox = sandboxes.get(port.id);
      if (port.endpoint === undefined || sandbox === undefined) continue;
      const attached = state.ports.get(port.id);
      const sight = {
        link: holders.get(linkAlias(this.parts.hostId, port.id)) ?? null,
        sandbox,
        home: found.has(namespaces.ownCookie) ? namespaces.ownCookie : null,
        attached: attached !== undefined,
        pins: attached?.pins ?? false,
        bootId: this.parts.proc.bootId(),
        now: this.clock(),
      };
      places.set(port.id, lodge(port.endpoint, sight));
    }
    return { ...state, places, namespaces: found, untagged };
  }

  /** Where the links of ours were seen, by alias. While one moves, an older list may still show it at home. */
  private holders(found: ReadonlyMap<string, Namespace>): Map<string, { path: NetnsPath; cookie: string }> {
    const holders = new Map<string, { path: NetnsPath; cookie: string }>();
    for (const [cookie, { path, links }] of found) {
      for (const { alias } of links) {
        if (alias === null || !alias.startsWith(this.aliasPrefix)) continue;
        if (path !== null || !holders.has(alias)) holders.set(alias, { path, cookie });
      }
    }
    return holders;
  }

  private sight(path: string | null): SandboxSight | null {
    if (path === null) return null;
    const sight = this.parts.namespaces.find(path);
    if (sight.state !== 'present') return sight;
    this.known.set(sight.cookie, sight.path);
    return { state: 'present', cookie: sight.cookie };
  }

  /** What the steps changed is looked at again, however fresh it is. */
  forget(steps: readonly Step[]): void {
    const paths = new Set(steps.flatMap((step) => ('netns' in step ? [step.netns] : [])));
    for (const [cookie, path] of this.known) if (paths.has(path)) this.links.delete(cookie);
  }

  lookAgain(cookie: string): void {
    this.links.delete(cookie);
  }

  private scan(inUse: ReadonlySet<string>): Map<string, Namespace> {
    const found = new Map<string, Namespace>();
    const until = this.now() + rereadBudget;
    const there = new Map([...this.known].filter(([cookie, path]) => this.leadsTo(path, cookie)));
    const unreadable = this.reread(there, until);
    for (const [cookie, path] of [...this.known]) {
      const readable = there.has(cookie) && !unreadable.has(cookie);
      const links = readable ? this.links.get(cookie)?.links : undefined;
      if (links !== undefined) found.set(cookie, { path, links });
      const ours = links?.some(({ alias }) => alias?.startsWith(this.aliasPrefix)) ?? false;
      if (path !== null && !inUse.has(cookie) && !ours) {
        this.known.delete(cookie);
        this.links.delete(cookie);
      }
    }
    return found;
  }

  /** False also when it cannot be told. */
  private leadsTo(path: NetnsPath, cookie: string): boolean {
    try {
      return path === null || this.parts.namespaces.cookieAt(path) === cookie;
    } catch {
      return false;
    }
  }

  /** Lists the links of those that were never read, and until then those that are stale. Returns those where they cannot be listed. */
  private reread(there: ReadonlyMap<string, NetnsPath>, until: number): Set<string> {
    const unreadable = new Set<string>();
    const readAt = (cookie: string) => this.links.get(cookie)?.at ?? Number.NEGATIVE_INFINITY;
    const now = this.now();
    // Those that were read longest ago come first, so that each has its turn.
    const stale = [...there]
      .filter(([cookie]) => now - readAt(cookie) >= freshFor)
      .sort(([a], [b]) => readAt(a) - readAt(b));
    for (let from = 0; from < stale.length; from += readAtOnce) {
      const late = this.now() >= until;
      const some = stale
        .slice(from, from + readAtOnce)
        .filter(([cookie]) => !late || !this.links.has(cookie));
      for (const [index, links] of this.listAll(some.map(([, path]) => path)).entries()) {
        const [cookie] = some[index] as [string, NetnsPath];
        if (links === null) unreadable.add(cookie);
        else this.links.set(cookie, { links, at: this.now() });
      }
    }
    return unreadable;
  }

  /** null for those where the kernel refuses. */
  private listAll(paths: readonly NetnsPath[]): (Link[] | null)[] {
    const { kernel } = this.parts;
    const others = paths.filter((path) => path !== null);
    const lists = others.length === 0 ? [] : orNull(() => kernel.linksOf(others));
    const listOf = new Map(others.map((path, index) => [path, lists?.[index]]));
    return paths.map((path) => {
      const list = path === null ? orNull(() => kernel.links(null)) : listOf.get(path);
      return Array.isArray(list) ? list : null;
    });
  }
}

function orNull<T>(ask: () => T): T | null {
  try {
    return ask();
  } catch {
    return null;
  }
}

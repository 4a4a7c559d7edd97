/** Sees what is: the datapath, the namespaces of all known ports, and the links in them. */
import type { Datapath } from '../datapath/datapath.js';
import type { Kernel, Link, NetnsPath } from '../datapath/kernel.js';
import { linkAliasPrefix } from '../model/identity.js';
import type { Catalog } from '../state/catalog.js';
import type { Namespaces } from './netns.js';
import type { Actual, Namespace, Place, Step } from './plan.js';

export interface ObserverParts {
  hostId: string;
  catalog: Catalog;
  datapath: Datapath;
  kernel: Kernel;
  namespaces: Namespaces;
}

/**
 * Links are read again after this long, in milliseconds: less than the period of the reconciler, so that its rounds always look, and
 * enough that a thousand ports added in a row do not each list the links of a thousand namespaces.
 */
const freshFor = 1000;

export class Observer {
  /** Namespaces with links that are, or were, ours. */
  private readonly known = new Map<string, NetnsPath>();
  private readonly links = new Map<string, { links: Link[]; at: number }>();
  private readonly aliasPrefix: string;

  constructor(
    private readonly parts: ObserverParts,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.aliasPrefix = linkAliasPrefix(parts.hostId);
  }

  observe(): Actual {
    const { catalog, datapath, namespaces } = this.parts;
    const state = datapath.state();
    const places = new Map<string, Place>();
    for (const port of [...catalog.ports(), ...catalog.removedPorts()]) {
      const place = namespaces.locate(port.netns);
      places.set(port.id, place);
      if (place.state === 'present') this.known.set(place.cookie, place.path);
    }
    this.known.set(namespaces.ownCookie, null);
    for (const { cookie, netns } of state.ports.values())
      if (!this.known.has(cookie)) this.known.set(cookie, netns);
    return { ...state, places, namespaces: this.scan(places) };
  }

  /** What the steps changed is looked at again, however fresh it is. */
  forget(steps: readonly Step[]): void {
    const paths = new Set(steps.flatMap((step) => ('netns' in step ? [step.netns] : [])));
    for (const [cookie, path] of this.known) if (paths.has(path)) this.links.delete(cookie);
  }

  lookAgain(cookie: string): void {
    this.links.delete(cookie);
  }

  private scan(places: ReadonlyMap<string, Place>): Map<string, Namespace> {
    const inUse = new Set(
      [...places.values()].flatMap((place) => (place.state === 'present' ? [place.cookie] : [])),
    );
    const found = new Map<string, Namespace>();
    for (const [cookie, path] of this.known) {
      const links = this.linksOf(path, cookie);
      if (links !== null) found.set(cookie, { path, links });
      const ours = links?.some(({ alias }) => alias?.startsWith(this.aliasPrefix)) ?? false;
      if (path !== null && !inUse.has(cookie) && !ours) {
        this.known.delete(cookie);
        this.links.delete(cookie);
      }
    }
    return found;
  }

  /** null when the path does not lead to that namespace any more. */
  private linksOf(path: NetnsPath, cookie: string): Link[] | null {
    const cached = this.links.get(cookie);
    try {
      if (path !== null && this.parts.namespaces.cookieAt(path) !== cookie) return null;
      if (cached !== undefined && this.now() - cached.at < freshFor) return cached.links;
      const links = this.parts.kernel.links(path);
      this.links.set(cookie, { links, at: this.now() });
      return links;
    } catch {
      return null;
    }
  }
}

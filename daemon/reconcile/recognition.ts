/**
 * Finds links of Docker endpoints that do not bear their IFALIAS: a container with NET_ADMIN may write there what it likes, and its TAP is
 * the port's all the same.
 */
import type { Link } from '../datapath/kernel.js';
import type { Namespace, UntaggedLink } from './plan.js';

export interface Sought {
  id: string;
  /** `aa:bb:cc:dd:ee:ff` */
  mac: string;
  /** What it is called at home; in its container it may have any name. */
  ifname: string;
  alias: string;
  /** Cookies of the namespaces where it can be: that of its container, and home. */
  cookies: readonly string[];
}

export class Recognition {
  /** Where links were seen last with their alias, by port ID. */
  private readonly tagged = new Map<string, { cookie: string; ifindex: number }>();

  /** `home` is the cookie of the namespace of weftd. */
  constructor(private readonly home: string) {}

  /**
   * Links in `found` that have lost their alias. There they have it back, so that all else goes on as ever; and a link that is no TAP,
   * but has got the alias of an endpoint, has none.
   */
  restore(endpoints: readonly Sought[], found: Map<string, Namespace>): UntaggedLink[] {
    const known = new Set(endpoints.map(({ id }) => id));
    for (const id of this.tagged.keys()) if (!known.has(id)) this.tagged.delete(id);
    unmask(new Set(endpoints.map(({ alias }) => alias)), found);
    const tags = tagsOf(found);
    return endpoints.flatMap((sought) => {
      const { id, alias, cookies } = sought;
      const tag = tags.get(alias);
      if (tag !== undefined) {
        this.tagged.set(id, tag);
        return [];
      }
      for (const cookie of cookies) {
        const namespace = found.get(cookie);
        const link = namespace && this.recognise(sought, cookie, namespace.links);
        if (namespace === undefined || link === undefined) continue;
        const links = namespace.links.map((one) => (one.ifindex === link.ifindex ? { ...one, alias } : one));
        found.set(cookie, { ...namespace, links });
        return [{ id, netns: namespace.path, ifname: link.ifname, alias }];
      }
      return [];
    });
  }

  /**
   * The TAP with the index that it had with its alias, or else the only one with the MAC of the port. Home has links of others too, and
   * nobody renames ours there.
   */
  private recognise({ id, mac, ifname }: Sought, cookie: string, links: readonly Link[]): Link | undefined {
    const taps = links.filter(
      (link) => link.kind === 'tun' && (cookie !== this.home || link.ifname === ifname),
    );
    const last = this.tagged.get(id);
    const same = last?.cookie === cookie ? taps.find(({ ifindex }) => ifindex === last.ifindex) : undefined;
    const alike = taps.filter((link) => link.mac === mac);
    return same ?? (alike.length === 1 ? alike[0] : undefined);
  }
}

function unmask(aliases: ReadonlySet<string>, found: Map<string, Namespace>): void {
  const isFalse = ({ alias, kind }: Link) => kind !== 'tun' && alias !== null && aliases.has(alias);
  for (const [cookie, { path, links }] of found)
    if (links.some(isFalse))
      found.set(cookie, {
        path,
        links: links.map((link) => (isFalse(link) ? { ...link, alias: null } : link)),
      });
}

function tagsOf(found: ReadonlyMap<string, Namespace>): Map<string, { cookie: string; ifindex: number }> {
  const tags = new Map<string, { cookie: string; ifindex: number }>();
  for (const [cookie, { links }] of found)
    for (const { alias, ifindex } of links) if (alias !== null) tags.set(alias, { cookie, ifindex });
  return tags;
}

/** Observes what the desired state depends on: own addresses, routes, path MTUs. */
import { errnoOf, isPassing, type Kernel } from '../datapath/kernel.js';
import { WeftError } from '../errors.js';
import { isLoopback, parseAddress, parseCidr } from '../model/address.js';
import type { PeerRecord } from '../model/objects.js';
import type { Route, Surroundings } from './desire.js';
import type { PeerResolver } from './resolver.js';

/** Addresses that no host has (RFC 5737, RFC 3849): the way to them is the default route. Nothing is sent. */
const anywhere = ['192.0.2.1', '2001:db8::1'];

export class SurroundingsObserver {
  /** As they were when the links could be listed last. */
  private lastOwn: readonly string[] | null = null;
  /** As the kernel told them last. */
  private lastDefaults: readonly string[] = [];
  private lastMtus = new Map<string, number | null>();

  constructor(
    private readonly kernel: Pick<Kernel, 'links' | 'sourceAddress' | 'pathMtu'>,
    private readonly resolver: Pick<PeerResolver, 'resolve'>,
    private readonly told: {
      pathLimit?: Surroundings['pathLimit'] | undefined;
      leastMtu?: Surroundings['leastMtu'] | undefined;
    } = {},
  ) {}

  /** Throws WEFT_KERNEL when the own addresses were never seen; a later failure is told in the answer. */
  observe(peers: readonly PeerRecord[]): Surroundings {
    const { own, unreadable } = this.ownAddresses();
    const defaults = this.defaultAddresses(peers, own);
    const lastMtus = this.lastMtus;
    this.lastMtus = new Map();
    return {
      ownAddresses: new Set(own),
      unreadable: { links: unreadable, routes: defaults.unread },
      defaultAddresses: defaults.addresses,
      resolve: (address) => this.resolver.resolve(address),
      route: (address) => this.route(address, lastMtus.get(address) ?? null),
      pathLimit: this.told.pathLimit ?? (() => null),
      leastMtu: this.told.leastMtu ?? (() => null),
    };
  }

  private ownAddresses(): { own: readonly string[]; unreadable: string | null } {
    try {
      const links = this.kernel.links(null);
      const own = links.flatMap(({ addresses }) =>
        addresses.flatMap((text) => parseCidr(text)?.address ?? []),
      );
      this.lastOwn = own;
      return { own, unreadable: null };
    } catch (cause) {
      const reason = errnoOf(cause) ?? (cause as Error).message;
      if (this.lastOwn === null)
        throw new WeftError('WEFT_KERNEL', { action: 'RTM_GETLINK', reason }, { cause });
      return { own: this.lastOwn, unreadable: reason };
    }
  }

  private route(address: string, lastMtu: number | null): Route {
    const { answer: mtu, unread } = ask(() => this.kernel.pathMtu(address), lastMtu);
    this.lastMtus.set(address, mtu);
    return { mtu, unread };
  }

  private defaultAddresses(
    peers: readonly PeerRecord[],
    own: readonly string[],
  ): { addresses: readonly string[]; unread: string | null } {
    const anyway = this.sources(anywhere);
    const { addresses, unread } = anyway.addresses.length > 0 ? anyway : this.towards(peers, own);
    const problem = anyway.unread ?? unread;
    if (problem === null) this.lastDefaults = addresses;
    return { addresses: this.lastDefaults, unread: problem };
  }

  /** Without a default route, the address that some peer is reached from. */
  private towards(peers: readonly PeerRecord[], own: readonly string[]): Sources {
    let unread: string | null = null;
    for (const { address } of peers) {
      const numeric = this.resolver.resolve(address).address;
      if (numeric === null || isLoopback(numeric) || own.includes(numeric)) continue;
      const sources = this.sources([numeric]);
      if (sources.addresses.length > 0) return sources;
      unread ??= sources.unread;
    }
    return { addresses: [], unread };
  }

  private sources(targets: readonly string[]): Sources {
    const asked = targets.map((target) => ask(() => parseAddress(this.kernel.sourceAddress(target)), null));
    return {
      addresses: [...new Set(asked.flatMap(({ answer }) => answer ?? []))],
      unread: asked.find(({ unread }) => unread !== null)?.unread ?? null,
    };
  }
}

interface Sources {
  addresses: readonly string[];
  /** The error for which some could not be told. */
  unread: string | null;
}

/** null when the kernel says no, and `last` while it cannot tell. */
function ask<T>(question: () => T, last: T | null): { answer: T | null; unread: string | null } {
  try {
    return { answer: question(), unread: null };
  } catch (error) {
    return isPassing(error) ? { answer: last, unread: errnoOf(error) } : { answer: null, unread: null };
  }
}

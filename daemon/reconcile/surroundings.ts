/** Observes what the desired state depends on: own addresses, routes, path MTUs. */
import { errnoOf, type Kernel } from '../datapath/kernel.js';
import { WeftError } from '../errors.js';
import { isLoopback, parseAddress, parseCidr } from '../model/address.js';
import type { PeerRecord } from '../model/objects.js';
import type { Surroundings } from './desire.js';
import type { PeerResolver } from './resolver.js';

/** Addresses that no host has (RFC 5737, RFC 3849): the way to them is the default route. Nothing is sent. */
const anywhere = ['192.0.2.1', '2001:db8::1'];

export class SurroundingsObserver {
  /** As they were when the links could be listed last. */
  private lastOwn: readonly string[] | null = null;

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
    const defaults = this.sources(anywhere);
    return {
      ownAddresses: new Set(own),
      unreadable,
      defaultAddresses: defaults.length > 0 ? defaults : this.towards(peers, own),
      resolve: (address) => this.resolver.resolve(address),
      pathMtu: (address) => ask(() => this.kernel.pathMtu(address)),
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

  /** Without a default route, the address that some peer is reached from. */
  private towards(peers: readonly PeerRecord[], own: readonly string[]): string[] {
    for (const { address } of peers) {
      const numeric = this.resolver.resolve(address).address;
      if (numeric === null || isLoopback(numeric) || own.includes(numeric)) continue;
      const [source] = this.sources([numeric]);
      if (source !== undefined) return [source];
    }
    return [];
  }

  private sources(targets: readonly string[]): string[] {
    const found = targets.flatMap(
      (target) => ask(() => parseAddress(this.kernel.sourceAddress(target))) ?? [],
    );
    return [...new Set(found)];
  }
}

function ask<T>(question: () => T): T | null {
  try {
    return question();
  } catch {
    return null;
  }
}

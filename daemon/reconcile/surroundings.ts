/** Observes what the desired state depends on: own addresses, routes, path MTUs. */
import type { Config } from '../config/schema.js';
import type { Kernel } from '../datapath/kernel.js';
import { parseAddress, parseCidr } from '../model/address.js';
import type { Surroundings } from './desire.js';
import type { PeerResolver } from './resolver.js';

/** Addresses that no host has (RFC 5737, RFC 3849): the way to them is the default route. Nothing is sent. */
const anywhere = ['192.0.2.1', '2001:db8::1'];

export function observeSurroundings(kernel: Kernel, resolver: PeerResolver, config: Config): Surroundings {
  const own = kernel
    .links(null)
    .flatMap(({ addresses }) => addresses.flatMap((text) => parseCidr(text)?.address ?? []));
  const ask = <T>(question: () => T): T | null => {
    try {
      return question();
    } catch {
      return null;
    }
  };
  const sources = (targets: readonly string[]): string[] => {
    const found = targets.flatMap((target) => ask(() => parseAddress(kernel.sourceAddress(target))) ?? []);
    return [...new Set(found)];
  };
  const numericPeers = config.peers
    .flatMap(({ address }) => parseAddress(address) ?? [])
    .filter((address) => !own.includes(address));
  const defaults = sources(anywhere);
  return {
    ownAddresses: new Set(own),
    defaultAddresses: defaults.length > 0 ? defaults : sources(numericPeers).slice(0, 1),
    resolve: (address) => resolver.resolve(address),
    pathMtu: (address) => ask(() => kernel.pathMtu(address)),
  };
}

/** How large an IP packet inside a network may be. */
import { familyOf } from './address.js';

/** What RFC 7348 adds around an inner IP packet: inner Ethernet 14, VXLAN 8, UDP 8, outer IP 20 or 40. */
export function overhead(underlayAddress: string): number {
  return familyOf(underlayAddress) === 4 ? 50 : 70;
}

/** Taken for paths that are not known yet. */
export const defaultPathMtu = 1500;

/** Below it, the kernel gives a link no IPv6, and takes its IPv6 addresses away for good (RFC 8200, section 5). */
export const minMtuOfIpv6 = 1280;

/** RFC 791: what every IPv4 host takes. */
export const minMtu = 576;
export const maxMtu = 9000;

export interface Path {
  address: string;
  /** null while there is no route. */
  pathMtu: number | null;
}

/** What the data plane takes for a path that nobody knows: more than any IP packet has. */
export const unknownMtu = 65_535;

/** What fits through one path; null when it is not known. */
export function mtuThrough({ address, pathMtu }: Path): number | null {
  return pathMtu === null ? null : Math.max(0, pathMtu - overhead(address));
}

/** What fits through every path. Without a known one: what fits IPv4, or IPv6 when the underlay has only that. */
export function fittingMtu(paths: readonly Path[], underlay: readonly string[]): number {
  const known = paths.flatMap((path) => mtuThrough(path) ?? []);
  const fits =
    known.length > 0
      ? known
      : [defaultPathMtu - Math.min(...(underlay.length > 0 ? underlay.map(overhead) : [50]))];
  return Math.min(maxMtu, ...fits);
}

/** `mtu: auto`. Never so small that guests would lose their IPv6 addresses while a path is narrow. */
export function autoMtu(fitting: number): number {
  return Math.max(minMtuOfIpv6, fitting);
}

/** The subnets that are given when none is named, the same list on all hosts; published in docs/internals/identity.md. */
import type { Family } from '../model/address.js';

const count = 16;

/**
 * 10.32.0.0/16 to 10.47.0.0/16, and sixteen /64 of one unique local prefix (RFC 4193), whose 40-bit global ID is the first 40 bits of
 * SHA-256("weft:default-subnets").
 */
export function defaultSubnets(family: Family): string[] {
  return Array.from({ length: count }, (_, index) => {
    if (family === 4) return `10.${32 + index}.0.0/16`;
    return index === 0 ? 'fdb2:2a2:e648::/64' : `fdb2:2a2:e648:${index.toString(16)}::/64`;
  });
}

/** IDs of pools. Engines keep them for as long as a network lives, so they say themselves what they stand for. */
import { parseSubnet } from '../model/address.js';
import { networkNameProblem } from '../model/names.js';

export interface PoolIdentity {
  /** Name of the network, or the subnet where none was named. */
  scope: string;
  /** Canonical CIDR. */
  subnet: string;
  /** Canonical CIDR within the subnet; null: all of it. */
  range: string | null;
}

/**
 *     weft:1:SUBNET[,range=RANGE][,network=SCOPE]
 *
 * in this order; `network` is there unless the scope is the subnet. `1` is the version of the grammar. No part holds a comma.
 */
export function poolIdOf({ scope, subnet, range }: PoolIdentity): string {
  const options = [
    ...(range === null ? [] : [`,range=${range}`]),
    ...(scope === subnet ? [] : [`,network=${scope}`]),
  ];
  return `weft:1:${subnet}${options.join('')}`;
}

/** null when it is no ID of ours. */
export function parsePoolId(id: string): PoolIdentity | null {
  const [, subnet, range, network] =
    /^weft:1:([^,]{1,49})(?:,range=([^,]{1,49}))?(?:,network=([^,]{1,63}))?$/.exec(id) ?? [];
  if (subnet === undefined) return null;
  const identity = { scope: network ?? subnet, subnet, range: range ?? null };
  const wellFormed =
    'subnet' in parseSubnet(subnet) &&
    (range === undefined || 'subnet' in parseSubnet(range)) &&
    (network === undefined || networkNameProblem(network) === null);
  // What has another spelling is not what we gave.
  return wellFormed && poolIdOf(identity) === id ? identity : null;
}

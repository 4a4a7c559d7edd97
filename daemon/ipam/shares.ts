/** Which addresses of a subnet a host gives without being asked for one of them. */
import { WeftError } from '../errors.js';
import { familyOf } from '../model/address.js';
import {
  type AddressRange,
  formatRange,
  intersect,
  largestBlock,
  rangeOf,
  sizeOf,
  usableOf,
} from './range.js';

/** The `index`-th, from 0, of `of` parts that a subnet is cut into. */
export interface Share {
  of: number;
  index: number;
}

/**
 * A subnet of N addresses is cut at floor(N * index / of): the parts are equal but for one address, follow each other without a gap,
 * and are the same on all hosts. null when there are more parts than addresses and this one is empty.
 */
export function partOf(subnet: string, { of, index }: Share): AddressRange | null {
  const all = rangeOf(subnet);
  const size = sizeOf(all);
  const first = all.first + (size * BigInt(index)) / BigInt(of);
  const last = all.first + (size * BigInt(index + 1)) / BigInt(of) - 1n;
  return first <= last ? { first, last } : null;
}

/** What of the subnet, of `--ip-range`, and of the share a host may give. Throws WEFT_IPAM_POOL_INVALID when that is nothing. */
export function giveable(subnet: string, range: string | null, share: Share | null): AddressRange {
  const family = familyOf(subnet);
  const usable = usableOf(subnet);
  const part = share === null ? usable : partOf(subnet, share);
  const own = part === null ? null : intersect(usable, part);
  if (own === null) {
    throw new WeftError('WEFT_IPAM_POOL_INVALID', {
      subnet,
      reason: `the share of this host, ${shareText(share)}, holds none of its ${sizeOf(usable)} addresses`,
      advice: 'Use a larger subnet, or a smaller "of" in ipam.share on all hosts.',
    });
  }
  const given = range === null ? own : intersect(own, rangeOf(range));
  if (given === null) {
    const whose = share === null ? 'can be given' : `are the share of this host (${shareText(share)})`;
    throw new WeftError('WEFT_IPAM_POOL_INVALID', {
      subnet,
      reason: `--ip-range ${range} holds none of the addresses ${formatRange(own, family)} that ${whose}`,
      advice: `Leave --ip-range away, or write one that holds some of them, such as "--ip-range ${largestBlock(own, family)}".`,
    });
  }
  return given;
}

function shareText(share: Share | null): string {
  return share === null ? 'all' : `of: ${share.of}, index: ${share.index}`;
}

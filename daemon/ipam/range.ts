/** Ranges of IP addresses as numbers: big endian, 32 bits for IPv4 and 128 for IPv6. */
import ipaddr from 'ipaddr.js';
import { type Family, familyOf } from '../model/address.js';

/** Both ends belong to it; it is never empty. */
export interface AddressRange {
  first: bigint;
  last: bigint;
}

export function bitsOf(family: Family): number {
  return family === 4 ? 32 : 128;
}

/** Of an address in canonical form. */
export function numberOf(address: string): bigint {
  return ipaddr
    .parse(address)
    .toByteArray()
    .reduce((number, byte) => (number << 8n) | BigInt(byte), 0n);
}

/** The canonical form of the address with this number. */
export function addressOf(number: bigint, family: Family): string {
  const bits = bitsOf(family);
  const bytes = Array.from({ length: bits / 8 }, (_, index) =>
    Number((number >> BigInt(bits - 8 - 8 * index)) & 0xffn),
  );
  const address = ipaddr.fromByteArray(bytes);
  return address.kind() === 'ipv6' ? (address as ipaddr.IPv6).toRFC5952String() : address.toString();
}

export function prefixOf(cidr: string): number {
  return Number(cidr.slice(cidr.indexOf('/') + 1));
}

/** All addresses of a canonical CIDR. */
export function rangeOf(cidr: string): AddressRange {
  const first = numberOf(cidr.slice(0, cidr.indexOf('/')));
  return { first, last: first + (1n << BigInt(bitsOf(familyOf(cidr)) - prefixOf(cidr))) - 1n };
}

/**
 * The addresses that hosts can have: IPv4 without the network and the broadcast address, IPv6 without the subnet-router anycast
 * address (RFC 4291 section 2.6.1). The subnet has four addresses or more.
 */
export function usableOf(subnet: string): AddressRange {
  const { first, last } = rangeOf(subnet);
  return { first: first + 1n, last: familyOf(subnet) === 4 ? last - 1n : last };
}

export function sizeOf({ first, last }: AddressRange): bigint {
  return last - first + 1n;
}

export function holds({ first, last }: AddressRange, number: bigint): boolean {
  return first <= number && number <= last;
}

/** null when they have no address in common. */
export function intersect(one: AddressRange, other: AddressRange): AddressRange | null {
  let { first, last } = one;
  if (other.first > first) first = other.first;
  if (other.last < last) last = other.last;
  return first <= last ? { first, last } : null;
}

/** Whether two canonical CIDRs have addresses in common. */
export function overlap(one: string, other: string): boolean {
  return familyOf(one) === familyOf(other) && intersect(rangeOf(one), rangeOf(other)) !== null;
}

/** The largest CIDR all of whose addresses are in the range; of equals the lowest. */
export function largestBlock({ first, last }: AddressRange, family: Family): string {
  const bits = bitsOf(family);
  for (let prefix = 0; prefix < bits; prefix++) {
    const size = 1n << BigInt(bits - prefix);
    const start = ((first + size - 1n) / size) * size;
    if (start + size - 1n <= last) return `${addressOf(start, family)}/${prefix}`;
  }
  return `${addressOf(first, family)}/${bits}`;
}

/** FIRST-LAST. */
export function formatRange({ first, last }: AddressRange, family: Family): string {
  return `${addressOf(first, family)}-${addressOf(last, family)}`;
}

/** IP addresses, prefixes, and where peers are, as text in canonical form. */
import ipaddr from 'ipaddr.js';
import { isHostName } from './names.js';

export type Family = 4 | 6;

/** The canonical form of a numeric address; null when it is none. IPv4-mapped IPv6 and zones are refused. */
export function parseAddress(text: string): string | null {
  if (text.includes('%')) return null;
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text).toString();
  if (!text.includes(':') || !ipaddr.IPv6.isValid(text)) return null;
  const address = ipaddr.IPv6.parse(text);
  return address.isIPv4MappedAddress() ? null : address.toRFC5952String();
}

export function familyOf(address: string): Family {
  return address.includes(':') ? 6 : 4;
}

/** True for an address that one host can have: no multicast, broadcast, or unspecified one. */
export function isHostAddress(address: string): boolean {
  return !['multicast', 'broadcast', 'unspecified'].includes(ipaddr.parse(address).range());
}

/** True for an address by which every host means itself, such as the 127.0.1.1 that Debian's /etc/hosts has for the host's own name. */
export function isLoopback(address: string): boolean {
  return ipaddr.parse(address).range() === 'loopback';
}

export interface Cidr {
  address: string;
  prefix: number;
}

/** `address/prefix` in canonical form, host bits kept; null when it is none. */
export function parseCidr(text: string): Cidr | null {
  const match = /^([^/]+)\/(\d{1,3})$/.exec(text);
  const address = match?.[1] === undefined ? null : parseAddress(match[1]);
  const prefix = Number(match?.[2]);
  if (address === null || prefix > (familyOf(address) === 4 ? 32 : 128)) return null;
  return { address, prefix };
}

export function formatCidr({ address, prefix }: Cidr): string {
  return `${address}/${prefix}`;
}

/** The address of `address/prefix`. */
export function withoutPrefix(cidr: string): string {
  const slash = cidr.indexOf('/');
  return slash < 0 ? cidr : cidr.slice(0, slash);
}

/** The same prefix with the host bits cleared. */
export function networkOf({ address, prefix }: Cidr): Cidr {
  const bytes = ipaddr.parse(address).toByteArray();
  const cleared = bytes.map(
    (byte, index) => byte & (0xff << Math.max(0, 8 - Math.max(0, prefix - index * 8))),
  );
  const network = ipaddr.fromByteArray(cleared.map((byte) => byte & 0xff));
  return {
    address: network.kind() === 'ipv6' ? (network as ipaddr.IPv6).toRFC5952String() : network.toString(),
    prefix,
  };
}

/** Why a host cannot have this address with this prefix; null when it can. A /31 and /127 are links of two hosts (RFC 3021, RFC 6164). */
export function hostCidrProblem(cidr: Cidr): string | null {
  const { address, prefix } = cidr;
  const range = ipaddr.parse(address).range();
  if (range === 'loopback') return 'is a loopback address; every host has it for itself';
  if (!isHostAddress(address)) return `is ${range}; a port has addresses of one host`;
  const family = familyOf(address);
  if (prefix > (family === 4 ? 30 : 126)) return null;
  const subnet = networkOf(cidr);
  const name = family === 4 ? 'network' : 'subnet-router anycast';
  if (subnet.address === address) return `is the ${name} address of ${formatCidr(subnet)}`;
  const isLast =
    family === 4 && ipaddr.IPv4.broadcastAddressFromCIDR(formatCidr(cidr)).toString() === address;
  return isLast ? `is the broadcast address of ${formatCidr(subnet)}` : null;
}

/** A canonical subnet, or what to write instead. */
export function parseSubnet(text: string): { subnet: string } | { problem: string } {
  const cidr = parseCidr(text);
  if (cidr === null) return { problem: 'expected a subnet such as 10.42.0.0/24 or fd42::/64' };
  const network = networkOf(cidr);
  if (network.address !== cidr.address) return { problem: `has host bits set; write ${formatCidr(network)}` };
  return { subnet: formatCidr(network) };
}

/** True when `subnet` (a canonical CIDR) holds the address. */
export function contains(subnet: string, address: string): boolean {
  const cidr = parseCidr(subnet);
  if (cidr === null || familyOf(cidr.address) !== familyOf(address)) return false;
  return networkOf({ address, prefix: cidr.prefix }).address === cidr.address;
}

export interface PeerAddress {
  address: string;
  port: number | null;
}

/** `10.0.0.2`, `10.0.0.2:8472`, `fd00::2`, `[fd00::2]:8472`, `host.example:4789`; null when it is none of them. */
export function parsePeerAddress(text: string): PeerAddress | null {
  const whole = parseAddress(text);
  if (whole !== null) return isHostAddress(whole) ? { address: whole, port: null } : null;
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text);
  if (match === null) return null;
  const port = match[3] === undefined ? null : Number(match[3]);
  if (port !== null && (port < 1 || port > 65535)) return null;
  const [, bracketed, plain] = match;
  const host = bracketed ?? plain ?? '';
  const address = parseAddress(host);
  if (address !== null) {
    const fits = isHostAddress(address) && (bracketed !== undefined) === (familyOf(address) === 6);
    return fits ? { address, port } : null;
  }
  return bracketed === undefined && isHostName(host) ? { address: host.toLowerCase(), port } : null;
}

/** Why `parsePeerAddress` refuses text that has the form of an address and a port; null when it has not, or is not refused. */
export function peerAddressProblem(text: string): string | null {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d+))?$/.exec(text) ?? [];
  const address = parseAddress(text) ?? parseAddress(bracketed ?? plain ?? '');
  if (address !== null && !isHostAddress(address))
    return `is ${ipaddr.parse(address).range()}; a peer has an address of one host`;
  const named = address !== null || (plain !== undefined && isHostName(plain));
  const port = Number(digits ?? 1);
  return named && (port < 1 || port > 65535) ? 'port must be 1-65535' : null;
}

export function formatEndpoint(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Which subnets and ranges an engine may ask for. */
import { WeftError } from '../errors.js';
import { type Family, familyOf, formatCidr, networkOf, parseCidr } from '../model/address.js';
import { intersect, overlap, prefixOf, rangeOf } from './range.js';

const example = { 4: '10.32.0.0/16', 6: 'fd42::/64' } as const;

/** The longest prefixes with room for two containers and what is not given. */
const longest = { 4: 30, 6: 126 } as const;

const unfit: readonly [cidr: string, what: string][] = [
  ['0.0.0.0/8', '"this network" addresses (0.0.0.0/8)'],
  ['127.0.0.0/8', 'loopback addresses (127.0.0.0/8)'],
  ['169.254.0.0/16', 'link-local addresses (169.254.0.0/16)'],
  ['224.0.0.0/4', 'multicast addresses (224.0.0.0/4)'],
  ['255.255.255.255/32', 'the broadcast address 255.255.255.255'],
  ['::/8', 'reserved, loopback and IPv4-mapped addresses (::/8)'],
  ['fe80::/10', 'link-local addresses (fe80::/10)'],
  ['ff00::/8', 'multicast addresses (ff00::/8)'],
];

/** The subnet in canonical form. Throws WEFT_IPAM_POOL_INVALID. */
export function checkSubnet(text: string, family: Family): string {
  const subnet = checkCidr(text, text, '--subnet', family);
  const [, what] = unfit.find(([cidr]) => overlap(cidr, subnet)) ?? [];
  if (what !== undefined)
    throw invalid(subnet, `it holds ${what}`, `Write another one, such as "--subnet ${example[family]}".`);
  if (prefixOf(subnet) > longest[family]) {
    throw invalid(
      subnet,
      'it has no room for containers',
      `Write one with a prefix of at most /${longest[family]}, such as "--subnet ${example[family]}".`,
    );
  }
  return subnet;
}

/** `--ip-range` in canonical form; null when it is all of the subnet. Throws WEFT_IPAM_POOL_INVALID. */
export function checkRange(text: string, subnet: string): string | null {
  const range = checkCidr(text, subnet, '--ip-range', familyOf(subnet));
  if (prefixOf(range) < prefixOf(subnet) || intersect(rangeOf(range), rangeOf(subnet)) === null)
    throw invalid(
      subnet,
      `--ip-range ${range} is not within it`,
      'Write an --ip-range within the --subnet, or leave it away.',
    );
  return range === subnet ? null : range;
}

export function invalid(subnet: string, reason: string, advice: string): WeftError {
  return new WeftError('WEFT_IPAM_POOL_INVALID', { subnet, reason, advice });
}

function checkCidr(text: string, subnet: string, option: string, family: Family): string {
  const cidr = parseCidr(text);
  const such = `such as "--subnet ${example[family]}"`;
  if (cidr === null) {
    const what = option === '--subnet' ? 'it' : `${option} ${text}`;
    throw invalid(subnet, `${what} is not of the form ADDRESS/PREFIX`, `Write one ${such}.`);
  }
  if (familyOf(cidr.address) !== family) {
    const what = option === '--subnet' ? 'it' : `${option} ${text}`;
    throw invalid(subnet, `${what} is not IPv${family}`, `Write an IPv${family} one, ${such}.`);
  }
  const network = networkOf(cidr);
  if (network.address !== cidr.address)
    throw invalid(
      subnet,
      option === '--subnet' ? 'it has host bits set' : `${option} ${text} has host bits set`,
      `Write "${option} ${formatCidr(network)}".`,
    );
  return formatCidr(network);
}

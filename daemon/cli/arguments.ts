/** Checks of arguments that need no daemon. All throw WEFT_USAGE with the name of the argument. */
import { parseCidr, parsePeerAddress, parseSubnet, peerAddressProblem } from '../model/address.js';
import { parseMac } from '../model/mac.js';
import { maxMtu, minMtu } from '../model/mtu.js';
import { usageError } from './failure.js';

function mismatch(name: string, text: string, expected: string): Error {
  return usageError(`${name}: expected ${expected}, got "${text}"`);
}

export function wholeNumber(name: string, text: string, min: number, max: number): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max)) throw mismatch(name, text, `a whole number from ${min} to ${max}`);
  return value;
}

/** Seconds, with a fraction where wanted. */
export function seconds(name: string, text: string, min: number, max: number): number {
  const value = /^\d{1,6}(\.\d{1,3})?$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max)) throw mismatch(name, text, `seconds from ${min} to ${max}`);
  return value;
}

export function mtu(text: string): number | 'auto' {
  if (text === 'auto') return 'auto';
  const value = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= minMtu && value <= maxMtu))
    throw mismatch('--mtu', text, `"auto", or bytes from ${minMtu} to ${maxMtu}`);
  return value;
}

export function mac(name: string, text: string): string {
  const value = parseMac(text);
  if (value === null) throw mismatch(name, text, 'a MAC such as 02:00:5e:10:00:01');
  return value;
}

export function subnet(text: string): string {
  const parsed = parseSubnet(text);
  if ('problem' in parsed) throw usageError(`--subnet ${text}: ${parsed.problem}`);
  return parsed.subnet;
}

/** An address of a port with its prefix. */
export function portAddress(text: string): string {
  if (parseCidr(text) === null)
    throw mismatch('--address', text, 'an address with its prefix, such as 10.42.0.2/24');
  return text;
}

export function peerAddress(text: string): { address: string; port: number | null } {
  const parsed = parsePeerAddress(text);
  if (parsed === null) {
    const problem = peerAddressProblem(text);
    if (problem !== null) throw usageError(`<address>: "${text}": ${problem}`);
    throw mismatch(
      '<address>',
      text,
      'an IPv4 address, an IPv6 address or a host name; with a port as 10.0.0.2:4789 or [fd00::2]:4789',
    );
  }
  return parsed;
}

/** A name or reference that becomes one segment of a URL's path: "." and ".." would be resolved away. */
export function segment(name: string, text: string): string {
  if (text === '' || text === '.' || text === '..') throw usageError(`${name}: "${text}" names nothing`);
  return encodeURIComponent(text);
}

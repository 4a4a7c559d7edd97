/** MAC addresses in their one text form, `aa:bb:cc:dd:ee:ff`. */
import { randomBytes } from 'node:crypto';

const pattern = /^[0-9a-f]{2}([:-])[0-9a-f]{2}(\1[0-9a-f]{2}){4}$/i;

/** The canonical form; null when it is no MAC address. */
export function parseMac(text: string): string | null {
  return pattern.test(text) ? text.toLowerCase().replaceAll('-', ':') : null;
}

export function isUnicastMac(mac: string): boolean {
  return (Number.parseInt(mac.slice(0, 2), 16) & 1) === 0 && mac !== '00:00:00:00:00:00';
}

/** A random, locally administered unicast address. */
export function mintMac(): string {
  const bytes = randomBytes(6);
  bytes[0] = ((bytes[0] ?? 0) & 0xfc) | 0x02;
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

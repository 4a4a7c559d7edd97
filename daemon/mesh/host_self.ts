/** What hellos say of this host. */
import type { HostSelf } from '../datapath/datapath.js';

/** "0.1.0-rc.1" is 0.1.0. */
export function versionNumbers(version: string): [number, number, number] {
  const [major = 0, minor = 0, patch = 0] = version.split(/[-+]/)[0]?.split('.').map(Number) ?? [];
  const whole = (part: number) => (Number.isInteger(part) ? Math.min(Math.max(part, 0), 0xffff) : 0);
  return [whole(major), whole(minor), whole(patch)];
}

export function versionText(version: HostSelf['version']): string {
  return version.join('.');
}

/** A host ID is a UUID; on the wire its 16 bytes. */
export function hostIdBytes(id: string): Buffer {
  const hex = id.replaceAll('-', '');
  return /^[0-9a-f]{32}$/i.test(hex) ? Buffer.from(hex, 'hex') : Buffer.alloc(16);
}

export function hostIdText(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

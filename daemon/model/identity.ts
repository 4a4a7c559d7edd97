/** Identities: what is minted at random, and what is computed from a name so that every host comes to the same. */
import { createHash, randomBytes } from 'node:crypto';

/** VNIs below are left to people; 0xFFFFFF is reserved for the hello between weft hosts. */
export const firstNamedVni = 4096;
export const helloVni = 0xffffff;

/**
 * The VNI of a network that declares none, the same on every host:
 * `4096 + (first 24 bits, big endian, of SHA-256("weft:" + name)) mod 16773119`, so 4096..16777214.
 * Published in docs/internals/identity.md; it can never change, or hosts of two versions would not find each other.
 */
export function vniOfName(name: string): number {
  const bits = createHash('sha256').update(`weft:${name}`).digest().readUIntBE(0, 3);
  return firstNamedVni + (bits % (helloVni - firstNamedVni));
}

export function mintPortId(): string {
  return `p-${randomBytes(4).toString('hex')}`;
}

/** Peers from the file are not stored, so their ID comes from their address and is the same after a restart. */
export function peerIdOf(address: string): string {
  return `v-${createHash('sha256').update(`weft-peer:${address}`).digest('hex').slice(0, 8)}`;
}

/** IFALIAS of every link of ours: by it the janitor knows them, and a restarted daemon finds them. */
export function linkAlias(hostId: string, portId: string): string {
  return `${linkAliasPrefix(hostId)}${portId}`;
}

export function linkAliasPrefix(hostId: string): string {
  return `weft:${hostId}:`;
}

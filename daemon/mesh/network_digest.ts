/** What hosts tell each other of their networks: a digest in each hello, and the list where two digests differ. */
import { createHash } from 'node:crypto';
import { networkNameProblem } from '../model/names.js';

export interface NamedVni {
  name: string;
  vni: number;
}

/** 64 bits: the first of SHA-256 over the lines "VNI NAME", by VNI and then by name. */
export function digestOf(networks: readonly NamedVni[]): bigint {
  const lines = sorted(networks).map(({ vni, name }) => `${vni} ${name}\n`);
  return createHash('sha256').update(lines.join('')).digest().readBigUInt64BE(0);
}

/** Every VNI takes 3 bytes, big endian. */
const vniBytes = 3;

/**
 * One page of the list: a byte that is 1 when more follow, then for each network its VNI, the length of its name in one byte, and the name. It
 * has those with a VNI greater than `after`, by VNI, as many as fit into `room` bytes.
 */
export function writePage(networks: readonly NamedVni[], after: number, room: number): Buffer {
  const pieces: Buffer[] = [];
  let used = 1;
  let more = 0;
  for (const { name, vni } of sorted(networks)) {
    if (vni <= after) continue;
    const text = Buffer.from(name);
    const head = Buffer.alloc(vniBytes + 1);
    head.writeUIntBE(vni, 0, vniBytes);
    head.writeUInt8(text.length, vniBytes);
    if (used + head.length + text.length > room) {
      more = 1;
      break;
    }
    pieces.push(head, text);
    used += head.length + text.length;
  }
  return Buffer.concat([Buffer.from([more]), ...pieces]);
}

/** null when it is no page; every byte of it is another host's. */
export function readPage(page: Buffer): { networks: NamedVni[]; more: boolean } | null {
  if (page.length === 0) return null;
  const networks: NamedVni[] = [];
  for (let at = 1; at < page.length; ) {
    if (at + vniBytes + 1 > page.length) return null;
    const vni = page.readUIntBE(at, vniBytes);
    const end = at + vniBytes + 1 + page.readUInt8(at + vniBytes);
    if (end > page.length) return null;
    const name = page.toString('latin1', at + vniBytes + 1, end);
    if (networkNameProblem(name) !== null) return null;
    if (vni <= (networks.at(-1)?.vni ?? 0)) return null;
    networks.push({ name, vni });
    at = end;
  }
  return { networks, more: page[0] === 1 };
}

export function writeQuestion(after: number): Buffer {
  const text = Buffer.alloc(vniBytes);
  text.writeUIntBE(after, 0, vniBytes);
  return text;
}

export function readQuestion(text: Buffer): number | null {
  return text.length < vniBytes ? null : text.readUIntBE(0, vniBytes);
}

function sorted(networks: readonly NamedVni[]): NamedVni[] {
  return [...networks].sort((one, other) => one.vni - other.vni || (one.name < other.name ? -1 : 1));
}

/** What hosts tell each other of how large packets may be: bytes of IP, as each host computed them by itself. */
import { maxMtu, minMtu } from '../model/mtu.js';

export interface OwnMtus {
  /** Of every network with `mtu: auto`: what fits to all peers. */
  auto: number;
  /** By VNI: of those with a declared MTU. */
  declared: ReadonlyMap<number, number>;
}

export interface MtuPage extends OwnMtus {
  more: boolean;
}

/** A byte that is 1 when more follow, and what `auto` is, in 2 bytes. */
const headBytes = 3;
/** A VNI in 3 bytes, and its MTU in 2: big endian. */
const entryBytes = 5;

/** Those with a VNI greater than `after`, by VNI, as many as fit into `room` bytes; null when nothing does. */
export function writeMtuPage({ auto, declared }: OwnMtus, after: number, room: number): Buffer | null {
  if (room < headBytes) return null;
  const rest = [...declared].filter(([vni]) => vni > after).sort(([one], [other]) => one - other);
  const shown = rest.slice(0, Math.floor((room - headBytes) / entryBytes));
  const page = Buffer.alloc(headBytes + shown.length * entryBytes);
  page.writeUInt8(shown.length < rest.length ? 1 : 0, 0);
  page.writeUInt16BE(auto, 1);
  shown.forEach(([vni, mtu], index) => {
    const at = headBytes + index * entryBytes;
    page.writeUIntBE(vni, at, 3);
    page.writeUInt16BE(mtu, at + 3);
  });
  return page;
}

/** null when it is no page; every byte of it is another host's. */
export function readMtuPage(page: Buffer): MtuPage | null {
  if (page.length < headBytes || (page.length - headBytes) % entryBytes !== 0) return null;
  const auto = page.readUInt16BE(1);
  const declared = new Map<number, number>();
  let last = 0;
  for (let at = headBytes; at < page.length; at += entryBytes) {
    const vni = page.readUIntBE(at, 3);
    const mtu = page.readUInt16BE(at + 3);
    if (vni <= last || !isMtu(mtu)) return null;
    declared.set(vni, mtu);
    last = vni;
  }
  return isMtu(auto) ? { auto, declared, more: page[0] === 1 } : null;
}

function isMtu(mtu: number): boolean {
  return mtu >= minMtu && mtu <= maxMtu;
}

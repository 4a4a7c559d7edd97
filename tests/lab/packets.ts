/** TCP and UDP packets made field by field, whole ones and super-frames, for tests that compare what becomes of them. */
import { sum } from '../../lab/capture.js';
import { gso, needsChecksum, plain, type VnetFrame } from '../../lab/vnet.js';

export const tcpFlags = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32, ece: 64, cwr: 128 } as const;

export interface PacketSpec {
  version: 4 | 6;
  protocol: 'tcp' | 'udp';
  payload: Buffer;
  destinationMac?: string;
  sourceMac?: string;
  /** Tags, the outermost first, each EtherType and TCI. */
  vlan?: readonly [type: number, tci: number][];
  /** ToS or traffic class. */
  trafficClass?: number;
  /** TTL or hop limit. */
  hops?: number;
  /** IPv4 only; flags and fragment offset as in the header, DF alone by default. */
  id?: number;
  fragment?: number;
  /** IPv4 options, padded to 4 bytes. */
  ipOptions?: Buffer;
  /** IPv6: extension headers without their first byte, which is filled in here, each of 8 bytes or a multiple. */
  extensions?: readonly { type: number; rest: Buffer }[];
  flowLabel?: number;
  sourcePort?: number;
  /** TCP only. */
  sequence?: number;
  acknowledgement?: number;
  flags?: number;
  window?: number;
  urgent?: number;
  options?: Buffer;
  /** UDP only: no checksum. */
  noChecksum?: boolean;
  /** Added to the right L4 checksum. */
  damage?: number;
  /** Behind the IP packet. */
  padding?: number;
}

export const guestMac = '02:00:00:00:00:02';
export const speakerMac = '02:00:00:00:00:01';
const addresses = {
  4: [Buffer.from('0a2a0001', 'hex'), Buffer.from('0a2a0002', 'hex')],
  6: [
    Buffer.from('fd420000000000000000000000000001', 'hex'),
    Buffer.from('fd420000000000000000000000000002', 'hex'),
  ],
} as const;

/** The frame, its checksums complete. */
export function packet(spec: PacketSpec): Buffer {
  const { bytes, l4, pseudo } = layOut(spec);
  const field = l4 + (spec.protocol === 'tcp' ? 16 : 6);
  if (spec.noChecksum) return bytes;
  const right =
    ~sum(Buffer.concat([pseudo, bytes.subarray(l4, bytes.length - (spec.padding ?? 0))])) & 0xffff;
  bytes.writeUInt16BE(((right || 0xffff) + (spec.damage ?? 0)) & 0xffff, field);
  return bytes;
}

/** The same with its L4 checksum left to whoever sends it: a super-frame where `gsoSize` is given. */
export function unfinished(spec: PacketSpec, gsoSize = 0, extraType = 0): VnetFrame {
  const { bytes, l4, pseudo } = layOut(spec);
  const field = spec.protocol === 'tcp' ? 16 : 6;
  bytes.writeUInt16BE(sum(pseudo), l4 + field);
  const type = spec.protocol === 'udp' ? gso.udp : spec.version === 4 ? gso.tcp4 : gso.tcp6;
  const header = spec.protocol === 'udp' ? 8 : (bytes.readUInt8(l4 + 12) >> 4) * 4;
  return {
    vnet: {
      flags: needsChecksum,
      gsoType: gsoSize === 0 ? gso.none : type | extraType,
      headerLength: l4 + header,
      gsoSize,
      checksumStart: l4,
      checksumOffset: field,
    },
    bytes,
  };
}

/** A frame that asks nothing of anybody. */
export function finished(bytes: Buffer): VnetFrame {
  return { vnet: plain, bytes };
}

/** Bytes that are all different for a while, so that a piece in the wrong place is seen. */
export function pattern(length: number, seed = 0): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at++) bytes[at] = (at * 7 + (at >> 8) * 13 + seed) & 0xff;
  return bytes;
}

interface Layout {
  bytes: Buffer;
  /** Where the L4 header begins. */
  l4: number;
  /** The pseudo-header of its checksum. */
  pseudo: Buffer;
}

function layOut(spec: PacketSpec): Layout {
  const segment = spec.protocol === 'tcp' ? tcpSegment(spec) : udpDatagram(spec);
  const number = spec.protocol === 'tcp' ? 6 : 17;
  const ip =
    spec.version === 4 ? ipv4Header(spec, number, segment.length) : ipv6Header(spec, number, segment.length);
  const ethernet = ethernetHeader(spec);
  const end = Buffer.alloc(8);
  end.writeUInt32BE(segment.length, 0);
  end.writeUInt32BE(number, 4);
  return {
    bytes: Buffer.concat([ethernet, ip, segment, Buffer.alloc(spec.padding ?? 0)]),
    l4: ethernet.length + ip.length,
    pseudo: Buffer.concat([...addresses[spec.version], end]),
  };
}

function ethernetHeader({
  version,
  vlan = [],
  destinationMac = guestMac,
  sourceMac = speakerMac,
}: PacketSpec): Buffer {
  const macs = Buffer.from((destinationMac + sourceMac).replaceAll(':', ''), 'hex');
  const rest = Buffer.alloc(4 * vlan.length + 2);
  for (const [index, [type, tci]] of vlan.entries()) {
    rest.writeUInt16BE(type, 4 * index);
    rest.writeUInt16BE(tci, 4 * index + 2);
  }
  rest.writeUInt16BE(version === 4 ? 0x0800 : 0x86dd, 4 * vlan.length);
  return Buffer.concat([macs, rest]);
}

function ipv4Header(spec: PacketSpec, protocol: number, length: number): Buffer {
  const { trafficClass = 0, hops = 64, id = 0, fragment = 0x4000, ipOptions = Buffer.alloc(0) } = spec;
  const header = Buffer.concat([Buffer.alloc(12), ...addresses[4], ipOptions]);
  header.writeUInt8(0x40 | (header.length / 4), 0);
  header.writeUInt8(trafficClass, 1);
  header.writeUInt16BE(header.length + length, 2);
  header.writeUInt16BE(id & 0xffff, 4);
  header.writeUInt16BE(fragment, 6);
  header.writeUInt8(hops, 8);
  header.writeUInt8(protocol, 9);
  header.writeUInt16BE(~sum(header) & 0xffff, 10);
  return header;
}

function ipv6Header(spec: PacketSpec, protocol: number, length: number): Buffer {
  const { trafficClass = 0, hops = 64, flowLabel = 0, extensions = [] } = spec;
  const chain = extensions.map(({ rest }, index) =>
    Buffer.concat([Buffer.of(extensions[index + 1]?.type ?? protocol), rest]),
  );
  const header = Buffer.concat([Buffer.alloc(8), ...addresses[6]]);
  header.writeUInt32BE(0x60000000 + trafficClass * 0x100000 + flowLabel, 0);
  header.writeUInt16BE(
    chain.reduce((total, { length: bytes }) => total + bytes, length),
    4,
  );
  header.writeUInt8(extensions[0]?.type ?? protocol, 6);
  header.writeUInt8(hops, 7);
  return Buffer.concat([header, ...chain]);
}

function tcpSegment(spec: PacketSpec): Buffer {
  const {
    sequence = 1000,
    acknowledgement = 7,
    flags = tcpFlags.ack,
    window = 8192,
    urgent = 0,
    payload,
  } = spec;
  const { sourcePort = 40000, options = Buffer.alloc(0) } = spec;
  const header = Buffer.concat([Buffer.alloc(20), options]);
  header.writeUInt16BE(sourcePort, 0);
  header.writeUInt16BE(8000, 2);
  header.writeUInt32BE(sequence >>> 0, 4);
  header.writeUInt32BE(acknowledgement, 8);
  header.writeUInt8((header.length / 4) << 4, 12);
  header.writeUInt8(flags, 13);
  header.writeUInt16BE(window, 14);
  header.writeUInt16BE(urgent, 18);
  return Buffer.concat([header, payload]);
}

function udpDatagram({ sourcePort = 40000, payload }: PacketSpec): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt16BE(sourcePort, 0);
  header.writeUInt16BE(8000, 2);
  header.writeUInt16BE(8 + payload.length, 4);
  return Buffer.concat([header, payload]);
}

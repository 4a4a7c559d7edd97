/** What a guest may leave to weft: super-frames, and frames without a checksum. */
import { sum } from '../../lab/capture.js';
import { gso, needsChecksum, type VnetFrame } from '../../lab/vnet.js';
import { guestMac, type PacketSpec, packet, pattern, speakerMac, tcpFlags, unfinished } from './packets.js';

export interface GsoCase {
  name: string;
  frame: VnetFrame;
  /** How many frames of the wire it is. */
  segments: number;
  /** What tells the case's frames from others: 4 bytes that all of them have. */
  mark: Buffer;
}

type Spec = Omit<PacketSpec, 'protocol' | 'version' | 'payload'>;

const { ack, cwr, ece, fin, psh, urg } = tcpFlags;
const timestamps = Buffer.from('0101080a0000000700000009', 'hex');
const dot1q = 0x8100;
const dot1ad = 0x88a8;
const padding = Buffer.from('00010400000000', 'hex');
const hopByHop = { type: 0, rest: padding };
const destination = { type: 60, rest: padding };

/** Name, IP version, bytes of payload, bytes in a segment, what else there is, more of the virtio type. */
type Row = [string, 4 | 6, number, number, Spec?, number?];

/** The largest frame that a guest's kernel does not cut itself, on a TAP with weft's gso_max_size of 61,000 bytes. */
const largest = 60_999;
/** Segments that fill 1450 bytes of IP. */
const full = { tcp4: 1410, tcp6: 1390, udp4: 1422, udp6: 1402 };

const tcpRows: Row[] = [
  ['TCP, IPv4', 4, 10 * 1400, 1400],
  ['TCP, IPv4, the last one is odd', 4, 5 * 1400 + 33, 1400],
  ['TCP, IPv4, the last one has one byte', 4, 5 * 1400 + 1, 1400],
  ['TCP, IPv4, an odd segment size', 4, 7 * 777 + 5, 777],
  ['TCP, IPv4, as large as can be', 4, largest - 54, full.tcp4],
  ['TCP, IPv4, the smallest segments', 4, 40 * 48, 48],
  ['TCP, IPv4, 128 segments', 4, 128 * 470, 470],
  ['TCP, IPv4, two segments', 4, 101, 100],
  ['TCP, IPv4, one segment', 4, 1000, 1000],
  ['TCP, IPv4, with time stamps', 4, 6 * 1398 - 7, 1398, { options: timestamps }],
  ['TCP, IPv4, the ID wraps', 4, 4 * 1400, 1400, { id: 0xfffe }],
  ['TCP, IPv4, without DF, the ID wraps', 4, 4 * 1400, 1400, { id: 0xfffe, fragment: 0 }],
  ['TCP, IPv4, the sequence wraps', 4, 4 * 1400, 1400, { sequence: -1500 }],
  ['TCP, IPv4, with options', 4, 4 * 1400, 1400, { ipOptions: Buffer.from('01010101', 'hex') }],
  ['TCP, IPv4, FIN', 4, 3 * 1400 + 3, 1400, { flags: ack | fin }],
  ['TCP, IPv4, PSH', 4, 3 * 1400, 1400, { flags: ack | psh }],
  ['TCP, IPv4, FIN and PSH', 4, 3 * 1400, 1400, { flags: ack | fin | psh }],
  ['TCP, IPv4, CWR', 4, 3 * 1400, 1400, { flags: ack | cwr }, gso.ecn],
  ['TCP, IPv4, CWR, ECE, PSH and FIN', 4, 3 * 1400, 1400, { flags: ack | cwr | ece | psh | fin }, gso.ecn],
  ['TCP, IPv4, ECE', 4, 3 * 1400, 1400, { flags: ack | ece }],
  ['TCP, IPv4, urgent', 4, 3 * 1400, 1400, { flags: ack | urg, urgent: 1500 }],
  ...[0, 1, 2, 3].map(
    (ecn): Row => [
      `TCP, IPv4, ECN ${ecn}`,
      4,
      3 * 1400,
      1400,
      { trafficClass: 0xb8 | ecn, hops: 1 + ecn * 84 },
    ],
  ),
  ['TCP, IPv4, tagged', 4, 5 * 1400 + 9, 1400, { vlan: [[dot1q, 0x2007]] }],
  [
    'TCP, IPv4, tagged twice',
    4,
    5 * 1400 + 9,
    1400,
    {
      vlan: [
        [dot1ad, 5],
        [dot1q, 7],
      ],
    },
  ],
  ['TCP, IPv6', 6, 10 * 1380, 1380],
  ['TCP, IPv6, the last one is odd', 6, 5 * 1380 + 33, 1380],
  ['TCP, IPv6, as large as can be', 6, largest - 74, full.tcp6],
  ['TCP, IPv6, with time stamps', 6, 6 * 1370 - 7, 1370, { options: timestamps }],
  ['TCP, IPv6, FIN and PSH', 6, 3 * 1380, 1380, { flags: ack | fin | psh }],
  ['TCP, IPv6, CWR', 6, 3 * 1380, 1380, { flags: ack | cwr }, gso.ecn],
  [
    'TCP, IPv6, class and flow label',
    6,
    3 * 1380,
    1380,
    { trafficClass: 0x2b, flowLabel: 0xabcde, hops: 255 },
  ],
  ['TCP, IPv6, hop-by-hop options', 6, 4 * 1370 + 1, 1370, { extensions: [hopByHop] }],
  ['TCP, IPv6, two extension headers', 6, 4 * 1370 + 1, 1370, { extensions: [hopByHop, destination] }],
  ['TCP, IPv6, tagged', 6, 4 * 1370 + 1, 1370, { vlan: [[dot1q, 7]] }],
];

const udpRows: Row[] = [
  ['UDP, IPv4', 4, 10 * 1400, 1400],
  ['UDP, IPv4, the last one is odd', 4, 5 * 1400 + 33, 1400],
  ['UDP, IPv4, an odd segment size', 4, 7 * 777 + 5, 777],
  ['UDP, IPv4, full', 4, 40 * full.udp4, full.udp4],
  ['UDP, IPv4, the smallest segments', 4, 40 * 48, 48],
  ['UDP, IPv4, 128 segments', 4, 128 * 100, 100],
  ['UDP, IPv4, without DF, the ID wraps', 4, 4 * 1400, 1400, { id: 0xfffe, fragment: 0 }],
  ['UDP, IPv4, class and TTL', 4, 4 * 1400, 1400, { trafficClass: 0x2a, hops: 1 }],
  ['UDP, IPv4, tagged', 4, 4 * 1400, 1400, { vlan: [[dot1q, 7]] }],
  ['UDP, IPv6', 6, 10 * 1380, 1380],
  ['UDP, IPv6, the last one is odd', 6, 5 * 1380 + 33, 1380],
  ['UDP, IPv6, full', 6, 40 * full.udp6, full.udp6],
  [
    'UDP, IPv6, class and flow label',
    6,
    3 * 1380,
    1380,
    { trafficClass: 0x2b, flowLabel: 0xabcde, hops: 255 },
  ],
  ['UDP, IPv6, hop-by-hop options', 6, 4 * 1370 + 1, 1370, { extensions: [hopByHop] }],
];

function row(
  protocol: 'tcp' | 'udp',
  [name, version, length, size, more = {}, type = 0]: Row,
  index: number,
): GsoCase {
  const sourcePort = (protocol === 'tcp' ? 40000 : 50000) + index;
  const spec: PacketSpec = {
    version,
    protocol,
    payload: pattern(length, index),
    id: 500,
    sourcePort,
    destinationMac: guestMac,
    sourceMac: speakerMac,
    ...more,
  };
  return {
    name,
    frame: unfinished(spec, size, type),
    segments: Math.ceil(length / size),
    mark: ports(sourcePort),
  };
}

function ports(source: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt16BE(source, 0);
  bytes.writeUInt16BE(8000, 2);
  return bytes;
}

/** The first segment's sum is zero, which UDP writes as ffff. */
function sumOfZero(version: 4 | 6): GsoCase {
  const name = `UDP, IPv${version}, a checksum of zero`;
  const made = row('udp', [name, version, 0, 100], 100 + version);
  const spec: PacketSpec = {
    version,
    protocol: 'udp',
    payload: pattern(300, 3),
    sourcePort: 50100 + version,
  };
  spec.payload.writeUInt16BE(0, 98);
  const first = packet({ ...spec, payload: spec.payload.subarray(0, 100) });
  spec.payload.writeUInt16BE(first.readUInt16BE(first.length - 100 - 2), 98);
  return { ...made, frame: unfinished(spec, 100), segments: 3 };
}

/** Frames of one segment whose checksum somebody else has to write. */
function alone(): GsoCase[] {
  const made = (
    name: string,
    version: 4 | 6,
    protocol: 'tcp' | 'udp',
    index: number,
    more: Spec = {},
    bytes = 501,
  ) => {
    const sourcePort = 60000 + index;
    const spec: PacketSpec = { version, protocol, payload: pattern(bytes, index), sourcePort, ...more };
    return { name: `unfinished: ${name}`, frame: unfinished(spec), segments: 1, mark: ports(sourcePort) };
  };
  return [
    made('TCP over IPv4', 4, 'tcp', 0),
    made('UDP over IPv4', 4, 'udp', 1),
    made('UDP over IPv4, of even length', 4, 'udp', 2, {}, 500),
    made('UDP over IPv4, empty', 4, 'udp', 3, {}, 0),
    made('UDP over IPv4, tagged', 4, 'udp', 4, { vlan: [[dot1q, 7]] }),
    made('UDP over IPv4 with options', 4, 'udp', 5, { ipOptions: Buffer.from('01010101', 'hex') }),
    made('TCP over IPv6', 6, 'tcp', 6),
    made('UDP over IPv6', 6, 'udp', 7),
    made('UDP over IPv6, behind two extension headers', 6, 'udp', 8, { extensions: [hopByHop, destination] }),
    ...others(),
  ];
}

/** Protocols of which weft knows nothing but where the guest wants the checksum. */
function others(): GsoCase[] {
  // The IP header of a UDP datagram with another protocol in it, and that protocol's bytes.
  const inIp = (
    version: 4 | 6,
    protocol: number,
    body: Buffer,
  ): { bytes: Buffer; start: number; pseudo: number } => {
    const donor = packet({ version, protocol: 'udp', payload: Buffer.alloc(Math.max(0, body.length - 8)) });
    const start = version === 4 ? 34 : 54;
    donor.writeUInt8(protocol, version === 4 ? 23 : 20);
    if (version === 4) {
      donor.writeUInt16BE(0, 24);
      donor.writeUInt16BE(~sum(donor.subarray(14, 34)) & 0xffff, 24);
    }
    body.copy(donor, start);
    const end = Buffer.alloc(8);
    end.writeUInt32BE(body.length, 0);
    end.writeUInt32BE(protocol, 4);
    const pseudo = version === 4 ? 0 : sum(Buffer.concat([donor.subarray(22, 54), end]));
    return { bytes: donor, start, pseudo };
  };
  const needs = (name: string, bytes: Buffer, start: number, offset: number, mark: Buffer): GsoCase => ({
    name: `unfinished: ${name}`,
    frame: {
      vnet: {
        flags: needsChecksum,
        gsoType: gso.none,
        headerLength: 0,
        gsoSize: 0,
        checksumStart: start,
        checksumOffset: offset,
      },
      bytes,
    },
    segments: 1,
    mark,
  });
  const echo = (type: number, id: string, length: number) =>
    Buffer.concat([Buffer.of(type, 0, 0, 0), Buffer.from(id, 'hex'), pattern(length)]);
  const icmp = inIp(4, 1, echo(8, 'e0e10001', 333));
  const icmp6 = inIp(6, 58, echo(128, 'e0e10002', 333));
  icmp6.bytes.writeUInt16BE(icmp6.pseudo, icmp6.start + 2);
  const mark = Buffer.from('e0e10003', 'hex');
  const carried = Buffer.concat([mark, pattern(200)]);
  // GRE (RFC 2784) with the checksum bit, of an EtherType for experiments.
  const gre = inIp(4, 47, Buffer.concat([Buffer.from('800088b500000000', 'hex'), carried]));
  const gre6 = inIp(6, 47, Buffer.concat([Buffer.from('800088b500000000e0e10004', 'hex'), pattern(201)]));
  // Neither IP nor at an even place.
  const odd = Buffer.concat([
    Buffer.from(`${guestMac}${speakerMac}88b6`.replaceAll(':', ''), 'hex'),
    Buffer.from('e0e10005', 'hex'),
    pattern(300),
  ]);
  odd.writeUInt16BE(0, 21 + 3);
  return [
    needs('ICMP', icmp.bytes, icmp.start, 2, Buffer.from('e0e10001', 'hex')),
    needs('ICMPv6', icmp6.bytes, icmp6.start, 2, Buffer.from('e0e10002', 'hex')),
    needs('GRE over IPv4', gre.bytes, gre.start, 4, mark),
    needs('GRE over IPv6', gre6.bytes, gre6.start, 4, Buffer.from('e0e10004', 'hex')),
    needs('no IP, at an odd place', odd, 21, 3, Buffer.from('e0e10005', 'hex')),
  ];
}

export const gsoCases: readonly GsoCase[] = [
  ...tcpRows.map((each, index) => row('tcp', each, index)),
  ...udpRows.map((each, index) => row('udp', each, index)),
  sumOfZero(4),
  sumOfZero(6),
  ...alone(),
];

/**
 * Frames that may or may not be joined: the matrix of the kernel's own GRO selftest (tools/testing/selftests/net/gro.c), and what it
 * leaves out. Which of them are joined is not said here: the running kernel is asked.
 */
import { type PacketSpec, packet, pattern, tcpFlags } from './packets.js';

export interface GroCase {
  name: string;
  frames: GroFrame[];
  /** The IPv4 IDs stay the same with DF, so that the cut super-frame has others (RFC 6864). */
  idsAreLost?: boolean;
}

export interface GroFrame {
  bytes: Buffer;
  /** Without the padding behind the IP packet. */
  unpadded: Buffer;
  payload: Buffer;
  /** Source port: frames of one flow never overtake each other. */
  flow: number;
}

type Change = Partial<PacketSpec>;

const size = 100;
const { ack, cwr, ece, fin, psh, rst, syn, urg } = tcpFlags;

/** Segments of a TCP connection, one behind the other: each of `lengths` bytes, changed by the entry of the same index. */
function tcp(version: 4 | 6, lengths: number[], ...changes: (Change | undefined)[]): GroFrame[] {
  let sequence = 1000;
  return lengths.map((length, index) => {
    const spec: PacketSpec = {
      version,
      protocol: 'tcp',
      id: 100 + index,
      sequence,
      payload: pattern(length, index + seedOf(changes[index])),
      ...changes[index],
    };
    sequence += spec.payload.length;
    return frame(spec);
  });
}

function udp(version: 4 | 6, lengths: number[], ...changes: (Change | undefined)[]): GroFrame[] {
  return lengths.map((length, index) =>
    frame({
      version,
      protocol: 'udp',
      id: 100 + index,
      payload: pattern(length, index + seedOf(changes[index])),
      ...changes[index],
    }),
  );
}

/** So that no two frames of a case have the same payload. */
function seedOf(change: Change | undefined): number {
  return 16 * (change?.sourcePort ?? 0);
}

function frame(spec: PacketSpec): GroFrame {
  const bytes = packet(spec);
  const unpadded = bytes.subarray(0, bytes.length - (spec.padding ?? 0));
  return { bytes, unpadded, payload: spec.payload, flow: spec.sourcePort ?? 0 };
}

/** `count` frames of the usual size. */
const same = (count: number) => Array<number>(count).fill(size);
/** Five frames; the third has a flag more and, as in the selftest, no payload unless it is PSH or FIN. */
const third = (version: 4 | 6, flag: number, length = 0) =>
  tcp(version, [size, size, length, size, size], undefined, undefined, { flags: ack | flag });
const all = (count: number, change: Change) => Array<Change>(count).fill(change);

const timestamp = (value: number, order = 0) => {
  const option = Buffer.from('080a0000000000000000', 'hex');
  option.writeUInt32BE(value, 2);
  const nop = Buffer.of(1);
  return Buffer.concat(
    [
      [nop, nop, option],
      [nop, option, nop],
      [option, nop, nop],
    ][order] as Buffer[],
  );
};
const windowScale = Buffer.from('01030300', 'hex');

/** As large as an IP packet can be, and a byte more, in segments that fill a page. */
function large(version: 4 | 6, excess: number): GroFrame[] {
  const mss = 4096 - 60;
  const most = 65535 - (version === 4 ? 40 : 60);
  // The length field of IPv6 does not count its header, but the kernel's limit does.
  const whole = Math.floor((65535 - 60) / mss);
  const rest = (most - whole * mss) % mss;
  return tcp(version, [...Array<number>(whole).fill(mss), rest + excess, rest + excess]);
}

function common(version: 4 | 6): GroCase[] {
  const tos = (trafficClass: number) => ({ trafficClass });
  return [
    { name: 'data: equal sizes', frames: tcp(version, same(2)) },
    { name: 'data: a small one at the end', frames: tcp(version, [size, size / 2]) },
    { name: 'data: a larger one at the end', frames: tcp(version, [size / 2, size]) },
    { name: 'data: nothing follows a small one', frames: tcp(version, [size, size, 30, size, size]) },
    { name: 'data: forty', frames: tcp(version, same(40)) },
    { name: 'data: of one byte each', frames: tcp(version, Array(8).fill(1)) },
    { name: 'data: two connections in turn', frames: interleaved(version) },
    {
      name: 'ack: pure, twice, and another',
      frames: tcp(version, [0, 0, 0], {}, {}, { acknowledgement: 8 }),
    },
    { name: 'ack: pure, between data', frames: tcp(version, [size, size, 0, size, size]) },
    { name: 'ack: it advances with the data', frames: tcp(version, same(3), {}, {}, { acknowledgement: 8 }) },
    { name: 'ack: the window changes', frames: tcp(version, same(3), {}, {}, { window: 8000 }) },
    { name: 'flags: PSH', frames: third(version, psh, size) },
    { name: 'flags: PSH on each', frames: tcp(version, same(3), ...all(3, { flags: ack | psh })) },
    {
      name: 'flags: PSH on a small one',
      frames: tcp(version, [size, size, 30], {}, {}, { flags: ack | psh }),
    },
    { name: 'flags: SYN', frames: third(version, syn) },
    { name: 'flags: RST', frames: third(version, rst) },
    { name: 'flags: URG', frames: third(version, urg) },
    { name: 'flags: URG with data', frames: tcp(version, same(3), {}, { flags: ack | urg, urgent: 5 }) },
    { name: 'flags: FIN, with data, between', frames: third(version, fin, size) },
    { name: 'flags: FIN, with data, last', frames: tcp(version, same(3), {}, {}, { flags: ack | fin }) },
    {
      name: 'flags: FIN, PSH and data, last',
      frames: tcp(version, same(3), {}, {}, { flags: ack | fin | psh }),
    },
    { name: 'flags: FIN, without data', frames: tcp(version, [size, size, 0], {}, {}, { flags: ack | fin }) },
    { name: 'flags: CWR on the first', frames: tcp(version, same(3), { flags: ack | cwr }) },
    { name: 'flags: CWR in the middle', frames: third(version, cwr, size) },
    { name: 'flags: CWR on each', frames: tcp(version, same(3), ...all(3, { flags: ack | cwr })) },
    { name: 'flags: ECE on each', frames: tcp(version, same(3), ...all(3, { flags: ack | ece })) },
    { name: 'flags: ECE on the second', frames: tcp(version, same(3), {}, { flags: ack | ece }) },
    { name: 'flags: none, not even ACK', frames: tcp(version, same(2), ...all(2, { flags: 0 })) },
    { name: 'tcp: a wrong checksum', frames: tcp(version, same(2), {}, { damage: -1 }) },
    { name: 'tcp: a wrong checksum first', frames: tcp(version, same(3), { damage: 1 }) },
    { name: 'tcp: an urgent pointer without URG', frames: tcp(version, same(2), {}, { urgent: 5 }) },
    { name: 'tcp: a gap', frames: tcp(version, same(2), {}, { sequence: 1101 }) },
    { name: 'tcp: an overlap', frames: tcp(version, same(2), {}, { sequence: 1099 }) },
    {
      name: 'tcp: the same again',
      frames: tcp(version, same(3), {}, { sequence: 1000 }, { sequence: 1100 }),
    },
    { name: 'tcp: the sequence wraps', frames: wrapped(version) },
    {
      name: 'tcp: equal time stamps, then others, then in another order',
      frames: tcp(
        version,
        same(5),
        ...[timestamp(0), timestamp(0), timestamp(100), timestamp(100, 1), timestamp(100, 2)].map(
          (options) => ({
            options,
          }),
        ),
      ),
    },
    {
      name: 'tcp: other options',
      frames: tcp(
        version,
        same(3),
        { options: timestamp(0) },
        { options: timestamp(0) },
        { options: windowScale },
      ),
    },
    { name: 'tcp: options or none', frames: tcp(version, same(2), {}, { options: timestamp(0) }) },
    { name: 'ip: ECN differs', frames: tcp(version, same(2), {}, tos(2)) },
    { name: 'ip: all are marked CE', frames: tcp(version, same(3), tos(3), tos(3), tos(3)) },
    { name: 'ip: the class differs', frames: tcp(version, same(2), {}, tos(0xf0)) },
    { name: 'ip: an equal class', frames: tcp(version, same(2), tos(0xb8), tos(0xb8)) },
    { name: 'ip: TTL differs', frames: tcp(version, same(2), {}, { hops: 63 }) },
    { name: 'large: all that fits', frames: large(version, 0) },
    { name: 'large: a byte too much', frames: large(version, 1) },
    {
      name: 'Ethernet: padding behind small frames',
      frames: tcp(version, [1, 1], { padding: 5 }, { padding: 5 }),
    },
    {
      name: 'Ethernet: another source',
      frames: tcp(version, same(2), {}, { sourceMac: '02:00:00:00:00:03' }),
    },
    { name: 'udp: equal sizes', frames: udp(version, same(3)) },
    { name: 'udp: a small one at the end', frames: udp(version, [size, size, 30]) },
    { name: 'udp: a larger one at the end', frames: udp(version, [size, size, 200, 200]) },
    { name: 'udp: nothing follows a small one', frames: udp(version, [size, 30, size, size]) },
    { name: 'udp: without a checksum', frames: udp(version, same(3), ...all(3, { noChecksum: true })) },
    { name: 'udp: a wrong checksum', frames: udp(version, same(3), {}, { damage: 1 }) },
    { name: 'udp: empty', frames: udp(version, [0, 0]) },
    {
      name: 'udp: two ports in turn',
      frames: udp(version, same(4), {}, { sourcePort: 40001 }, {}, { sourcePort: 40001 }),
    },
    { name: 'udp: ECN differs', frames: udp(version, same(2), {}, tos(1)) },
    { name: 'udp: TTL differs', frames: udp(version, same(2), {}, { hops: 63 }) },
  ];
}

function interleaved(version: 4 | 6): GroFrame[] {
  const [one, other] = [40000, 40001].map((sourcePort) =>
    tcp(version, same(4), ...all(4, { sourcePort })),
  ) as [GroFrame[], GroFrame[]];
  return one.flatMap((first, index) => [first, ...other.slice(index, index + 1)]);
}

function wrapped(version: 4 | 6): GroFrame[] {
  return tcp(version, same(3), ...[-150, -50, 50].map((sequence) => ({ sequence })));
}

/** IPv4 IDs, each case with DF and without. */
function identification(): GroCase[] {
  const ids = (fragment: number, ...values: number[]) =>
    tcp(4, same(values.length), ...values.map((id) => ({ id, fragment })));
  const datagrams = (fragment: number, ...values: number[]) =>
    udp(4, same(values.length), ...values.map((id) => ({ id, fragment })));
  const df = 0x4000;
  return [
    { name: 'id: DF, counting', frames: ids(df, 8, 9) },
    { name: 'id: DF, fixed', frames: ids(df, 8, 8), idsAreLost: true },
    { name: 'id: counting', frames: ids(0, 8, 9) },
    { name: 'id: fixed', frames: ids(0, 8, 8), idsAreLost: true },
    { name: 'id: DF, two count and one is fixed', frames: ids(df, 8, 9, 9) },
    { name: 'id: DF, two are fixed and one counts', frames: ids(df, 8, 8, 9), idsAreLost: true },
    { name: 'id: DF, wrapping', frames: ids(df, 0xffff, 0, 1) },
    { name: 'id: DF, backwards', frames: ids(df, 9, 8) },
    { name: 'id: backwards', frames: ids(0, 9, 8) },
    { name: 'id: udp, DF, fixed', frames: datagrams(df, 0, 0, 0), idsAreLost: true },
    { name: 'id: udp, counting', frames: datagrams(0, 8, 9, 10) },
    { name: 'id: udp, fixed', frames: datagrams(0, 8, 8), idsAreLost: true },
    { name: 'ip: the reserved bit', frames: tcp(4, same(2), ...all(2, { fragment: 0xc000 })) },
    { name: 'ip: DF differs', frames: tcp(4, same(2), {}, { fragment: 0 }) },
    {
      name: 'ip: options',
      frames: tcp(4, same(3), {}, { ipOptions: Buffer.from('440c050000000000', 'hex') }),
    },
    {
      name: 'ip: options on each',
      frames: tcp(4, same(2), ...all(2, { ipOptions: Buffer.from('01010101', 'hex') })),
    },
    { name: 'ip: a first fragment', frames: tcp(4, same(2), {}, { fragment: 0x6000 }) },
    { name: 'ip: a later fragment', frames: tcp(4, same(3), {}, { fragment: 0x0010 }) },
  ];
}

function ipv6Headers(): GroCase[] {
  const header = (type: number, rest: string) => ({ extensions: [{ type, rest: Buffer.from(rest, 'hex') }] });
  const hopByHop = (fill: string) => header(0, `00${fill.repeat(6)}`);
  const fragment = header(44, '00000000000001');
  return [
    { name: 'ip: the flow label differs', frames: tcp(6, same(2), {}, { flowLabel: 5 }) },
    { name: 'ip: equal flow labels', frames: tcp(6, same(2), { flowLabel: 5 }, { flowLabel: 5 }) },
    { name: 'ip: a fragment', frames: tcp(6, same(4), {}, {}, fragment) },
    { name: 'ip: equal extension headers', frames: tcp(6, same(2), hopByHop('00'), hopByHop('00')) },
    { name: 'ip: other extension headers', frames: tcp(6, same(2), hopByHop('00'), hopByHop('11')) },
    { name: 'ip: an extension header or none', frames: tcp(6, same(3), hopByHop('00')) },
    {
      name: 'ip: equal destination options',
      frames: tcp(6, same(3), ...all(3, header(60, '00010400000000'))),
    },
    { name: 'udp: equal extension headers', frames: udp(6, same(3), ...all(3, hopByHop('00'))) },
  ];
}

export const groCases: readonly GroCase[] = [
  ...common(4).map((each) => ({ ...each, name: `IPv4, ${each.name}` })),
  ...identification().map((each) => ({ ...each, name: `IPv4, ${each.name}` })),
  ...common(6).map((each) => ({ ...each, name: `IPv6, ${each.name}` })),
  ...ipv6Headers().map((each) => ({ ...each, name: `IPv6, ${each.name}` })),
];

/** What passes an interface: tcpdump writes it down, and this reads IP, UDP and VXLAN out of it without any help of weft. */
import type { ChildProcess } from 'node:child_process';
import ipaddr from 'ipaddr.js';
import { killed, type Namespace } from './namespace.js';
import { until } from './wait.js';

export interface IpPacket {
  source: string;
  destination: string;
  /** DSCP << 2 | ECN */
  trafficClass: number;
  hopLimit: number;
  /** IPv4: DF. IPv6 packets are never fragmented on their way. */
  dontFragment: boolean;
  /** Any fragment, the first one too. */
  fragment: boolean;
  /** Bytes, header included. */
  length: number;
  protocol: number;
  /** The sum over the IPv4 header is right; always true for IPv6. */
  headerHolds: boolean;
  payload: Buffer;
}

export interface Datagram {
  ip: IpPacket;
  sourcePort: number;
  destinationPort: number;
  /** As on the wire; 0 means none. */
  checksum: number;
  /** The checksum is there and right, over pseudo-header, header and payload. */
  checksumHolds: boolean;
  payload: Buffer;
}

// tcpdump's buffer has a fixed slot for every frame: these are 32 MiB and the largest frame that is wanted whole.
const room = ['-B', '32768', '-s', '9216'];
const tcp = 6;
const udp = 17;
const ipv6Fragment = 44;

export class Capture {
  readonly #child: ChildProcess;
  #bytes = Buffer.alloc(0);
  /** What came since, joined when it is asked for: tcpdump must not wait, or it loses frames. */
  #chunks: Buffer[] = [];
  #said = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#said += chunk.toString();
    });
  }

  /** Everything that passes from when this resolves on, in both directions or in one. `filter` is tcpdump's. */
  static async start(
    namespace: Namespace,
    { ifname = 'eth0', direction = 'inout', filter = '' }: CaptureOptions = {},
  ): Promise<Capture> {
    const options = ['-i', ifname, '-Q', direction, '-U', '--immediate-mode', '-w', '-', ...room];
    const capture = new Capture(namespace.start(['tcpdump', ...options, filter], 'pipe'));
    await until(`tcpdump listens in ${namespace.name}`, () => capture.#said.includes('listening on'));
    return capture;
  }

  /** What was captured so far, as a file of libpcap. */
  get pcap(): Buffer {
    if (this.#chunks.length > 0) this.#bytes = Buffer.concat([this.#bytes, ...this.#chunks]);
    this.#chunks = [];
    return this.#bytes;
  }

  /** The Ethernet frames so far, of super-frames the beginning. */
  frames(): Buffer[] {
    // libpcap's file format: 24 bytes of header, 16 before each frame, in the byte order of the machine.
    const bytes = this.pcap;
    const frames: Buffer[] = [];
    for (let at = 24; at + 16 <= bytes.length; ) {
      const length = bytes.readUInt32LE(at + 8);
      if (at + 16 + length > bytes.length) break;
      frames.push(bytes.subarray(at + 16, at + 16 + length));
      at += 16 + length;
    }
    return frames;
  }

  packets(): IpPacket[] {
    return this.frames().flatMap((frame) => parseIp(frame) ?? []);
  }

  /** The whole UDP datagrams so far; fragments are only in {@link packets}. */
  datagrams(): Datagram[] {
    return this.packets().flatMap((packet) => parseUdp(packet) ?? []);
  }

  /** Waits for the `count`th datagram that `matches`, and gives all of them. */
  until(what: string, count: number, matches: (datagram: Datagram) => boolean): Promise<Datagram[]> {
    return until(what, () => {
      const found = this.datagrams().filter(matches);
      return found.length >= count && found;
    });
  }

  stop(): Promise<void> {
    return killed(this.#child);
  }
}

export interface CaptureOptions {
  ifname?: string;
  direction?: 'in' | 'out' | 'inout';
  filter?: string;
}

/** The IP packet in an Ethernet frame, behind VLAN tags too; undefined when there is none. */
export function parseIp(frame: Buffer): IpPacket | undefined {
  let at = 12;
  while (frame.length >= at + 6 && [0x8100, 0x88a8].includes(frame.readUInt16BE(at))) at += 4;
  if (frame.length < at + 2) return undefined;
  const type = frame.readUInt16BE(at);
  const bytes = frame.subarray(at + 2);
  if (type === 0x0800 && bytes.length >= 20) return parseIpv4(bytes);
  if (type === 0x86dd && bytes.length >= 40) return parseIpv6(bytes);
  return undefined;
}

/** The UDP datagram in a packet that is no fragment. */
export function parseUdp(ip: IpPacket): Datagram | undefined {
  const bytes = ip.payload;
  if (ip.fragment || ip.protocol !== udp || bytes.length < 8) return undefined;
  const checksum = bytes.readUInt16BE(6);
  return {
    ip,
    sourcePort: bytes.readUInt16BE(0),
    destinationPort: bytes.readUInt16BE(2),
    checksum,
    checksumHolds: checksum !== 0 && sum(Buffer.concat([pseudoHeader(ip, bytes.length), bytes])) === 0xffff,
    payload: bytes.subarray(8, bytes.readUInt16BE(4)),
  };
}

/**
 * Of TCP or UDP: right, only the sum of the pseudo-header (left to be finished), or neither; 'both' where the two are one value, as they
 * are by chance for one packet of 65,535. Undefined for other packets.
 */
export function l4Checksum(ip: IpPacket): 'finished' | 'unfinished' | 'both' | 'wrong' | undefined {
  const bytes = ip.payload;
  const at = ip.protocol === tcp ? 16 : 6;
  if (ip.fragment || ![tcp, udp].includes(ip.protocol) || bytes.length < at + 2) return undefined;
  const header = pseudoHeader(ip, bytes.length);
  const finished = sum(Buffer.concat([header, bytes])) === 0xffff;
  const unfinished = bytes.readUInt16BE(at) === sum(header);
  if (finished && unfinished) return 'both';
  if (finished) return 'finished';
  return unfinished ? 'unfinished' : 'wrong';
}

/** The checksum that a UDP datagram (header with a field of zero, payload) between two addresses must have. */
export function udpChecksum(source: string, destination: string, datagram: Buffer): number {
  const header = pseudoHeader({ source, destination, protocol: udp }, datagram.length);
  const checksum = ~sum(Buffer.concat([header, datagram])) & 0xffff;
  return checksum === 0 ? 0xffff : checksum;
}

/** RFC 1071, word by word; 0xffff over what contains its own right checksum. */
export function sum(bytes: Buffer): number {
  let total = 0;
  for (let at = 0; at < bytes.length; at += 2) {
    total += bytes.readUInt8(at) * 256 + (at + 1 < bytes.length ? bytes.readUInt8(at + 1) : 0);
    if (total > 0xffff) total -= 0xffff;
  }
  return total;
}

function parseIpv4(bytes: Buffer): IpPacket {
  const header = (bytes.readUInt8(0) & 0x0f) * 4;
  const length = bytes.readUInt16BE(2);
  const flags = bytes.readUInt16BE(6);
  return {
    source: address(bytes.subarray(12, 16)),
    destination: address(bytes.subarray(16, 20)),
    trafficClass: bytes.readUInt8(1),
    hopLimit: bytes.readUInt8(8),
    dontFragment: (flags & 0x4000) !== 0,
    fragment: (flags & 0x3fff) !== 0,
    length,
    protocol: bytes.readUInt8(9),
    headerHolds: sum(bytes.subarray(0, header)) === 0xffff,
    payload: bytes.subarray(header, length),
  };
}

function parseIpv6(bytes: Buffer): IpPacket {
  const length = 40 + bytes.readUInt16BE(4);
  const protocol = bytes.readUInt8(6);
  return {
    source: address(bytes.subarray(8, 24)),
    destination: address(bytes.subarray(24, 40)),
    trafficClass: (bytes.readUInt16BE(0) >> 4) & 0xff,
    hopLimit: bytes.readUInt8(7),
    dontFragment: true,
    fragment: protocol === ipv6Fragment,
    length,
    protocol,
    headerHolds: true,
    payload: bytes.subarray(40, length),
  };
}

function pseudoHeader(
  { source, destination, protocol }: Pick<IpPacket, 'source' | 'destination' | 'protocol'>,
  length: number,
): Buffer {
  const end = Buffer.alloc(8);
  end.writeUInt32BE(length, 0);
  end.writeUInt32BE(protocol, 4);
  return Buffer.concat([bytesOf(source), bytesOf(destination), end]);
}

function address(bytes: Buffer): string {
  return ipaddr.fromByteArray([...bytes]).toString();
}

function bytesOf(text: string): Buffer {
  return Buffer.from(ipaddr.parse(text).toByteArray());
}

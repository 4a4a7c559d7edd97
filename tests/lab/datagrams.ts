/** Datagrams and frames made byte by byte, for tests that speak VXLAN themselves. */
import ipaddr from 'ipaddr.js';
import { sum, udpChecksum } from '../../lab/capture.js';
import { tool } from '../../lab/checkout.js';
import type { Namespace } from '../../lab/namespace.js';

/** RFC 7348, section 5. */
export function vxlanHeader(vni: number, flags = 0x08): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt8(flags, 0);
  header.writeUIntBE(vni, 4, 3);
  return header;
}

/** An address as it lies in a header: 4 or 16 bytes. */
export function bytesOf(address: string): Buffer {
  return Buffer.from(ipaddr.parse(address).toByteArray());
}

export function ethernet(destination: string, source: string, type: number): Buffer {
  const header = Buffer.alloc(14);
  Buffer.from(destination.replaceAll(':', ''), 'hex').copy(header, 0);
  Buffer.from(source.replaceAll(':', ''), 'hex').copy(header, 6);
  header.writeUInt16BE(type, 12);
  return header;
}

export interface Ipv4Options {
  source: string;
  destination: string;
  payload: Buffer;
  trafficClass?: number;
  ttl?: number;
}

/** An IPv4 packet with a UDP datagram from port 7000 to 7001, checksums right, DF set. */
export function udpOverIpv4({
  source,
  destination,
  payload,
  trafficClass = 0,
  ttl = 64,
}: Ipv4Options): Buffer {
  const udp = Buffer.concat([Buffer.alloc(8), payload]);
  udp.writeUInt16BE(7000, 0);
  udp.writeUInt16BE(7001, 2);
  udp.writeUInt16BE(udp.length, 4);
  udp.writeUInt16BE(udpChecksum(source, destination, udp), 6);
  const ip = Buffer.alloc(20);
  ip.writeUInt8(0x45, 0);
  ip.writeUInt8(trafficClass, 1);
  ip.writeUInt16BE(20 + udp.length, 2);
  ip.writeUInt16BE(0x4000, 6);
  ip.writeUInt8(ttl, 8);
  ip.writeUInt8(17, 9);
  Buffer.from(source.split('.').map(Number)).copy(ip, 12);
  Buffer.from(destination.split('.').map(Number)).copy(ip, 16);
  ip.writeUInt16BE(~sum(ip) & 0xffff, 10);
  return Buffer.concat([ip, udp]);
}

export interface RawDatagram {
  source: string;
  destination: string;
  payload: Buffer;
  port?: number;
  sourcePort?: number;
  /** Of the outer header: DSCP << 2 | ECN. */
  trafficClass?: number;
  /** By default the right one. */
  checksum?: number | ((right: number) => number);
}

/** Sends a UDP datagram whose checksum may be anything. */
export function sendRaw(from: Namespace, datagram: RawDatagram): Promise<string> {
  const { source, destination, payload, port = 4789, sourcePort = 50000, trafficClass = 0 } = datagram;
  const bytes = Buffer.concat([Buffer.alloc(8), payload]);
  bytes.writeUInt16BE(sourcePort, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.writeUInt16BE(bytes.length, 4);
  const right = udpChecksum(source, destination, bytes);
  const { checksum = right } = datagram;
  const sent = typeof checksum === 'number' ? checksum : checksum(right);
  return from.run([
    ...[tool('raw_udp'), source, destination, `${sourcePort}`, `${port}`, `${trafficClass}`],
    ...[sent.toString(16), payload.toString('hex')],
  ]);
}

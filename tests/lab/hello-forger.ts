/** A program that answers hellos on the VXLAN port as a weft host of any version would, made apart from the daemon's own code. */
import type { ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Namespace } from '../../lab/namespace.js';

const port = 4789;
/** VXLAN and Ethernet. */
const outer = 22;

export class HelloForger {
  private constructor(private readonly child: ChildProcess) {}

  static async start(namespace: Namespace, version: readonly [number, number, number]): Promise<HelloForger> {
    const tsx = import.meta.resolve('tsx');
    const argv = [process.execPath, '--import', tsx, fileURLToPath(import.meta.url), ...version.map(String)];
    return new HelloForger(namespace.start(argv));
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await ended;
  }
}

const u64 = (value: bigint) => BigInt.asUintN(64, value);

function mix(value: bigint): bigint {
  let out = value ^ (value >> 32n);
  out = u64(out * 0x9e3779b97f4a7c15n);
  out ^= out >> 29n;
  out = u64(out * 0xd6e8feb86659fd93n);
  return out ^ (out >> 32n);
}

function hashBytes(start: bigint, bytes: Buffer): bigint {
  let hash = start;
  let at = 0;
  for (; bytes.length - at >= 8; at += 8)
    hash = u64(mix(hash ^ bytes.readBigUInt64BE(at)) + BigInt(bytes.length - at));
  let rest = 0n;
  for (; at < bytes.length; at++) rest = (rest << 8n) | BigInt(bytes[at] ?? 0);
  return mix(hash ^ rest);
}

/** Of the layout at the top of native/wire/control_frame.h. */
function features(nonce: Buffer, version: readonly number[], address: string, from: number): Buffer {
  const message = Buffer.alloc(96);
  message.write('weft\x01\x05', 0, 'latin1');
  message.writeUInt16BE(message.length, 6);
  nonce.copy(message, 16);
  message.fill(7, 32, 48);
  message.writeBigUInt64BE(99n, 48);
  for (const [index, part] of version.entries()) message.writeUInt16BE(part, 56 + 2 * index);
  message.writeBigUInt64BE(12345n, 64);
  message.writeUInt16BE(0xffff, 82);
  Buffer.from(address.split('.').map(Number)).copy(message, 84);
  message.writeUInt16BE(from, 88);
  const head = hashBytes(BigInt(message.length), message.subarray(0, 8));
  message.writeBigUInt64BE(hashBytes(head, message.subarray(16)), 8);
  return message;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const version = process.argv.slice(2, 5).map(Number);
  const socket = createSocket('udp4');
  socket.on('message', (datagram, { address, port: from }) => {
    const message = datagram.subarray(outer);
    if (message.length < 96 || message.toString('latin1', 0, 6) !== 'weft\x01\x04') return;
    const answer = features(message.subarray(16, 24), version, address, from);
    socket.send(Buffer.concat([datagram.subarray(0, outer), answer]), port, address);
  });
  socket.bind(port);
}

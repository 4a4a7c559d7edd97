/** Frames as the kernel has them between its own layers: with a virtio header, so that super-frames can be sent and seen. */
import type { ChildProcess } from 'node:child_process';
import { tool } from './checkout.js';
import { killed, type Namespace } from './namespace.js';
import { until } from './wait.js';

/** What VIRTIO_NET_HDR_GSO_* says. */
export const gso = { none: 0, tcp4: 1, tcp6: 4, udp: 5, ecn: 0x80 } as const;

export const needsChecksum = 1;

export interface VnetHeader {
  /** {@link needsChecksum}, or 2 where the kernel knows the checksum to be right. */
  flags: number;
  gsoType: number;
  headerLength: number;
  /** Bytes of payload in each segment. */
  gsoSize: number;
  /** From the start of the frame. */
  checksumStart: number;
  /** From `checksumStart`. */
  checksumOffset: number;
}

export interface VnetFrame {
  vnet: VnetHeader;
  /** From the Ethernet header on, VLAN tags in their place. */
  bytes: Buffer;
}

export const plain: VnetHeader = {
  flags: 0,
  gsoType: gso.none,
  headerLength: 0,
  gsoSize: 0,
  checksumStart: 0,
  checksumOffset: 0,
};

/**
 * Sends frames out of an interface, by AF_PACKET, in one go. With `cpu` no other thread of normal priority runs there meanwhile: a
 * threaded NAPI that is pinned to it finds them all in one poll.
 */
export function sendFrames(
  namespace: Namespace,
  ifname: string,
  frames: readonly VnetFrame[],
  cpu?: number,
): Promise<string> {
  const input = frames.map(({ vnet, bytes }) => `${encode(vnet)} ${bytes.toString('hex')}\n`).join('');
  const argv = [tool('vnet_send'), ifname, ...(cpu === undefined ? [] : [`${cpu}`])];
  return namespace.run(argv, { input });
}

/** What comes in on an interface, as the kernel has it: super-frames whole, checksums perhaps unfinished. */
export class VnetCapture {
  readonly #child: ChildProcess;
  #text = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString();
    });
  }

  /** Everything that comes in from when this resolves on. */
  static async start(namespace: Namespace, ifname = 'eth0'): Promise<VnetCapture> {
    const capture = new VnetCapture(namespace.start([tool('vnet_capture'), ifname], 'pipe'));
    await until(`${ifname} is captured in ${namespace.name}`, () => capture.#text.startsWith('ready\n'));
    return capture;
  }

  /** The frames since the last {@link clear}. */
  frames(): VnetFrame[] {
    const lines = this.#text.split('\n').slice(0, -1);
    return lines.filter((line) => line !== 'ready').map(decode);
  }

  /** Forgets what came so far. */
  clear(): void {
    this.#text = this.#text.slice(this.#text.lastIndexOf('\n') + 1);
  }

  stop(): Promise<void> {
    return killed(this.#child);
  }
}

// All fields are in the byte order of the machine, which is the little-endian one wherever weft runs.
function encode(vnet: VnetHeader): string {
  const bytes = Buffer.alloc(10);
  bytes.writeUInt8(vnet.flags, 0);
  bytes.writeUInt8(vnet.gsoType, 1);
  bytes.writeUInt16LE(vnet.headerLength, 2);
  bytes.writeUInt16LE(vnet.gsoSize, 4);
  bytes.writeUInt16LE(vnet.checksumStart, 6);
  bytes.writeUInt16LE(vnet.checksumOffset, 8);
  return bytes.toString('hex');
}

function decode(line: string): VnetFrame {
  const [vnet = '', frame = ''] = line.split(' ');
  const bytes = Buffer.from(vnet, 'hex');
  return {
    vnet: {
      flags: bytes.readUInt8(0),
      gsoType: bytes.readUInt8(1),
      headerLength: bytes.readUInt16LE(2),
      gsoSize: bytes.readUInt16LE(4),
      checksumStart: bytes.readUInt16LE(6),
      checksumOffset: bytes.readUInt16LE(8),
    },
    bytes: Buffer.from(frame, 'hex'),
  };
}

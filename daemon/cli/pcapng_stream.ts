/** A capture as it arrives: cut into whole blocks of pcapng, so that what is passed on is a file at any time, and counted. */
import { endianness } from 'node:os';

const header = 8;
const least = 12;
/** The engine's largest frame with what is told of it, and room to spare. */
const largest = 1024 * 1024;
const interfaceStatistics = 5;
const enhancedPacket = 6;
const comment = 1;
const dropped = 5;

export class PcapngStream {
  frames = 0;
  /** Frames that had no room in the engine's ring. */
  lost = 0;
  /** Why the capture ended, in the words of the daemon; null while it goes on, and when it was cut off. */
  end: string | null = null;
  private rest: Buffer = Buffer.alloc(0);

  /** The whole blocks that are there now; empty while there are none. Null when it is no pcapng. */
  take(chunk: Uint8Array): Buffer | null {
    const bytes =
      this.rest.length === 0
        ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
        : Buffer.concat([this.rest, chunk]);
    let at = 0;
    while (at + header <= bytes.length) {
      const length = read32(bytes, at + 4);
      if (length < least || length > largest || length % 4 !== 0) return null;
      if (at + length > bytes.length) break;
      this.count(bytes.subarray(at, at + length));
      at += length;
    }
    this.rest = Buffer.from(bytes.subarray(at));
    return bytes.subarray(0, at);
  }

  private count(block: Buffer): void {
    const type = read32(block, 0);
    if (type === enhancedPacket) this.frames += 1;
    if (type !== interfaceStatistics) return;
    this.end ??= '';
    for (let at = 20; at + 4 <= block.length - 4; ) {
      const code = read16(block, at);
      const value = block.subarray(at + 4, at + 4 + read16(block, at + 2));
      if (code === comment) this.end = value.toString('utf8');
      if (code === dropped && value.length === 8) this.lost += read32(value, 0) + read32(value, 4) * 2 ** 32;
      at += 4 + ((value.length + 3) & ~3);
    }
  }
}

/** Where the last block ends that is whole in the first `limit` bytes of `blocks`, which are blocks from their beginning on. */
export function endOfWhole(blocks: Buffer, limit: number): number {
  let at = 0;
  while (at + header <= limit && at + read32(blocks, at + 4) <= limit) at += read32(blocks, at + 4);
  return at;
}

const little = endianness() === 'LE';

function read32(bytes: Buffer, at: number): number {
  return little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at);
}

function read16(bytes: Buffer, at: number): number {
  return little ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at);
}

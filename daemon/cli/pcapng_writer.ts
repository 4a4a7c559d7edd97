/** Blocks of pcapng for one Ethernet interface, in little-endian byte order. */

const blocks = { section: 0x0a0d0d0a, interface: 1, statistics: 5, packet: 6 };
const ethernet = 1;
const comment = 1;
const unknownLength = 0xffff_ffff_ffff_ffffn;

export class PcapngWriter {
  private told = 0;

  /** The section and its interface. Times are in nanoseconds. */
  head(name: string, filter: string, snaplen: number): Buffer {
    const section = Buffer.alloc(16);
    section.writeUInt32LE(0x1a2b3c4d, 0);
    section.writeUInt16LE(1, 4);
    section.writeBigUInt64LE(unknownLength, 8);
    const fixed = Buffer.alloc(8);
    fixed.writeUInt16LE(ethernet, 0);
    fixed.writeUInt32LE(snaplen, 4);
    const options = [
      option(2, Buffer.from(name)),
      option(9, Buffer.from([9])),
      option(11, Buffer.from(`\0${filter}`)),
    ];
    return Buffer.concat([
      block(blocks.section, section),
      block(blocks.interface, Buffer.concat([fixed, ...options, option(0, Buffer.alloc(0))])),
    ]);
  }

  /** A frame of `length` bytes that came now, or the beginning of it. `lost` is how many are missing so far. */
  packet(frame: Uint8Array, length: number, lost: number): Buffer {
    const fixed = Buffer.alloc(20);
    writeTime(fixed, 4);
    fixed.writeUInt32LE(frame.length, 12);
    fixed.writeUInt32LE(length, 16);
    const missing = lost - this.told;
    this.told = lost;
    const options = missing === 0 ? [] : [option(4, long(missing)), option(0, Buffer.alloc(0))];
    return block(blocks.packet, Buffer.concat([fixed, padded(frame), ...options]));
  }

  statistics(frames: number, lost: number, why: string): Buffer {
    const fixed = Buffer.alloc(12);
    writeTime(fixed, 4);
    const options = [
      option(comment, Buffer.from(why)),
      option(4, long(frames + lost)),
      option(5, long(lost)),
    ];
    return block(blocks.statistics, Buffer.concat([fixed, ...options, option(0, Buffer.alloc(0))]));
  }
}

function block(type: number, body: Buffer): Buffer {
  const bytes = Buffer.alloc(12 + body.length);
  bytes.writeUInt32LE(type, 0);
  bytes.writeUInt32LE(bytes.length, 4);
  body.copy(bytes, 8);
  bytes.writeUInt32LE(bytes.length, bytes.length - 4);
  return bytes;
}

function option(code: number, value: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16LE(code, 0);
  head.writeUInt16LE(value.length, 2);
  return Buffer.concat([head, padded(value)]);
}

function padded(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes], (bytes.length + 3) & ~3);
}

function long(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

/** The upper half first, as the format has it. */
function writeTime(to: Buffer, at: number): void {
  const now = BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n;
  to.writeUInt32LE(Number(now >> 32n), at);
  to.writeUInt32LE(Number(now & 0xffff_ffffn), at + 4);
}

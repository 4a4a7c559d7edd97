/** Blocks of pcapng, as the daemon sends them. */

export function block(type: number, body: Buffer): Buffer {
  const bytes = Buffer.alloc(12 + body.length);
  bytes.writeUInt32LE(type, 0);
  bytes.writeUInt32LE(bytes.length, 4);
  body.copy(bytes, 8);
  bytes.writeUInt32LE(bytes.length, bytes.length - 4);
  return bytes;
}

/** A packet of so many bytes. */
export function frame(length: number): Buffer {
  return block(6, Buffer.alloc(20 + ((length + 3) & ~3), length));
}

export function statistics(lost: number, comment: string): Buffer {
  const dropped = Buffer.alloc(8);
  dropped.writeBigUInt64LE(BigInt(lost));
  return block(
    5,
    Buffer.concat([
      Buffer.alloc(12),
      option(1, Buffer.from(comment)),
      option(5, dropped),
      option(0, Buffer.alloc(0)),
    ]),
  );
}

function option(code: number, value: Buffer): Buffer {
  const bytes = Buffer.alloc(4 + ((value.length + 3) & ~3));
  bytes.writeUInt16LE(code, 0);
  bytes.writeUInt16LE(value.length, 2);
  value.copy(bytes, 4);
  return bytes;
}

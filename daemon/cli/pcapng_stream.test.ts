import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PcapngStream } from './pcapng_stream.js';
import { block, frame, statistics } from './testing/pcapng.js';

const file = Buffer.concat([
  block(0x0a0d0d0a, Buffer.alloc(16)),
  block(1, Buffer.alloc(8)),
  frame(60),
  frame(61),
  statistics(7, 'the capture ended: the time was over'),
  statistics(2, 'the capture ended: the time was over'),
]);

describe('a capture as it arrives', () => {
  it('comes out in whole blocks, wherever it is cut, and is counted', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 100 })), (steps) => {
        const stream = new PcapngStream();
        let passed = Buffer.alloc(0);
        let at = 0;
        for (const step of [...steps, file.length]) {
          const blocks = stream.take(file.subarray(at, at + step));
          at = Math.min(at + step, file.length);
          passed = Buffer.concat([passed, blocks ?? Buffer.from('no pcapng')]);
        }
        expect(passed.equals(file)).toBe(true);
        expect(stream).toMatchObject({ frames: 2, lost: 9, end: 'the capture ended: the time was over' });
      }),
    );
  });

  it('has no end while the statistics are missing, and keeps back half a block', () => {
    const stream = new PcapngStream();
    const whole = file.subarray(0, 28 + 20);
    expect(stream.take(file.subarray(0, whole.length + 30))?.equals(whole)).toBe(true);
    expect(stream).toMatchObject({ frames: 0, end: null });
  });

  it.each([0, 8, 13, 2 ** 31])('is none when a block has %i bytes', (bytes) => {
    const broken = Buffer.from(file);
    broken.writeUInt32LE(bytes, 28 + 4);
    expect(new PcapngStream().take(broken)).toBeNull();
  });

  it('takes any bytes without a mistake of its own', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const stream = new PcapngStream();
        stream.take(Buffer.concat([block(5, Buffer.from(bytes.subarray(0, bytes.length & ~3)))]));
        stream.take(bytes);
      }),
    );
  });
});

/** Capturing on an interface with a `cap` of its own; the real one needs headers that a machine need not have. */
import { describe, expect, it } from 'vitest';
import { optionalPackage } from './optional_package.js';
import { PcapngStream } from './pcapng_stream.js';
import { type CapModule, captureUnderlay, type UnderlayCapture } from './underlay_capture.js';

class FakeCap {
  static last: FakeCap;
  opened: unknown[] = [];
  closed = false;
  linkType = 'ETHERNET';
  private buffer: Buffer = Buffer.alloc(0);
  private listener: (bytes: number, truncated: boolean) => void = () => undefined;

  constructor() {
    FakeCap.last = this;
  }

  open(device: string, filter: string, _bytes: number, buffer: Buffer): string {
    this.opened = [device, filter];
    this.buffer = buffer;
    return device === 'tun0' ? 'RAW' : 'ETHERNET';
  }

  on(_event: 'packet', listener: (bytes: number, truncated: boolean) => void): void {
    this.listener = listener;
  }

  see(bytes: number): void {
    this.buffer.fill(bytes, 0, bytes);
    this.listener(bytes, false);
  }

  close(): void {
    this.closed = true;
  }
}

const module: CapModule = { Cap: FakeCap };
const wanted: UnderlayCapture = {
  interface: 'eth0',
  filter: 'udp',
  snaplen: 100,
  frames: undefined,
  bytes: undefined,
  seconds: undefined,
};

/** What comes when `frames` pass in turn, one behind each block that was taken. */
async function captured(options: Partial<UnderlayCapture>, frames: readonly number[], abort = false) {
  const interruption = new AbortController();
  const stream = new PcapngStream();
  const left = [...frames];
  let size = 0;
  for await (const chunk of captureUnderlay(module, { ...wanted, ...options }, interruption.signal)) {
    size += stream.take(chunk)?.length ?? Number.NaN;
    const next = left.shift();
    if (next !== undefined) FakeCap.last.see(next);
    else if (abort) interruption.abort();
  }
  return { frames: stream.frames, lost: stream.lost, end: stream.end, size };
}

/** epb_dropcount of a block with a frame. */
function missingBefore(block: Buffer): number {
  const options = 28 + ((block.readUInt32LE(20) + 3) & ~3);
  const told = block.readUInt32LE(0) === 6 && block.length > options + 4;
  return told ? Number(block.readBigUInt64LE(options + 4)) : 0;
}

describe('a capture on an interface', () => {
  it('ends when it is interrupted, and closes what it opened', async () => {
    const result = await captured({}, [60, 90, 1500], true);
    expect(result).toMatchObject({ frames: 3, lost: 0, end: 'the capture ended: it was asked to' });
    expect(FakeCap.last).toMatchObject({ opened: ['eth0', 'udp'], closed: true });
  });

  it('ends with the last frame that was asked for', async () => {
    expect(await captured({ frames: 2 }, [60, 60, 60])).toMatchObject({
      frames: 2,
      end: 'the capture ended: the number of frames was reached',
    });
  });

  it('ends before it is too large', async () => {
    const result = await captured({ bytes: 500 }, [60, 60, 60, 60, 60]);
    expect(result).toMatchObject({ end: 'the capture ended: the size was reached' });
    expect(result.size).toBeLessThanOrEqual(500);
    expect(result.frames).toBeGreaterThan(1);
  });

  it('ends when its time is over', async () => {
    expect(await captured({ seconds: 0.01 }, [60])).toMatchObject({
      end: 'the capture ended: the time was over',
    });
  });

  it('leaves out what a reader is too slow for, and tells', async () => {
    const interruption = new AbortController();
    const stream = new PcapngStream();
    const chunks = captureUnderlay(module, { ...wanted, snaplen: 262_144 }, interruption.signal);
    stream.take((await chunks.next()).value as Uint8Array);
    for (let i = 0; i < 600; i++) FakeCap.last.see(60_000);
    let missing = 0;
    const take = (chunk: Uint8Array) => {
      stream.take(chunk);
      missing += missingBefore(Buffer.from(chunk));
    };
    take((await chunks.next()).value as Uint8Array);
    FakeCap.last.see(60);
    interruption.abort();
    for await (const chunk of chunks) take(chunk);
    expect(stream.lost).toBeGreaterThan(0);
    expect(stream.frames + stream.lost).toBe(601);
    // The first frame behind the gap tells of it.
    expect(missing).toBe(stream.lost);
  });

  it('refuses what is no Ethernet', async () => {
    await expect(captured({ interface: 'tun0' }, [])).rejects.toThrow(
      'tun0 is no Ethernet interface, but RAW',
    );
    expect(FakeCap.last.closed).toBe(true);
  });

  it('does without packages that are not built', () => {
    for (const name of ['cap', 'raw-socket'] as const) expect(() => optionalPackage(name)).not.toThrow();
  });
});

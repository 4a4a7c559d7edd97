/**
 * What passes an interface of this host, by the optional package `cap`, in the shape of what weftd sends of a capture. Frames pass through
 * JavaScript here, a copy and an event for each: that is for looking at the underlay, and not for measuring it.
 */
import { PcapngWriter } from './pcapng_writer.js';

/** The part of `cap` that is used. */
export interface CapModule {
  Cap: new () => {
    /** Writes each frame to the beginning of `buffer`, which it does not keep alive. The link type, such as ETHERNET. */
    open(device: string, filter: string, bufferBytes: number, buffer: Buffer): string;
    setMinBytes?(bytes: number): void;
    on(event: 'packet', listener: (bytes: number, truncated: boolean) => void): void;
    close(): void;
  };
}

export interface UnderlayCapture {
  interface: string;
  filter: string;
  snaplen: number;
  /** undefined: no limit. */
  frames: number | undefined;
  bytes: number | undefined;
  seconds: number | undefined;
}

const largestFrame = 262_144;
/** Of the kernel's ring, by libpcap. */
const ringBytes = 32 * 1024 * 1024;
/** Of frames that wait here for a slow reader. */
const waitingBytes = 32 * 1024 * 1024;
/** Bytes of the last block, whatever its sentence. */
const roomForStatistics = 128;

/** Blocks of pcapng until a limit is reached or the signal aborts. Throws what libpcap refuses. */
export async function* captureUnderlay(
  { Cap }: CapModule,
  options: UnderlayCapture,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const {
    snaplen,
    frames: most = Number.POSITIVE_INFINITY,
    bytes: largest = Number.POSITIVE_INFINITY,
  } = options;
  const writer = new PcapngWriter();
  const queue: Buffer[] = [];
  let waiting = 0;
  let seen = 0;
  let lost = 0;
  let end: string | null = null;
  let wake = (): void => undefined;
  const finish = (reason: string): void => {
    end ??= reason;
    wake();
  };
  // Held until close(): cap writes to it for as long as it is open.
  const buffer = Buffer.alloc(largestFrame);
  const cap = new Cap();
  const linkType = cap.open(options.interface, options.filter, ringBytes, buffer);
  const interrupt = (): void => finish('it was asked to');
  signal.addEventListener('abort', interrupt);
  const { seconds } = options;
  const timer =
    seconds === undefined ? undefined : setTimeout(() => finish('the time was over'), seconds * 1000);
  try {
    if (linkType !== 'ETHERNET')
      throw new Error(`${options.interface} is no Ethernet interface, but ${linkType}`);
    cap.setMinBytes?.(0);
    cap.on('packet', (bytes) => {
      if (end !== null) return;
      const kept = Math.min(bytes, snaplen);
      if (waiting + kept > waitingBytes) {
        lost += 1;
        return;
      }
      const block = writer.packet(buffer.subarray(0, kept), bytes, lost);
      queue.push(block);
      waiting += block.length;
      seen += 1;
      if (seen >= most) finish('the number of frames was reached');
      wake();
    });
    let written = 0;
    const file = writer.head(options.interface, options.filter, snaplen);
    written += file.length;
    yield file;
    if (signal.aborted) interrupt();
    while (end === null || queue.length > 0) {
      if (queue.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      const blocks = queue.splice(0);
      for (const block of blocks) {
        waiting -= block.length;
        if (written + block.length + roomForStatistics > largest) {
          finish('the size was reached');
          queue.length = 0;
          break;
        }
        written += block.length;
        yield block;
      }
    }
    yield writer.statistics(seen, lost, `the capture ended: ${end}`);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', interrupt);
    cap.close();
    // Used once more behind close(), so that it lives until then.
    buffer.fill(0, 0, 1);
  }
}

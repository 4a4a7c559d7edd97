/** Where a capture goes: a file, standard output, or a program that prints it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, createWriteStream, openSync, readSync, statSync, truncateSync } from 'node:fs';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { WeftError } from '../errors.js';
import type { Io } from './io.js';
import { endOfWhole } from './pcapng_stream.js';

export interface CaptureOutput {
  /**
   * Takes whole blocks, and waits while the far side is slow. Throws WEFT_CAPTURE_OUTPUT; a file then ends with the last block that is whole.
   * False when the reader went away, which is no mistake.
   */
  write(bytes: Buffer): Promise<boolean>;
  /** Everything is where it belongs, and a program that prints has printed. Throws WEFT_CAPTURE_OUTPUT when that program failed. */
  close(): Promise<void>;
}

/** Those that print frames which they read from standard input, the first that is there. */
const printers = [
  ['tcpdump', '-n', '-e', '-l', '-r', '-'],
  ['tshark', '-n', '-l', '-r', '-'],
] as const;

/** Only the owner may read what was captured. A capture that is there is written over; throws WEFT_CAPTURE_FILE for anything else. */
export async function openFile(file: string, cwd: string): Promise<CaptureOutput> {
  const path = resolve(cwd, file);
  if (holdsSomethingElse(file, path)) throw new WeftError('WEFT_CAPTURE_FILE', { file });
  const stream = createWriteStream(path, { mode: 0o600 });
  try {
    await once(stream, 'open');
  } catch (cause) {
    throw refused(file, cause as Error);
  }
  return new FileOutput(stream, file, path);
}

/** How a file of pcapng begins, and one of pcap: in both byte orders, with micro- and nanoseconds. */
const magics: ReadonlySet<number> = new Set([0x0a0d0d0a, 0xa1b2c3d4, 0xd4c3b2a1, 0xa1b23c4d, 0x4d3cb2a1]);

/** Of a file that cannot be read nobody knows what it holds. */
function holdsSomethingElse(file: string, path: string): boolean {
  const beginning = Buffer.alloc(4);
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined || !found.isFile() || found.size === 0) return false;
    const handle = openSync(path, 'r');
    try {
      return readSync(handle, beginning) < beginning.length || !magics.has(beginning.readUInt32BE());
    } finally {
      closeSync(handle);
    }
  } catch (cause) {
    throw refused(file, cause as Error);
  }
}

export function openStandardOutput(io: Io): CaptureOutput {
  return new StreamOutput(io.bytes(), 'standard output');
}

/** Throws WEFT_CAPTURE_TERMINAL when there is no such program. */
export async function openPrinter(io: Io): Promise<CaptureOutput> {
  for (const [program, ...words] of printers) {
    // Not of our process group: Ctrl-C ends the capture, and what was captured until then is still to be printed.
    const child = spawn(program, words, { stdio: ['pipe', 'inherit', 'pipe'], detached: true });
    const started = await new Promise<boolean>((decide) => {
      child.once('spawn', () => decide(true));
      child.once('error', () => decide(false));
    });
    if (started) return new StreamOutput(child.stdin, program, howItEnds(child, io));
  }
  throw new WeftError('WEFT_CAPTURE_TERMINAL');
}

/** Why it failed, null when it did not. tcpdump takes a reader of its own that goes away for a failure, which it is not here. */
async function howItEnds(
  child: ChildProcess & { readonly stderr: Readable },
  { stderr }: Io,
): Promise<Error | null> {
  let brokenPipe = false;
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (line.endsWith(': Broken pipe')) brokenPipe = true;
    else stderr.write(`${line}\n`);
  });
  const [status] = await once(child, 'close');
  return status && !brokenPipe ? new Error(`it ended with exit status ${status}`) : null;
}

class StreamOutput implements CaptureOutput {
  private failure: NodeJS.ErrnoException | null = null;

  constructor(
    private readonly stream: Writable,
    private readonly name: string,
    private readonly ended: Promise<Error | null> = Promise.resolve(null),
  ) {
    stream.on('error', (error) => {
      this.failure ??= error;
    });
  }

  async write(bytes: Buffer): Promise<boolean> {
    await new Promise<void>((done) => {
      this.stream.write(bytes, (error) => {
        this.failure ??= error ?? null;
        done();
      });
    });
    if (this.failure !== null) this.failed(bytes);
    return this.isOpen();
  }

  /** Of these bytes a part may have been written. */
  protected failed(_bytes: Buffer): void {}

  async close(): Promise<void> {
    if (this.isOpen()) await new Promise<void>((done) => this.stream.end(() => done()));
    this.isOpen();
    const failure = await this.ended;
    if (failure !== null) throw refused(this.name, failure);
  }

  private isOpen(): boolean {
    if (this.failure === null) return true;
    // A program that ended takes the stream with it, without a write that fails.
    if (this.failure.code === 'EPIPE' || this.failure.code === 'ERR_STREAM_DESTROYED') return false;
    throw refused(this.name, this.failure);
  }
}

class FileOutput extends StreamOutput {
  private written = 0;

  constructor(
    stream: Writable,
    name: string,
    private readonly path: string,
  ) {
    super(stream, name);
  }

  override async write(bytes: Buffer): Promise<boolean> {
    const open = await super.write(bytes);
    this.written += bytes.length;
    return open;
  }

  /** A full disk takes a part of a block, and what the file has before it is worth reading. */
  protected override failed(bytes: Buffer): void {
    try {
      const { size } = statSync(this.path);
      const whole = this.written + endOfWhole(bytes, size - this.written);
      if (whole < size) truncateSync(this.path, whole);
    } catch {
      // It is a device, or gone.
    }
  }
}

function refused(file: string, cause: Error): WeftError {
  return new WeftError('WEFT_CAPTURE_OUTPUT', { file, reason: cause.message }, { cause });
}

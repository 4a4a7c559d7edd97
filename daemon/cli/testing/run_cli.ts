/** Runs the CLI in this process and keeps what it printed. */
import { Writable } from 'node:stream';
import { defaultLimits, type Io, type Limits } from '../io.js';
import { run } from '../run.js';

export interface Surroundings {
  env?: Record<string, string>;
  cwd?: string;
  tty?: boolean;
  limits?: Partial<Limits>;
  /** Interrupts the run. */
  interruption?: AbortController;
  /** Called with everything on standard output so far, after each write. */
  onOutput?: (stdout: string, interrupt: () => void) => void;
}

export interface Result {
  exit: number;
  stdout: string;
  stderr: string;
  /** What was written to standard output as bytes. */
  bytes?: Buffer;
}

export async function runCli(argv: readonly string[], surroundings: Surroundings = {}): Promise<Result> {
  const {
    env = {},
    cwd = '/',
    tty = false,
    limits = {},
    onOutput,
    interruption = new AbortController(),
  } = surroundings;
  const result: Result = { exit: -1, stdout: '', stderr: '' };
  const columns = tty ? 100 : undefined;
  const io: Io = {
    stdout: {
      isTty: tty,
      columns,
      write(text) {
        result.stdout += text;
        onOutput?.(result.stdout, () => interruption.abort());
      },
    },
    stderr: {
      isTty: tty,
      columns,
      write(text) {
        result.stderr += text;
      },
    },
    bytes: () =>
      new Writable({
        write(chunk: Buffer, _encoding, done) {
          result.bytes = Buffer.concat([result.bytes ?? Buffer.alloc(0), chunk]);
          done();
        },
      }),
    env,
    cwd,
    interrupted: () => interruption.signal,
  };
  result.exit = await run(argv, io, { ...defaultLimits, ...limits });
  return result;
}

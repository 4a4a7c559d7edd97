/** Runs the CLI in this process and keeps what it printed. */
import { defaultLimits, type Io, type Limits } from '../io.js';
import { run } from '../run.js';

export interface Surroundings {
  env?: Record<string, string>;
  cwd?: string;
  tty?: boolean;
  limits?: Partial<Limits>;
  /** Called with everything on standard output so far, after each write. */
  onOutput?: (stdout: string, interrupt: () => void) => void;
}

export interface Result {
  exit: number;
  stdout: string;
  stderr: string;
}

export async function runCli(argv: readonly string[], surroundings: Surroundings = {}): Promise<Result> {
  const { env = {}, cwd = '/', tty = false, limits = {}, onOutput } = surroundings;
  const result: Result = { exit: -1, stdout: '', stderr: '' };
  const interruption = new AbortController();
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
    env,
    cwd,
    interrupted: () => interruption.signal,
  };
  result.exit = await run(argv, io, { ...defaultLimits, ...limits });
  return result;
}

/** Runs programs for the lab: bounded in time, killed as a process group, with everything they said in the error. */
import { spawn } from 'node:child_process';

export interface Output {
  /** Exit status; 128 + signal number is not imitated: a signal gives -1. */
  status: number;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  /** Seconds until the process group is killed; 30 by default. */
  timeout?: number;
  /** Added to the environment. */
  env?: Record<string, string>;
  input?: string;
}

export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly output: Output;

  constructor(argv: readonly string[], output: Output, what: string) {
    super(`${argv.join(' ')}: ${what}\n${output.stderr}${output.stdout}`.trimEnd());
    this.output = output;
  }
}

/** Runs a program to its end, whatever its status. Throws only when it cannot be started or takes too long. */
export function attempt(argv: readonly string[], options: RunOptions = {}): Promise<Output> {
  const seconds = options.timeout ?? 30;
  return new Promise((resolve, reject) => {
    const [file, ...rest] = argv as [string, ...string[]];
    const child = spawn(file, rest, { env: { ...process.env, ...options.env }, detached: true });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    }, seconds * 1000);
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      const output = {
        status: code ?? -1,
        stdout: Buffer.concat(stdout).toString(),
        stderr: Buffer.concat(stderr).toString(),
      };
      if (late) reject(new CommandError(argv, output, `not finished after ${seconds} s`));
      else resolve(output);
    });
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
  });
}

/** Runs a program and gives its standard output; throws {@link CommandError} when its status is not 0. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const output = await attempt(argv, options);
  if (output.status !== 0) throw new CommandError(argv, output, `status ${output.status}`);
  return output.stdout;
}

/**
 * What the datapath was programmed with, in a file of the runtime directory, which systemd keeps over a restart and removes when the
 * service is stopped. The next weftd programs its engine with it at once, and forwards while it still reads its configuration and
 * opens its state; the reconciler then finds what has changed since, as ever. The file is a hint and no truth: without it, or with one that
 * cannot be read, everything is made from the state alone, a second later.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Program } from '../datapath/program.js';

/**
 * To be raised with every change of {@link Program} or of what it is made of: a weftd of another version reads nothing that it could
 * misunderstand.
 */
const format = 2;

export interface SavedProgram extends Program {
  format: typeof format;
  /** IFALIAS of each port's link is this and the ID of the port. */
  aliasPrefix: string;
}

/** Changes come in swarms: of a reload, of an engine that starts its containers. */
const pause = 100;

/** Where it is; null without a runtime directory. */
export function programPath(env: NodeJS.ProcessEnv): string | null {
  // Several directories are separated by colons.
  const [directory = ''] = (env.RUNTIME_DIRECTORY ?? '').split(':');
  return directory === '' ? null : join(directory, 'program.json');
}

/** null when there is none that this weftd understands. It is taken away: should this weftd die of it, the next one does not. */
export function takeProgram(path: string): SavedProgram | null {
  try {
    const text = readFileSync(path, 'utf8');
    rmSync(path);
    const saved = JSON.parse(text) as SavedProgram;
    return saved.format === format ? saved : null;
  } catch {
    return null;
  }
}

export class ProgramFile {
  private timer: NodeJS.Timeout | null = null;
  private closed = false;

  constructor(
    private readonly path: string,
    private readonly aliasPrefix: string,
    private readonly program: (withLearned: boolean) => Program,
    private readonly onProblem: (error: unknown) => void,
  ) {}

  /** Writes soon. */
  changed(): void {
    if (this.closed) return;
    this.timer ??= setTimeout(() => this.save(false), pause).unref();
  }

  /** Writes now, with what was learned, and not again: the engine is about to stop. */
  close(): void {
    this.save(true);
    this.closed = true;
  }

  private save(withLearned: boolean): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    const saved: SavedProgram = {
      format,
      aliasPrefix: this.aliasPrefix,
      ...this.program(withLearned),
    };
    const draft = `${this.path}.new`;
    try {
      // A crash leaves the former one whole.
      writeFileSync(draft, JSON.stringify(saved), { mode: 0o600 });
      renameSync(draft, this.path);
    } catch (error) {
      this.onProblem(error);
      this.forget();
    }
  }

  /** What is there is older than what is. */
  private forget(): void {
    try {
      rmSync(this.path, { force: true });
    } catch (error) {
      this.onProblem(error);
    }
  }
}

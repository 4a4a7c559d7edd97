import type { ChildProcess } from 'node:child_process';
import { killed, type Namespace } from '../lab/namespace.js';

const READY_MILLISECONDS = 10_000;
/** Longer than any reading that is not told otherwise: a system that lets nothing pass must not hold up a run. */
const OUTPUT_SECONDS = 60;

/** A program under way in a namespace, whose standard output is read while it runs. */
export class Program {
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #ended: Promise<number | null>;
  #stdout = '';
  #stderr = '';

  constructor(namespace: Namespace, argv: readonly string[]) {
    this.#child = namespace.start(argv, 'pipe');
    this.#name = argv[0] ?? '';
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      this.#stdout += chunk.toString();
    });
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#stderr += chunk.toString();
    });
    this.#ended = new Promise((resolve) => {
      this.#child.once('error', () => resolve(null));
      this.#child.once('close', resolve);
    });
  }

  /** Resolves once it has printed `text`; rejects when it ends, or is silent for too long, before. */
  printed(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = (error?: Error) => {
        clearTimeout(timer);
        this.#child.stdout?.off('data', look);
        if (error === undefined) resolve();
        else reject(error);
      };
      const look = () => {
        if (this.#stdout.includes(text)) finish();
      };
      const timer = setTimeout(() => finish(this.#failure(`did not print "${text}"`)), READY_MILLISECONDS);
      this.#child.stdout?.on('data', look);
      void this.#ended.then(() => finish(this.#failure('ended early')));
      look();
    });
  }

  /** Everything that it printed, once it has ended well; kills it and rejects where that takes longer. */
  async output(limitSeconds = OUTPUT_SECONDS): Promise<string> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      void this.kill();
    }, limitSeconds * 1000);
    const status = await this.#ended;
    clearTimeout(timer);
    if (late) throw this.#failure(`took longer than ${limitSeconds} s`);
    if (status !== 0) throw this.#failure(`ended with status ${status}`);
    return this.#stdout;
  }

  /** What it has printed so far. */
  get said(): string {
    return this.#stdout;
  }

  kill(): Promise<void> {
    return killed(this.#child);
  }

  #failure(what: string): Error {
    return new Error(`${this.#name} ${what}: ${this.#stderr.trim() || this.#stdout.trim()}`);
  }
}

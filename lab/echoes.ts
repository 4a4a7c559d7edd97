/** Counts the echoes that a ping gets back while something else happens. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { until } from './wait.js';

/**
 * The share of echoes that come back to a ping, with its output piped, from its first to one after `work` is done. What is on
 * its way when the ping is ended counts neither as lost nor as received.
 */
export async function echoesDuring(
  ping: ChildProcess,
  work: () => Promise<unknown>,
  end: () => void,
): Promise<number> {
  const ended = once(ping, 'close');
  const echoes = new Echoes();
  ping.stdout?.on('data', (chunk: Buffer) => echoes.read(chunk.toString()));
  try {
    await work();
    const newest = echoes.newest;
    await until('an echo comes back afterwards', () => echoes.newest > newest);
    return echoes.share();
  } finally {
    end();
    await ended;
  }
}

/** What ping(8) prints of echoes, which it numbers from 1. */
export class Echoes {
  readonly #seen = new Set<number>();
  #text = '';

  read(text: string): void {
    const lines = (this.#text + text).split('\n');
    this.#text = lines.pop() ?? '';
    for (const line of lines) {
      const [, number] = /^\d+ bytes from .*\bicmp_seq=(\d+) .*\btime=/.exec(line) ?? [];
      if (number !== undefined) this.#seen.add(Number(number));
    }
  }

  /** 0 before the first. */
  get newest(): number {
    return Math.max(0, ...this.#seen);
  }

  /** Of those up to the newest; not a number before the first. */
  share(): number {
    return this.#seen.size / this.newest;
  }
}

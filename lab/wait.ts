/** Awaits conditions instead of sleeping. */
import { setTimeout as delay } from 'node:timers/promises';

/**
 * Asks again, every 20 ms at first and every 200 ms later, until `probe` gives something that is neither undefined nor false.
 * An error of `probe` counts as "not yet" and is shown when the time is over.
 */
export async function until<T>(
  what: string,
  probe: () => T | Promise<T>,
  seconds = 30,
): Promise<Exclude<T, undefined | false>> {
  const deadline = performance.now() + seconds * 1000;
  let last: unknown;
  for (let pause = 20; ; pause = Math.min(pause * 1.5, 200)) {
    try {
      last = await probe();
      if (last !== undefined && last !== false) return last as Exclude<T, undefined | false>;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) {
      const cause = last instanceof Error ? `: ${last.message}` : '';
      throw new Error(`${what}: not so after ${seconds} s${cause}`);
    }
    await delay(pause);
  }
}

/** Long work in short turns, so that requests, events and rounds do not wait for all of it. */
import { setImmediate } from 'node:timers/promises';

/** Milliseconds. */
const longestTurn = 2;

export class Turns {
  private began = performance.now();
  private busy = 0;

  /** Lets others have the thread when this turn took long enough. */
  async pause(): Promise<void> {
    const now = performance.now();
    if (now - this.began < longestTurn) return;
    this.busy += now - this.began;
    await setImmediate();
    this.began = performance.now();
  }

  /** Milliseconds that the work took of the thread until now. */
  total(): number {
    return this.busy + performance.now() - this.began;
  }
}

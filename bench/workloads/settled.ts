import { setTimeout as sleep } from 'node:timers/promises';

/** KiB by which two samples of what is at rest may differ. */
const TOLERANCE = 256;
const PAUSE_SECONDS = 2;
const SAMPLES = 15;

/** Samples memory until it has come to rest, for half a minute at most, and gives the last sample. `size` is in KiB. */
export async function settled<T>(
  sample: () => T,
  size: (sample: T) => number,
  pause = () => sleep(PAUSE_SECONDS * 1000),
): Promise<T> {
  let last = sample();
  for (let taken = 1; taken < SAMPLES; taken += 1) {
    await pause();
    const before = last;
    last = sample();
    if (Math.abs(size(last) - size(before)) < TOLERANCE) break;
  }
  return last;
}

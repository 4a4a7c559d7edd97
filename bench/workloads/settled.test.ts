import { expect, it } from 'vitest';
import { settled } from './settled.js';

/** What `settled` takes of these samples, and how many it looks at. */
async function settledAt(samples: readonly number[]): Promise<{ value: number; taken: number }> {
  let taken = 0;
  const value = await settled(
    () => {
      taken += 1;
      return samples[taken - 1] ?? Number.NaN;
    },
    (one) => one,
    () => Promise.resolve(),
  );
  return { value, taken };
}

it('memory has settled when it neither grows nor shrinks any more', async () => {
  expect(await settledAt([9000, 5000, 4700, 4500, 100])).toEqual({ value: 4500, taken: 4 });
  expect(await settledAt([1000, 3000, 3100, 100])).toEqual({ value: 3100, taken: 3 });
});

it('nobody waits for ever for memory that does not settle', async () => {
  const restless = Array.from({ length: 100 }, (_, i) => 1000 * i);
  expect(await settledAt(restless)).toEqual({ value: 14_000, taken: 15 });
});

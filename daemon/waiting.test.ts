import { describe, expect, it } from 'vitest';
import { whileWaiting } from './waiting.js';

describe('waiting', () => {
  it('says again and again for how long, and then gives what came', async () => {
    const said: number[] = [];
    let come = (_: string): void => undefined;
    const waited = whileWaiting(() => new Promise<string>((resolve) => (come = resolve)), {
      stopping: undefined,
      say: (seconds) => {
        said.push(seconds);
        if (said.length === 3) come('here');
      },
      every: 0.01,
    });
    expect(await waited).toBe('here');
    expect(said).toEqual([0.01, 0.02, 0.03]);
  });

  it('ends when it is told to, with the reason, whatever becomes of the work', async () => {
    const stopping = new AbortController();
    const waited = whileWaiting(() => Promise.reject(new Error('no disk')), {
      stopping: stopping.signal,
      say: () => undefined,
    });
    await expect(waited).rejects.toThrow('no disk');
    const never = whileWaiting(() => new Promise<void>(() => undefined), {
      stopping: stopping.signal,
      say: () => undefined,
    });
    stopping.abort(new Error('told to stop'));
    await expect(never).rejects.toThrow('told to stop');
  });
});

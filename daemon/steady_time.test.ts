import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, expect, it, vi } from 'vitest';
import { steadyNow } from './steady_time.js';

afterEach(() => {
  vi.restoreAllMocks();
});

it('goes on as it did when the clock is set', () => {
  const before = steadyNow();
  expect(Math.abs(before - Date.now())).toBeLessThan(5000);
  for (const days of [-30, 30]) {
    const set = Date.now() + days * 86_400_000;
    vi.spyOn(Date, 'now').mockReturnValue(set);
    expect(steadyNow() - before).toBeGreaterThanOrEqual(0);
    expect(steadyNow() - before).toBeLessThan(5000);
    vi.restoreAllMocks();
  }
});

/** Where Date.now only becomes what people read, or is compared with a clock that other machines set. */
const forPeople =
  /^(cli|doctor|telemetry)\/|^mesh\/(hellos|paths)\.ts$|\.test\.ts$|\/testing\/|^steady_time\.ts$/;

it('is what every part decides by: a clock that jumps would expire or delay what Date.now is compared with', () => {
  const folder = new URL('.', import.meta.url);
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const source = files.filter((file) => file.endsWith('.ts') && !forPeople.test(file));
  const users = source.filter((file) => readFileSync(new URL(file, folder), 'utf8').includes('Date.now'));
  expect(users).toEqual([]);
});

import { expect, it } from 'vitest';
import { takeWatchdog, Watchdog } from './watchdog.js';

it('is fed only when the worker has made progress since the last look', () => {
  let rounds = 7;
  let fed = 0;
  const watchdog = new Watchdog(
    10_000,
    () => rounds,
    () => {
      fed += 1;
    },
  );
  watchdog.look();
  expect(fed).toBe(1);
  watchdog.look();
  watchdog.look();
  expect(fed).toBe(1);
  rounds += 1;
  watchdog.look();
  expect(fed).toBe(2);
});

it('reads what systemd says, for this process only', () => {
  const env: NodeJS.ProcessEnv = { WATCHDOG_USEC: '10000000', WATCHDOG_PID: '7', HOME: '/' };
  expect(takeWatchdog({ ...env }, 7)).toBe(10_000);
  expect(takeWatchdog({ ...env }, 8)).toBeNull();
  expect(takeWatchdog({ WATCHDOG_USEC: '2000000' }, 7)).toBe(2000);
  for (const limit of ['0', 'x', '-1', undefined])
    expect(takeWatchdog({ ...env, WATCHDOG_USEC: limit }, 7)).toBeNull();
  takeWatchdog(env, 7);
  expect(env).toEqual({ HOME: '/' });
});

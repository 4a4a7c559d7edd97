/** Runs a daemon until a signal ends it. Signals are obeyed from the first moment, also while it still starts. */
import type { Daemon } from './daemon.js';

type Signal = 'SIGHUP' | 'SIGTERM' | 'SIGINT';

/** The process, or a test's stand-in for it. */
export interface SignalSource {
  on(signal: Signal, listener: () => void): unknown;
}

/**
 * Resolves when the daemon was told to stop and has stopped; rejects when it cannot start or stop. `start` gives up, by throwing the
 * reason of the signal that it gets, when it is told to stop before it is ready. A reload that is asked for before that comes after it.
 */
export async function runUntilStopped(
  source: SignalSource,
  start: (stopping: AbortSignal) => Promise<Pick<Daemon, 'reload' | 'stop'>>,
  onReloadError: (error: unknown) => void,
): Promise<void> {
  const stopping = new AbortController();
  const { signal } = stopping;
  const stopped = new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  let reload = (): void => {
    reloadFirst = true;
  };
  let reloadFirst = false;
  let told: Signal = 'SIGTERM';
  const stop = (by: Signal): void => {
    if (signal.aborted) return;
    told = by;
    stopping.abort();
  };
  source.on('SIGTERM', () => stop('SIGTERM'));
  source.on('SIGINT', () => stop('SIGINT'));
  source.on('SIGHUP', () => reload());

  let daemon: Pick<Daemon, 'reload' | 'stop'>;
  try {
    daemon = await start(signal);
  } catch (error) {
    if (signal.aborted && error === signal.reason) return;
    throw error;
  }
  reload = () => void daemon.reload().catch(onReloadError);
  if (reloadFirst) reload();
  await stopped;
  await daemon.stop(told);
}

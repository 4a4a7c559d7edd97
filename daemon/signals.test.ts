import { EventEmitter } from 'node:events';
import { describe, expect, it, vi } from 'vitest';
import { runUntilStopped } from './signals.js';

function build(start?: (stopping: AbortSignal) => Promise<void>) {
  const source = new EventEmitter();
  const daemon = { reload: vi.fn(async () => []), stop: vi.fn(async (_signal?: string) => undefined) };
  const failed = vi.fn();
  let ready = (): void => undefined;
  const started = new Promise<void>((resolve) => {
    ready = resolve;
  });
  const run = runUntilStopped(
    source,
    async (stopping) => {
      await (start?.(stopping) ?? started);
      return daemon;
    },
    failed,
  );
  return { source, daemon, failed, ready, run };
}

describe('signals', () => {
  it.each(['SIGTERM', 'SIGINT'])('%s stops the daemon', async (signal) => {
    const { source, daemon, ready, run } = build();
    ready();
    source.emit(signal);
    source.emit(signal);
    await run;
    expect(daemon.stop.mock.calls).toEqual([[signal]]);
  });

  it('SIGTERM before it is ready ends the start', async () => {
    const { source, daemon, run } = build(
      (stopping) =>
        new Promise((_, reject) => {
          stopping.addEventListener('abort', () => reject(stopping.reason));
        }),
    );
    source.emit('SIGTERM');
    await run;
    expect(daemon.stop).not.toHaveBeenCalled();
  });

  it('SIGHUP reads the configuration again, and errors are told', async () => {
    const { source, daemon, failed, ready, run } = build();
    source.emit('SIGHUP');
    expect(daemon.reload).not.toHaveBeenCalled();
    ready();
    await vi.waitFor(() => expect(daemon.reload).toHaveBeenCalledTimes(1));
    daemon.reload.mockRejectedValueOnce(new Error('bad file'));
    source.emit('SIGHUP');
    await vi.waitFor(() => expect(failed).toHaveBeenCalledTimes(1));
    source.emit('SIGTERM');
    await run;
  });

  it('leave the error of a start that fails by itself alone', async () => {
    const { run } = build(async () => {
      throw new Error('no tun');
    });
    await expect(run).rejects.toThrow('no tun');
  });
});

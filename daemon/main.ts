#!/usr/bin/env node
/** weftd: reads the command line, starts the daemon, and obeys signals. */
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import type { Logger } from 'pino';
import type { CommandLine } from './boot.js';
import { endNow } from './end.js';
import { WeftError } from './errors.js';
import { takeListenFds } from './restart/listen_fds.js';
import { turnAway } from './restart/turn_away.js';
import { runUntilStopped } from './signals.js';
import { daemonOptions, usage } from './usage.js';
import { readVersion } from './version.js';

type Task = 'run' | 'remove-links' | 'version' | 'help';

function parseOptions(): { task: Task; options: CommandLine } {
  const options = Object.fromEntries(
    daemonOptions.map(({ name, value }) => [name, { type: value === null ? 'boolean' : 'string' } as const]),
  );
  let values: Partial<Record<string, string | boolean>>;
  try {
    ({ values } = parseArgs({ options, strict: true, allowPositionals: false }));
  } catch (cause) {
    const [reason = ''] = (cause as Error).message.split('\n');
    throw new WeftError('WEFT_USAGE', { reason, command: 'weftd' }, { cause });
  }
  const text = (name: string) => values[name] as string | undefined;
  return {
    task: (['help', 'version', 'remove-links'] as const).find((task) => values[task] === true) ?? 'run',
    options: {
      configFile: text('config'),
      stateDir: text('state-dir') ?? '/var/lib/weft',
      socket: text('socket') ?? (process.env.WEFT_SOCKET || '/run/weft/weft.sock'),
    },
  };
}

async function main(): Promise<void> {
  const { task, options } = parseOptions();
  if (task === 'help') return void process.stdout.write(usage());
  if (task === 'version') return void process.stdout.write(`weftd ${readVersion()}\n`);
  if (task === 'remove-links') {
    const { removeLinks } = await import('./remove_links.js');
    process.stdout.write(await removeLinks(options.stateDir));
    return;
  }

  // What a start allocates would let V8 keep two times 16 MiB for young objects, which a daemon at rest never fills again.
  setFlagsFromString('--semi-space-growth-factor=1');
  let log: Logger | null = null;
  await runUntilStopped(
    process,
    async (stopping) => {
      const { inherit } = await import('./restart/inherit.js');
      const inheritance = inherit(process.env);
      // Loading takes a good part of a second, in which signals are obeyed already.
      const { boot } = await import('./boot.js');
      stopping.throwIfAborted();
      return await boot(options, inheritance, stopping, (made) => {
        log = made;
        process.on('unhandledRejection', (error) => {
          made.error({ err: error }, 'a promise was rejected that nobody waits for');
        });
      });
    },
    (error) => {
      const code = error instanceof WeftError ? error.code : undefined;
      log?.error({ code, err: error }, 'reload refused');
    },
  );
  endNow(0, log);
}

/** As it was at the start: what systemd hands over is taken out of it. */
const started = { ...process.env };

/** So that systemd does not try again several times a second what failed for want of a disk, say. Milliseconds. */
const pauseBeforeRetry = 5000;

function fail(error: unknown): void {
  const known =
    error instanceof WeftError
      ? error
      : new WeftError('WEFT_INTERNAL', { reason: (error as Error).stack ?? String(error) });
  process.stderr.write(`weftd: ${known.toText()}\n`, async () => {
    if (known.exit !== 1) await turnAway(takeListenFds(started));
    else if (started.NOTIFY_SOCKET !== undefined) await setTimeout(pauseBeforeRetry);
    endNow(known.exit, null);
  });
}

main().catch(fail);

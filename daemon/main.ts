#!/usr/bin/env node
/** weftd: reads the command line, starts the daemon, and obeys signals. */
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import type { Logger } from 'pino';
import type { CommandLine } from './boot.js';
import { WeftError } from './errors.js';
import { runUntilStopped } from './signals.js';
import { readVersion } from './version.js';

const usage = `Usage: weftd [--config FILE] [--state-dir DIR] [--socket PATH]

Runs in the foreground.

  --config FILE    configuration; default /etc/weft/weft.yaml, which may be absent
  --state-dir DIR  what weftd remembers; default /var/lib/weft
  --socket PATH    socket of the API; default $WEFT_SOCKET, else /run/weft/weft.sock
  --version        print the version
  --help           print this

SIGHUP reads the configuration again. SIGTERM and SIGINT stop weftd; ports stay.
`;

function parseOptions(): CommandLine | 'help' | 'version' {
  const string = { type: 'string' } as const;
  const boolean = { type: 'boolean' } as const;
  const options = { config: string, 'state-dir': string, socket: string, version: boolean, help: boolean };
  let values: { config?: string; 'state-dir'?: string; socket?: string; version?: boolean; help?: boolean };
  try {
    ({ values } = parseArgs({ options, strict: true, allowPositionals: false }));
  } catch (cause) {
    const [reason = ''] = (cause as Error).message.split('\n');
    throw new WeftError('WEFT_USAGE', { reason }, { cause });
  }
  if (values.help === true) return 'help';
  if (values.version === true) return 'version';
  return {
    configFile: values.config,
    stateDir: values['state-dir'] ?? '/var/lib/weft',
    socket: values.socket ?? (process.env.WEFT_SOCKET || '/run/weft/weft.sock'),
  };
}

async function main(): Promise<void> {
  const options = parseOptions();
  if (options === 'help') return void process.stdout.write(usage);
  if (options === 'version') return void process.stdout.write(`weftd ${readVersion()}\n`);

  // What a start allocates would let V8 keep two times 16 MiB for young objects, which a daemon at rest never fills again.
  setFlagsFromString('--semi-space-growth-factor=1');
  let log: Logger | null = null;
  await runUntilStopped(
    process,
    async (stopping) => {
      // Loading takes a good part of a second, in which signals are obeyed already.
      const { boot } = await import('./boot.js');
      stopping.throwIfAborted();
      return await boot(options, stopping, (made) => {
        log = made;
        process.on('unhandledRejection', (error) => {
          // lmdb rejects a promise of its own with each commit that fails; the write has told it already.
          if (error instanceof Error && 'commitError' in error) return;
          made.error({ err: error }, 'a promise was rejected that nobody waits for');
        });
      });
    },
    (error) => {
      const code = error instanceof WeftError ? error.code : undefined;
      log?.error({ code, err: error }, 'reload refused');
    },
  );
  process.exit(0);
}

function fail(error: unknown): void {
  const known =
    error instanceof WeftError
      ? error
      : new WeftError('WEFT_INTERNAL', { reason: (error as Error).stack ?? String(error) });
  // The table has the remedy of the CLI.
  const text =
    known.code === 'WEFT_USAGE' ? `${known.message} (${known.code}). See "weftd --help".` : known.toText();
  process.stderr.write(`weftd: ${text}\n`, () => process.exit(known.exit));
}

main().catch(fail);

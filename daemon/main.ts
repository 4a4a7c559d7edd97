#!/usr/bin/env node
/** weftd: reads the command line, starts the daemon, and obeys signals. */
import { lookup } from 'node:dns/promises';
import { parseArgs } from 'node:util';
import { defaultConfigFile, loadConfig } from './config/load.js';
import { type DaemonOptions, startDaemon } from './daemon.js';
import { loadNative } from './datapath/load.js';
import { WeftError } from './errors.js';
import { linuxProc } from './reconcile/proc.js';
import { runUntilStopped } from './signals.js';
import { LmdbStore } from './state/lmdb_store.js';
import { createLogger } from './telemetry/log.js';
import { readVersion } from './version.js';

const usage = `Usage: weftd [--config FILE] [--state-dir DIR] [--socket PATH]

Runs in the foreground.

  --config FILE    configuration; default ${defaultConfigFile}, which may be absent
  --state-dir DIR  what weftd remembers; default /var/lib/weft
  --socket PATH    socket of the API; default $WEFT_SOCKET, else /run/weft/weft.sock
  --version        print the version
  --help           print this

SIGHUP reads the configuration again. SIGTERM and SIGINT stop weftd; ports stay.
`;

function parseOptions(): DaemonOptions | 'help' | 'version' {
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
    configFile: values.config ?? defaultConfigFile,
    configMayBeAbsent: values.config === undefined,
    stateDir: values['state-dir'] ?? '/var/lib/weft',
    socket: values.socket ?? (process.env.WEFT_SOCKET || '/run/weft/weft.sock'),
  };
}

async function main(): Promise<void> {
  const options = parseOptions();
  if (options === 'help') return void process.stdout.write(usage);
  if (options === 'version') return void process.stdout.write(`weftd ${readVersion()}\n`);

  let onReloadError = (_: unknown): void => undefined;
  await runUntilStopped(
    process,
    async (stopping) => {
      const loaded = loadConfig(options.configFile, options.configMayBeAbsent);
      const log = await createLogger(loaded.config.log, process.stderr.isTTY === true);
      process.on('unhandledRejection', (error) =>
        log.error({ err: error }, 'a promise was rejected that nobody waits for'),
      );
      onReloadError = (error) => {
        const code = error instanceof WeftError ? error.code : undefined;
        log.error({ code, err: error }, 'reload refused');
      };
      return await startDaemon(options, loaded, {
        native: loadNative(),
        proc: linuxProc,
        lookup: async (name) => (await lookup(name, { all: true })).map(({ address }) => address),
        log,
        version: readVersion(),
        openStore: (directory) => LmdbStore.open(directory),
        stopping,
      });
    },
    (error) => onReloadError(error),
  );
  process.exit(0);
}

function fail(error: unknown): void {
  const known =
    error instanceof WeftError
      ? error
      : new WeftError('WEFT_INTERNAL', { reason: (error as Error).stack ?? String(error) });
  process.stderr.write(`weftd: ${known.toText()}\n`, () => process.exit(known.exit));
}

main().catch(fail);

/** The daemon on the real machine: configuration, log, addon and store put together. */
import { lookup } from 'node:dns/promises';
import type { Logger } from 'pino';
import { defaultConfigFile, loadConfig } from './config/load.js';
import { type Daemon, startDaemon } from './daemon.js';
import { loadNative } from './datapath/load.js';
import { EngineApi } from './docker/engine_api.js';
import { linuxProc } from './reconcile/proc.js';
import type { Inheritance } from './restart/inherit.js';
import { openState } from './state/open_state.js';
import { createLogger } from './telemetry/log.js';
import { readVersion } from './version.js';

/** What the command line says. */
export interface CommandLine {
  /** The default file, which may be absent, when none was named. */
  configFile: string | undefined;
  stateDir: string;
  socket: string;
}

/** `onLog` is called as soon as there is a log. Throws the reason of `stopping` when that is aborted before the daemon is ready. */
export async function boot(
  { configFile, stateDir, socket }: CommandLine,
  inheritance: Inheritance,
  stopping: AbortSignal,
  onLog: (log: Logger) => void,
): Promise<Daemon> {
  const configMayBeAbsent = configFile === undefined;
  const options = { configFile: configFile ?? defaultConfigFile, configMayBeAbsent, stateDir, socket };
  const loaded = loadConfig(options.configFile, options.configMayBeAbsent);
  const log = await createLogger(loaded.config.log, process.stderr.isTTY === true);
  onLog(log);
  const version = readVersion();
  return await startDaemon(options, loaded, {
    native: loadNative(),
    proc: linuxProc,
    lookup: async (name) => (await lookup(name, { all: true })).map(({ address }) => address),
    log,
    version,
    inheritance,
    connectEngine: (path) => new EngineApi(path),
    openStore: async (directory, meter) => {
      const { store, notes } = await openState(directory, { version, meter });
      for (const note of notes) log.warn({ dir: directory }, note);
      return store;
    },
    stopping,
  });
}

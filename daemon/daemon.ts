/**
 * Builds the parts and wires them. Read it to know the program: what depends on what, and in which order things start and stop.
 * Until {@link startDaemon} returns, a failure undoes what was made.
 */
import { setTimeout } from 'node:timers/promises';
import type { Logger } from 'pino';
import { createApp } from './api/app.js';
import { ApiServer, callerFinder } from './api/server.js';
import { type Identity, Views } from './api/views.js';
import { type LoadedConfig, loadConfig } from './config/load.js';
import { Datapath } from './datapath/datapath.js';
import type { Native } from './datapath/native.js';
import type { ActivatedSocket } from './docker/activation.js';
import { DockerAdapter } from './docker/adapter.js';
import type { Engine } from './docker/engine_api.js';
import { WeftError } from './errors.js';
import { addressRules } from './intent/address_rules.js';
import { EndpointIntent } from './intent/endpoints.js';
import { EngineNetworkIntent } from './intent/engine_networks.js';
import { EntryIntent } from './intent/entries.js';
import { Mutex } from './intent/mutex.js';
import { NetworkIntent } from './intent/networks.js';
import type { IntentParts } from './intent/parts.js';
import { PeerIntent } from './intent/peers.js';
import { PortAddresses } from './intent/port_addresses.js';
import { PortIntent } from './intent/ports.js';
import { ReloadIntent } from './intent/reload.js';
import { Ipam } from './ipam/ipam.js';
import { OffloadChecks } from './mesh/offload_checks.js';
import { PeerFeatures } from './mesh/peer_features.js';
import { Namespaces } from './reconcile/netns.js';
import { usedOffloads } from './reconcile/offloads.js';
import type { Proc } from './reconcile/proc.js';
import { Reconciler } from './reconcile/reconciler.js';
import { type Lookup, PeerResolver } from './reconcile/resolver.js';
import { checkRequirements } from './requirements.js';
import { Catalog, portLabel } from './state/catalog.js';
import { lockDirectory } from './state/directory_lock.js';
import type { Store } from './state/store.js';
import { EventBus } from './telemetry/events.js';
import { HealthMonitor } from './telemetry/health.js';
import { Metrics } from './telemetry/metrics.js';
import { MetricsServer } from './telemetry/metrics_server.js';

export interface DaemonOptions {
  configFile: string;
  /** The default file need not exist; one that was named must. */
  configMayBeAbsent: boolean;
  stateDir: string;
  socket: string;
}

/** What the daemon takes from its surroundings; tests pass fakes. */
export interface Surroundings {
  native: Native;
  proc: Proc;
  lookup: Lookup;
  log: Logger;
  version: string;
  openStore(directory: string): Promise<Store>;
  /** The plugin's socket, when systemd holds it. */
  activated: ActivatedSocket | null;
  connectEngine(path: string): Engine;
  /** Aborted while the daemon still starts: it gives up, and throws the reason. */
  stopping?: AbortSignal;
}

export interface Daemon {
  reload(): Promise<string[]>;
  /** Stops cleanly. TAPs stay, so that containers keep their interface. */
  stop(signal?: string): Promise<void>;
}

export async function startDaemon(
  options: DaemonOptions,
  loaded: LoadedConfig,
  around: Surroundings,
): Promise<Daemon> {
  const undo: (() => void | Promise<void>)[] = [];
  try {
    return await start(options, loaded, around, undo);
  } catch (error) {
    await unwind(undo, around.log);
    throw error;
  }
}

/** A weftd that was just killed still holds the directory until the kernel has closed its files. */
const lockPatience = { attempts: 30, pause: 50 };

async function lockOrWait(
  directory: string,
  proc: Proc,
  stopping: AbortSignal | undefined,
): Promise<() => void> {
  for (let attempt = 1; ; attempt++) {
    stopping?.throwIfAborted();
    try {
      return lockDirectory(directory, proc);
    } catch (error) {
      const held = error instanceof WeftError && error.code === 'WEFT_STATE_LOCKED';
      if (!held || attempt === lockPatience.attempts) throw error;
      await setTimeout(lockPatience.pause);
    }
  }
}

/** One step that fails keeps no other from being undone. */
async function unwind(undo: (() => void | Promise<void>)[], log: Logger): Promise<void> {
  for (const step of undo.splice(0).reverse()) {
    try {
      await step();
    } catch (error) {
      log.error({ err: error }, 'stopping failed in part');
    }
  }
}

async function start(
  options: DaemonOptions,
  loaded: LoadedConfig,
  { native, proc, lookup, log, version, openStore, activated, connectEngine, stopping }: Surroundings,
  undo: (() => void | Promise<void>)[],
): Promise<Daemon> {
  const probe = native.probe();
  checkRequirements(probe);
  const { config } = loaded;

  undo.push(await lockOrWait(options.stateDir, proc, stopping));
  const store = await openStore(options.stateDir);
  undo.push(() => store.close());
  stopping?.throwIfAborted();

  const events = new EventBus();
  const catalog = new Catalog(store, loaded);
  if (probe.notTested !== null)
    log.info({ reason: probe.notTested }, 'some offloads are used without having been tried');
  const { source_ports: sourcePorts, offloads } = config.underlay;
  const { coalesceTcp, coalesceUdp } = usedOffloads(offloads, probe.offloads);
  const use = { mergeTcp: coalesceTcp, mergeUdp: coalesceUdp, sourcePorts };
  const datapath: Datapath = new Datapath(native, use, () => reconciler.handleEvents());
  const namespaces = new Namespaces(native, proc);
  const resolver: PeerResolver = new PeerResolver(lookup, () => reconciler.trigger());
  const reconciler: Reconciler = new Reconciler({
    store,
    catalog,
    datapath,
    kernel: native,
    namespaces,
    proc,
    resolver,
    events,
    log,
    faults: probe.offloads,
    label: (port) => {
      const container = port.endpoint === undefined ? undefined : docker.names.containerOf(port.owner.ref);
      return container === undefined ? portLabel(port) : `container ${container.name}`;
    },
    offloadReport: (report) => offloadChecks.report(report),
    featureReport: (report) => peerFeatures.report(report),
    more: () => docker.findings(catalog.engineNetworks().length > 0),
  });
  const offloadChecks: OffloadChecks = new OffloadChecks({
    datapath,
    events,
    log,
    onChange: () => reconciler.trigger(),
  });
  const peerFeatures = new PeerFeatures({ datapath, log });
  const health = new HealthMonitor(
    () => datapath.counters().rounds,
    () => reconciler.findings,
  );

  const rules = addressRules(catalog, reconciler, native, new PortAddresses(store));
  const ipam = new Ipam({ store, rules, now: Date.now });
  const intent: IntentParts = { store, catalog, reconciler, namespaces, events, mutex: new Mutex() };
  const reload = new ReloadIntent(
    intent,
    () => loadConfig(options.configFile, options.configMayBeAbsent),
    ({ config: { log: now } }) => {
      log.level = now.level;
    },
  );
  const startedAt = new Date().toISOString();
  const identity: Identity = {
    version,
    nativeVersion: native.version,
    hostId: store.hostId,
    pid: process.pid,
    startedAt,
    probe,
  };
  let openApi = (): void => undefined;
  const ready = new Promise<void>((resolve) => {
    openApi = resolve;
  });
  const docker: DockerAdapter = new DockerAdapter({
    ...config.docker,
    activated,
    ipam,
    networks: new EngineNetworkIntent(intent),
    endpoints: new EndpointIntent(intent, () => proc.bootId()),
    connect: connectEngine,
    kernel: native,
    log,
    ready,
  });
  const app = createApp({
    views: new Views({
      catalog,
      reconciler,
      datapath,
      offloadChecks,
      identity,
      ipam,
      names: docker.names,
      plugin: docker.plugin,
    }),
    catalog,
    networks: new NetworkIntent(intent),
    ports: new PortIntent(intent),
    peers: new PeerIntent(intent),
    entries: new EntryIntent(intent, datapath),
    pools: ipam,
    offloadChecks,
    reload,
    events,
    health,
    identity,
    log,
    callerOf: callerFinder(native),
    ready,
  });

  // All that can be refused comes before the first TAP is touched.
  undo.push(() => datapath.stop());
  datapath.start();
  reconciler.openUnderlay();
  const api = new ApiServer(app, options.socket);
  await api.listen();
  undo.push(() => api.close());
  if (config.metrics.listen !== 'off') {
    const metrics = new Metrics({
      datapath,
      catalog,
      offloadChecks,
      findings: () => reconciler.findings,
      version,
      ipam,
      dockerRequests: docker.requests,
    });
    const server = new MetricsServer(metrics.registry, health);
    await server.listen(config.metrics.listen);
    undo.push(() => server.close());
  }

  undo.push(() => docker.close());
  await docker.open();
  undo.push(() => reconciler.stop());
  stopping?.throwIfAborted();
  await reconciler.settle();
  stopping?.throwIfAborted();
  reconciler.start();
  offloadChecks.start();
  undo.push(() => offloadChecks.stop());
  peerFeatures.start();
  undo.push(() => peerFeatures.stop());
  health.start();
  undo.push(() => health.stop());
  openApi();
  native.notify('READY=1');
  log.info({ version, host: store.hostId, socket: options.socket, config: loaded.file }, 'weftd is ready');

  return {
    reload: async () => {
      native.notify(`RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
      try {
        const changed = await reload.reload();
        log.info({ changed }, 'the configuration was read again');
        return changed;
      } finally {
        native.notify('READY=1');
      }
    },
    stop: async (signal) => {
      log.info({ signal }, 'weftd is stopping');
      native.notify('STOPPING=1');
      await unwind(undo, log);
      log.info({ signal }, 'weftd has stopped');
    },
  };
}

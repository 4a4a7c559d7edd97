/**
 * Builds the parts and wires them. Read it to know the program: what depends on what, and in which order things start and stop.
 * Until {@link startDaemon} returns, a failure undoes what was made.
 */

import { resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Logger } from 'pino';
import { createApp } from './api/app.js';
import { ApiServer, callerFinder } from './api/server.js';
import { type Identity, Views } from './api/views.js';
import { type LoadedConfig, loadConfig } from './config/load.js';
import type { Config } from './config/schema.js';
import { Datapath } from './datapath/datapath.js';
import type { Native } from './datapath/native.js';
import { activatedSocket } from './docker/activation.js';
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
import { Mesh } from './mesh/mesh.js';
import { OffloadChecks } from './mesh/offload_checks.js';
import { topics } from './mesh/queries.js';
import { linkAliasPrefix } from './model/identity.js';
import { Namespaces } from './reconcile/netns.js';
import { usedOffloads } from './reconcile/offloads.js';
import type { Proc } from './reconcile/proc.js';
import { Reconciler } from './reconcile/reconciler.js';
import { type Lookup, PeerResolver } from './reconcile/resolver.js';
import { checkRequirements } from './requirements.js';
import type { Inheritance } from './restart/inherit.js';
import { Kept } from './restart/kept.js';
import { ProgramFile } from './restart/program.js';
import { Watchdog } from './restart/watchdog.js';
import { Catalog, portLabel } from './state/catalog.js';
import { lockDirectory } from './state/directory_lock.js';
import type { Store } from './state/store.js';
import { steadyNow } from './steady_time.js';
import { Captures } from './telemetry/captures.js';
import { EventBus } from './telemetry/events.js';
import { HealthMonitor } from './telemetry/health.js';
import { type CommitMeter, Meters } from './telemetry/meters.js';
import { Metrics } from './telemetry/metrics/metrics.js';
import { MetricsServer } from './telemetry/metrics_server.js';
import { ProcessMeter } from './telemetry/process_meter.js';
import { whileWaiting } from './waiting.js';
import { FarAnswers } from './why/far_answers.js';
import { FarHosts } from './why/far_hosts.js';
import { PortSight } from './why/port_sight.js';
import { Why } from './why/why.js';

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
  openStore(directory: string, meter: CommitMeter): Promise<Store>;
  inheritance: Inheritance;
  connectEngine(path: string): Engine;
  /** Aborted while the daemon still starts: it gives up, and throws the reason. */
  stopping?: AbortSignal;
}

export interface Daemon {
  reload(): Promise<string[]>;
  /** Stops cleanly. TAPs stay, so that containers keep their interface. */
  stop(signal?: string): Promise<void>;
}

/** Microseconds that systemd is to wait on, from each time that it is told, while weftd starts. */
const startExtension = 30_000_000;

const uselessDescriptor = 'a descriptor in the fd store is of no use';

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
  native: Native,
  proc: Proc,
  stopping: AbortSignal | undefined,
): Promise<() => void> {
  for (let attempt = 1; ; attempt++) {
    stopping?.throwIfAborted();
    try {
      return await lockDirectory(directory, native);
    } catch (error) {
      const held = error instanceof WeftError && error.code === 'WEFT_STATE_LOCKED';
      if (!held) throw error;
      // One that is dead already and still holds it is kept by a call to its disk, and lets it go when that answers.
      const pid = Number(error.details.pid);
      const dead = pid > 0 && proc.startTime(pid) === null;
      if (attempt >= lockPatience.attempts && !dead) throw error;
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
  { native, proc, lookup, log, version, openStore, inheritance, connectEngine, stopping }: Surroundings,
  undo: (() => void | Promise<void>)[],
): Promise<Daemon> {
  const probe = native.probe();
  checkRequirements(probe);
  const { config } = loaded;
  const { takenOver } = inheritance;

  const meters = new Meters();
  /** A call to the disk that has not returned may change it yet: then the lock is let go of by the end of that call, with the process. */
  const openLocked = async (): Promise<Store> => {
    const unlock = await lockOrWait(options.stateDir, native, proc, stopping);
    let isIdle = false;
    undo.push(() => {
      if (isIdle) unlock();
    });
    try {
      const opened = await openStore(options.stateDir, meters.commits);
      undo.push(async () => {
        isIdle = await opened.close();
      });
      return opened;
    } catch (error) {
      isIdle = true;
      throw error;
    }
  };
  const store = await whileWaiting(openLocked, {
    stopping,
    say: (seconds) => {
      const waitsFor = `the disk of the state directory ${options.stateDir}, for ${seconds} s`;
      log.warn({ seconds }, `weftd is starting and waits for ${waitsFor}`);
      // A weftd that forwards already goes on with it: the next one would have nothing to forward by.
      const patience = takenOver === null ? '' : `\nEXTEND_TIMEOUT_USEC=${startExtension}`;
      native.notify(`STATUS=waiting for ${waitsFor}${patience}`);
    },
  });
  stopping?.throwIfAborted();

  const events = new EventBus();
  const catalog = new Catalog(store, loaded);
  if (probe.notTested !== null)
    log.info({ reason: probe.notTested }, 'some offloads are used without having been tried');
  const { source_ports: sourcePorts, offloads } = config.underlay;
  const { coalesceTcp, coalesceUdp } = usedOffloads(offloads, probe.offloads);
  const use = { mergeTcp: coalesceTcp, mergeUdp: coalesceUdp, sourcePorts };
  const kept = takenOver?.kept ?? new Kept(native, inheritance.passed);
  for (const { name, reason } of inheritance.problems)
    log.warn({ descriptor: name, reason }, uselessDescriptor);
  kept.report((name, reason) => log.warn({ descriptor: name, reason }, uselessDescriptor));
  const datapath = takenOver?.datapath ?? new Datapath(native, use, () => undefined, kept);
  datapath.setSourcePorts(sourcePorts);
  // The last to stop, so that frames pass until the end.
  undo.unshift(() => datapath.stop());
  if (inheritance.programPath !== null) {
    const file = new ProgramFile(
      inheritance.programPath,
      linkAliasPrefix(store.hostId),
      (withLearned) => datapath.program(withLearned),
      (err) => log.warn({ err }, 'a restart will take longer: the program of the datapath cannot be written'),
    );
    undo.push(() => file.close());
    datapath.watch(() => file.changed());
  }
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
    captureEnded: (ended) => captures.ended(ended),
    helloReport: (report) => mesh.helloReport(report),
    queryReport: (report) => mesh.queryReport(report),
    pathLimit: (peer) => mesh.pathLimit(peer),
    leastMtu: (vni) => mesh.leastMtu(vni),
    more: () => [
      ...docker.findings(catalog.engineNetworks().length > 0),
      ...metricsServer.findings(),
      ...mesh.findings(),
    ],
    meter: meters.rounds,
  });
  const offloadChecks: OffloadChecks = new OffloadChecks({
    datapath,
    events,
    log,
    onChange: () => reconciler.trigger(),
  });
  const mesh: Mesh = new Mesh({ datapath, catalog, reconciler, events, log, hostId: store.hostId, version });
  const health = new HealthMonitor(
    () => datapath.rounds,
    () => reconciler.findings,
  );

  const rules = addressRules(catalog, reconciler, native, new PortAddresses(store));
  const ipam = new Ipam({ store, rules, now: steadyNow });
  const intent: IntentParts = { store, catalog, reconciler, namespaces, events, mutex: new Mutex() };
  const reload = new ReloadIntent(
    intent,
    () => loadConfig(options.configFile, options.configMayBeAbsent),
    ({ config: now }) => {
      log.level = now.log.level;
      void metricsServer.use(listenAddress(now));
    },
  );
  const startedAt = new Date().toISOString();
  const identity: Identity = {
    version,
    nativeVersion: native.version,
    hostId: store.hostId,
    pid: process.pid,
    startedAt,
    stateDir: resolve(options.stateDir),
    probe,
  };
  let openApi = (): void => undefined;
  const ready = new Promise<void>((fulfil) => {
    openApi = fulfil;
  });
  const docker: DockerAdapter = new DockerAdapter({
    ...config.docker,
    activated: activatedSocket(inheritance.passed, 'docker'),
    ipam,
    networks: new EngineNetworkIntent(intent),
    endpoints: new EndpointIntent(intent, () => proc.bootId()),
    connect: connectEngine,
    kernel: native,
    log,
    ready,
  });
  const views = new Views({
    catalog,
    reconciler,
    datapath,
    offloadChecks,
    mesh,
    identity,
    ipam,
    names: docker.names,
    plugin: docker.plugin,
  });
  const captures: Captures = new Captures({
    catalog,
    datapath,
    networkNamed: (name) => views.networkNamed(name),
    events,
    log,
    version,
  });
  const processMeter = new ProcessMeter();
  const metrics = new Metrics({
    datapath,
    catalog,
    views,
    identity,
    findings: () => reconciler.findings,
    health: () => health.health(),
    ipam,
    dockerRequests: docker.requests,
    events,
    captures,
    meters,
    process: processMeter,
  });
  const metricsServer: MetricsServer = new MetricsServer({
    metrics,
    health,
    log,
    onChange: () => reconciler.trigger(),
  });
  const sight = new PortSight({ reconciler, datapath, kernel: native, views });
  const farAnswers = new FarAnswers({ catalog, datapath, sight });
  mesh.queries.answer(topics.why, (text, peer, room) => farAnswers.answer(text, peer, room));
  const app = createApp({
    views,
    why: new Why({ catalog, reconciler, datapath, views, sight, farHosts: new FarHosts(mesh.queries) }),
    catalog,
    networks: new NetworkIntent(intent),
    ports: new PortIntent(intent),
    peers: new PeerIntent(intent),
    entries: new EntryIntent(intent, datapath),
    pools: ipam,
    offloadChecks,
    mesh,
    captures,
    reload,
    events,
    health,
    meter: meters.requests,
    identity,
    log,
    callerOf: callerFinder(native),
    ready,
  });

  // All that can be refused comes before the first TAP is touched.
  for (const { id, address } of catalog.peers()) {
    const known = datapath.state().peers.get(id);
    if (known !== undefined) resolver.seed(address, known.address);
  }
  datapath.listen(() => reconciler.handleEvents());
  if (takenOver === null) {
    kept.offerReceivers(datapath);
    datapath.start();
  }
  reconciler.openUnderlay();
  const api = new ApiServer(app, options.socket);
  await api.listen();
  undo.push(() => api.close());

  undo.push(() => docker.close());
  await docker.open();
  undo.push(() => reconciler.stop());
  stopping?.throwIfAborted();
  await reconciler.settle();
  stopping?.throwIfAborted();
  kept.settled(datapath);
  if (kept.taken > 0)
    log.info({ ports: kept.taken, after: takenOver?.after }, 'ports were taken over as they were');
  reconciler.start();
  await metricsServer.use(listenAddress(config));
  undo.push(() => metricsServer.close());
  processMeter.start();
  undo.push(() => processMeter.stop());
  offloadChecks.start();
  undo.push(() => offloadChecks.stop());
  mesh.start();
  undo.push(() => mesh.stop());
  health.start();
  undo.push(() => health.stop());
  undo.push(() => captures.close());
  openApi();
  if (inheritance.watchdogLimit !== null) {
    const watchdog = new Watchdog(
      inheritance.watchdogLimit,
      () => datapath.rounds,
      () => native.notify('WATCHDOG=1'),
    );
    watchdog.start();
    undo.push(() => watchdog.stop());
  }
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

function listenAddress({ metrics: { listen } }: Config): string | null {
  return listen === 'off' ? null : listen;
}

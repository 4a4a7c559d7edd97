/** What the checks start from, gathered once: what the daemon says, what the configuration says, what systemd says. */
import { isIP } from 'node:net';
import type { Health, Network, Peer, Port, Status, Version } from '../api/schema.js';
import type { ApiClient } from '../cli/client.js';
import { toFailure } from '../cli/failure.js';
import { defaultConfigFile, loadConfig } from '../config/load.js';
import { type Config, ConfigSchema } from '../config/schema.js';
import type { Examinable } from '../datapath/kernel.js';
import { WeftError } from '../errors.js';
import { parseAddress } from '../model/address.js';
import type { Machine } from './machine.js';
import { readCounters } from './proc_net.js';

/** What a daemon that answers has told. */
export interface DaemonFacts {
  status: Status;
  health: Health;
  version: Version;
  peers: Peer[];
  ports: Port[];
  networks: Network[];
}

export type Daemon =
  | ({ state: 'answers' } & DaemonFacts)
  /** It may not be asked by this user. */
  | { state: 'denied'; reason: string }
  | { state: 'silent'; reason: string };

/** `systemctl show`, where this host is run by systemd. */
export type Service = { state: 'none'; reason: string } | { state: 'known'; properties: Map<string, string> };

/** A peer to be probed. */
export interface Target {
  /** As it was given. */
  name: string;
  /** Numeric. */
  address: string;
  port: number;
  /** What weftd says of it; null when weftd does not answer. */
  peer: Peer | null;
}

export interface Facts {
  machine: Machine;
  /** The addon, or why there is none. */
  native: Examinable | { problem: string };
  daemon: Daemon;
  clientVersion: string;
  socket: string;
  config: Config;
  configFile: string;
  /** Why the file cannot be used. `unreadable`: this user may not read it, which says nothing of weftd. */
  configProblem: { unreadable: boolean; message: string; details: string[] } | null;
  stateDir: string;
  service: Service;
  targets: Target[];
  /** Clocks and kernel counters when the doctor began. */
  start: { now: number; monotonic: number; counters: ReadonlyMap<string, number> };
  /** weftd runs in another network namespace than this process, which therefore sees nothing of its network. */
  elsewhere: boolean;
}

export interface Surroundings {
  machine: Machine;
  api: ApiClient;
  socket: string;
  clientVersion: string;
  loadNative(): Examinable;
  lookup(name: string): Promise<string[]>;
  /** What the command line says; else what the daemon says, else the defaults. */
  configFile: string | undefined;
  stateDir: string | undefined;
}

export const unitName = 'weftd.service';
export const defaultStateDir = '/var/lib/weft';

const unitProperties = [
  ...['LoadState', 'ActiveState', 'SubState', 'UnitFileState', 'Result', 'NRestarts', 'MainPID'],
  ...['ExecMainStatus', 'NeedDaemonReload', 'CapabilityBoundingSet'],
];

export async function gatherFacts(around: Surroundings): Promise<Facts> {
  const { machine, socket, clientVersion } = around;
  const start = { now: machine.now(), monotonic: machine.monotonic(), counters: readCounters(machine) };
  const daemon = await askDaemon(around.api);
  const answers = daemon.state === 'answers' ? daemon : null;
  const configFile = around.configFile ?? answers?.status.config ?? defaultConfigFile;
  const loaded = readConfig(configFile, around.configFile === undefined);
  const { config } = loaded;
  return {
    ...{ machine, start, socket, clientVersion, daemon, configFile, config, configProblem: loaded.problem },
    native: nativeOr(around.loadNative),
    stateDir: around.stateDir ?? answers?.status.stateDir ?? defaultStateDir,
    service: await askService(machine),
    targets: await targetsOf(answers, config, around),
    elsewhere: answers !== null && isElsewhere(machine, answers.status.pid),
  };
}

async function askDaemon(api: ApiClient): Promise<Daemon> {
  try {
    const [status, version, peers, ports, networks] = await Promise.all([
      api.get<Status>('/v1/status'),
      api.get<Version>('/v1/version'),
      api.list<Peer>('/v1/peers'),
      api.list<Port>('/v1/ports'),
      api.list<Network>('/v1/networks'),
    ]);
    return { state: 'answers', status, version, peers, ports, networks, health: await askHealth(api) };
  } catch (thrown) {
    const { body } = toFailure(thrown);
    const state = body.code === 'WEFT_SOCKET_DENIED' ? 'denied' : 'silent';
    return { state, reason: body.message };
  }
}

/** A daemon that fails answers 503, which is what it has to say and no failure to ask. */
async function askHealth(api: ApiClient): Promise<Health> {
  try {
    return await api.get<Health>('/v1/health');
  } catch (thrown) {
    return { status: 'failing', reasons: [toFailure(thrown).body.message] };
  }
}

function readConfig(file: string, mayBeAbsent: boolean): { config: Config; problem: Facts['configProblem'] } {
  try {
    return { config: loadConfig(file, mayBeAbsent).config, problem: null };
  } catch (thrown) {
    const { code } = ((thrown as Error).cause ?? {}) as NodeJS.ErrnoException;
    const [message = '', ...details] = (thrown instanceof WeftError ? thrown.message : String(thrown)).split(
      '\n',
    );
    const unreadable = code === 'EACCES' || code === 'EPERM';
    return { config: ConfigSchema.parse({}), problem: { unreadable, message, details } };
  }
}

function nativeOr(load: () => Examinable): Facts['native'] {
  try {
    return load();
  } catch (thrown) {
    return { problem: (thrown as Error).message };
  }
}

async function askService(machine: Machine): Promise<Service> {
  const none = (reason: string): Service => ({ state: 'none', reason });
  try {
    machine.stat('/run/systemd/system');
  } catch {
    return none('this host is not run by systemd');
  }
  const shown = await machine.run(
    ['systemctl', 'show', unitName, `--property=${unitProperties.join(',')}`],
    5,
  );
  if (shown === null) return none('there is no systemctl');
  if (shown.status !== 0) return none(`systemctl failed: ${shown.stderr.trim().split('\n')[0] ?? ''}`);
  const properties = new Map(
    shown.stdout.split('\n').flatMap((line): [string, string][] => {
      const [, key = '', value = ''] = /^(\w+)=(.*)$/.exec(line) ?? [];
      return key === '' ? [] : [[key, value]];
    }),
  );
  return { state: 'known', properties };
}

async function targetsOf(
  daemon: DaemonFacts | null,
  config: Config,
  { machine, lookup }: Pick<Surroundings, 'machine' | 'lookup'>,
): Promise<Target[]> {
  if (daemon !== null) {
    return daemon.peers.flatMap((peer) =>
      peer.endpoint === null || peer.state === 'self'
        ? []
        : [{ name: peer.address, address: peer.endpoint, port: peer.port, peer }],
    );
  }
  const own = new Set(machine.addresses().map(({ address }) => address));
  const found = await Promise.all(
    config.peers.map(async ({ address: name, port }): Promise<Target[]> => {
      const address = isIP(name) !== 0 ? parseAddress(name) : await firstAddress(name, lookup);
      if (address === null || own.has(address)) return [];
      return [{ name, address, port: port ?? config.underlay.port, peer: null }];
    }),
  );
  return found.flat();
}

async function firstAddress(name: string, lookup: Surroundings['lookup']): Promise<string | null> {
  try {
    return (await lookup(name))[0] ?? null;
  } catch {
    return null;
  }
}

/** Who may not look at the process is taken to be in its namespace, as nearly everybody is. */
function isElsewhere(machine: Machine, pid: number): boolean {
  try {
    return machine.readLink(`/proc/${pid}/ns/net`) !== machine.readLink('/proc/self/ns/net');
  } catch {
    return false;
  }
}

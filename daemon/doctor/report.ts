/**
 * What goes into a bundle for a bug report. Everything is named here: of an object of the API its fields, of the configuration its keys.
 * What is new stays out until somebody has thought about it.
 */

import type { Status } from '../api/schema.js';
import type { ApiClient } from '../cli/client.js';
import { toFailure } from '../cli/failure.js';
import { type ConfigValue, configValues } from '../config/describe.js';
import { defaultConfigFile, type LoadedConfig, loadConfig } from '../config/load.js';
import type { BundledFile } from './bundle.js';
import type { Diagnosis } from './check.js';
import type { Machine } from './machine.js';

export interface ReportParts {
  api: ApiClient;
  machine: Machine;
  now: Date;
  /** For the name of the file. */
  stamp: string;
  /** Where weftd has its metrics unless it is told another place. */
  usualMetrics: string;
  diagnose(): Promise<Diagnosis[]>;
  render(diagnoses: readonly Diagnosis[]): string;
}

/** Bytes of one file; what is longer loses its middle, for the end of a log says most and its beginning what led to it. */
const mostBytes = 1024 * 1024;
const logLines = 5000;
/** Milliseconds in which events are listened to. */
const eventTime = 2000;
const metricsTime = 5000;

interface Source {
  path: string;
  what: string;
  read(): Promise<string> | string;
}

export async function collectReport(parts: ReportParts): Promise<{ name: string; files: BundledFile[] }> {
  const { api, stamp } = parts;
  const status = await api.get<Status>('/v1/status').catch(() => null);
  const host = (status?.host.name ?? 'host').replace(/[^\w.-]/g, '_');
  const sources = [...ofDaemon(parts), ...ofConfig(parts, status), ...ofHost(parts, status)];
  // At once, so that a weftd that hangs is waited for once.
  const collected = await Promise.all(
    sources.map(async ({ path, what, read }) => ({
      path,
      what,
      content: shortened(await contentOr(path, read)),
    })),
  );
  const files = collected.map(({ path, content }) => ({ path, content }));
  return {
    name: `weft-report-${host}-${stamp}`,
    files: [{ path: 'README.txt', content: readme(parts, collected) }, ...files],
  };
}

async function contentOr(path: string, read: Source['read']): Promise<string> {
  try {
    const content = await read();
    return path.endsWith('.txt') ? discreet(content) : content;
  } catch (thrown) {
    return `not to be had: ${discreet(toFailure(thrown).body.message)}\n`;
  }
}

/** Behind the place of a mistake in a configuration, `FILE:LINE:COLUMN: `, the file is quoted, whatever the key. Linear in the text. */
function discreet(text: string): string {
  return text.split('\n').map(discreetLine).join('\n');
}

function discreetLine(line: string): string {
  for (const { index, 0: place } of line.matchAll(/:\d+:\d+: /g)) {
    const file = line.slice(line.lastIndexOf(' ', index) + 1, index);
    if (file.includes('/') || file.endsWith('.yaml'))
      return `${line.slice(0, index + place.length)}(left out)`;
  }
  return line;
}

function shortened(content: string): string {
  const bytes = Buffer.from(content, 'utf8');
  if (bytes.length <= mostBytes) return content;
  const half = mostBytes / 2;
  const left = bytes.length - mostBytes;
  return `${bytes.subarray(0, half).toString('utf8')}\n[... ${left} bytes left out ...]\n${bytes.subarray(-half).toString('utf8')}`;
}

function readme({ now, machine }: ReportParts, files: readonly (BundledFile & { what: string })[]): string {
  const width = Math.max(...files.map(({ path }) => path.length));
  return `A report of weft for whoever looks into a problem, written ${now.toISOString()}${machine.uid === 0 ? '' : ' by a user who may not see everything'}.

It has names and addresses of this host, its peers, networks, ports and containers, and MACs.
It has no environment, labels, images or command lines of containers, no frames or payload, no firewall rules, and of the configuration
only values of keys that are known to hold no secret. Please read it before you send it.

${files.map(({ path, what }) => `${path.padEnd(width)}  ${what}\n`).join('')}`;
}

function json(value: unknown, space = 2): string {
  const each = (_: string, one: unknown) => (typeof one === 'string' ? discreet(one) : one);
  return `${JSON.stringify(value, each, space)}\n`;
}

/** Of each object, the fields that are written. */
const fields = {
  status: [
    ...[
      'version',
      'host',
      'pid',
      'startedAt',
      'config',
      'stateDir',
      'kernel',
      'underlay',
      'offloads',
      'networks',
      'ports',
    ],
    ...['peers', 'fdb', 'frames', 'pathMtu', 'docker', 'findings'],
  ],
  networks: ['name', 'vni', 'subnets', 'mtu', 'vlan', 'owner', 'ports', 'fdb', 'engines'],
  peers: [
    ...[
      'id',
      'address',
      'endpoint',
      'port',
      'checksum',
      'offload',
      'owner',
      'state',
      'reason',
      'pathMtu',
      'offloadDisabled',
    ],
    ...['offloadCheck', 'carryChecksum', 'idle', 'counters', 'hello', 'routeMtu', 'pathCheckedAt'],
  ],
  ports: [
    ...[
      'id',
      'name',
      'network',
      'ifname',
      'netns',
      'mac',
      'addresses',
      'mtu',
      'attach',
      'owner',
      'state',
      'reason',
    ],
    ...['offloadDisabled', 'counters', 'spoof', 'refused', 'container'],
  ],
  containers: [
    ...[
      'engine',
      'id',
      'name',
      'network',
      'engineNetwork',
      'endpoint',
      'addresses',
      'mac',
      'port',
      'ifname',
      'state',
    ],
    ...['reason', 'counters'],
  ],
  pools: ['id', 'scope', 'subnet', 'range', 'size', 'used'],
  drops: ['reason', 'stage', 'fault', 'count'],
  fdb: ['network', 'mac', 'kind', 'where', 'label', 'type', 'frozen', 'idle'],
} as const;

/** MACs that are written. */
const mostEntries = 5000;

function ofDaemon({ api, diagnose, render }: ReportParts): Source[] {
  const list = (name: Exclude<keyof typeof fields, 'status'>, what: string, query = {}): Source => ({
    path: `${name}.json`,
    what,
    read: async () =>
      json(
        (await api.list<Record<string, unknown>>(`/v1/${name}`, query)).map((one) => only(one, fields[name])),
      ),
  });
  let diagnoses: Promise<Diagnosis[]> | undefined;
  const asked = (): Promise<Diagnosis[]> => {
    diagnoses ??= diagnose();
    return diagnoses;
  };
  return [
    {
      path: 'status.json',
      what: 'weft --json status, findings last',
      read: async () => json(only(await api.get<Record<string, unknown>>('/v1/status'), fields.status)),
    },
    {
      path: 'version.json',
      what: 'versions of weftd, its addon, Node and the kernel',
      read: async () => json(await api.get('/v1/version')),
    },
    {
      path: 'health.json',
      what: 'whether the datapath makes progress',
      read: async () => json(await api.get('/v1/health')),
    },
    list('networks', 'networks'),
    list('peers', 'peers and their counters'),
    list('ports', 'ports and their counters'),
    list('containers', 'containers, without labels, aliases and image'),
    list('pools', 'pools of addresses, without their leases'),
    list('drops', 'drop counters'),
    list('fdb', `FDB entries, ${mostEntries} at most`, { limit: mostEntries }),
    {
      path: 'events.ndjson',
      what: `events of ${eventTime / 1000} s`,
      read: async () => (await events(api)) || `there was no event in ${eventTime / 1000} s\n`,
    },
    { path: 'doctor.txt', what: 'weft doctor', read: async () => render(await asked()) },
    { path: 'doctor.json', what: 'the same for programs', read: async () => json(await asked()) },
  ];
}

function only(object: Record<string, unknown>, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(names.flatMap((name) => (name in object ? [[name, object[name]]] : [])));
}

async function events(api: ApiClient): Promise<string> {
  let text = '';
  for await (const event of api.stream('/v1/events', AbortSignal.timeout(eventTime))) {
    text += json(event, 0);
    if (text.length > mostBytes) break;
  }
  return text;
}

/** Keys of the configuration whose values are no secret; `*` stands for one step. */
export const openKeys: readonly string[] = [
  ...[
    'host.name',
    'underlay.addresses',
    'underlay.addresses.*',
    'underlay.port',
    'underlay.source_ports',
    'underlay.accept',
  ],
  ...[
    'underlay.offloads.*',
    'peers',
    'peers.*.address',
    'peers.*.port',
    'peers.*.checksum',
    'peers.*.offload',
  ],
  ...[
    'networks',
    'networks.*.vni',
    'networks.*.subnets',
    'networks.*.subnets.*',
    'networks.*.mtu',
    'networks.*.vlan',
  ],
  ...['networks.*.fdb.*', 'networks.*.fdb.moves.*', 'networks.*.ipam.share', 'networks.*.ipam.share.*'],
  ...[
    'ipam.share',
    'ipam.share.*',
    'fdb.age',
    'fdb.limit',
    'fdb.limit_per_port',
    'fdb.moves.*',
    'docker.plugin',
    'docker.api',
  ],
  ...[
    'workers',
    'busy_poll',
    'metrics.listen',
    'metrics.objects',
    'underlay.explain',
    'log.level',
    'log.format',
  ],
];

/** By the steps to it: a name of a network may have dots. */
export function isOpen(path: readonly (string | number)[]): boolean {
  return openKeys.some((key) => {
    const steps = key.split('.');
    return (
      steps.length === path.length &&
      steps.every((step, index) => step === '*' || step === String(path[index]))
    );
  });
}

export function configLine({ path, steps, value, line }: ConfigValue): string {
  const shown = isOpen(steps) ? JSON.stringify(value) : '(left out)';
  return `${path}: ${shown}  # ${line === null ? 'default' : `line ${line}`}\n`;
}

async function metricsAt(listen: string): Promise<string> {
  const address = listen.replace(/^0\.0\.0\.0:/, '127.0.0.1:').replace(/^\[::\]:/, '[::1]:');
  // Another program may have the port.
  const answer = await fetch(`http://${address}/metrics`, {
    redirect: 'error',
    signal: AbortSignal.timeout(metricsTime),
  });
  return await answer.text();
}

function ofConfig({ usualMetrics }: ReportParts, status: Status | null): Source[] {
  const load = (): LoadedConfig => loadConfig(status?.config ?? defaultConfigFile, true);
  return [
    {
      path: 'metrics.txt',
      what: 'metrics as Prometheus gets them',
      read: async () => {
        let listen: string;
        try {
          listen = load().config.metrics.listen;
        } catch {
          // weftd goes on with what it read before, which mostly leaves the metrics where they usually are.
          return await metricsAt(usualMetrics).catch(
            (failure: Error) =>
              `not to be had at ${usualMetrics}: ${failure.message}; config.txt says why no other address is known\n`,
          );
        }
        return listen === 'off' ? 'metrics.listen is off\n' : await metricsAt(listen);
      },
    },
    {
      path: 'config.txt',
      what: 'the configuration file as it is now, key by key, with lines; in force is what weftd read at its start or the last reload',
      read: () => {
        try {
          return configValues(load()).map(configLine).join('');
        } catch (thrown) {
          if (status === null) throw thrown;
          const message = toFailure(thrown).body.message.trimEnd();
          return `not to be had: ${message}\nweftd goes on with what it read before; status.json has its address, port and offloads\n`;
        }
      },
    },
  ];
}

const kernelFiles = [
  ...[
    '/proc/version',
    '/etc/os-release',
    '/proc/loadavg',
    '/proc/meminfo',
    '/proc/pressure/cpu',
    '/proc/net/snmp',
  ],
  ...[
    '/proc/net/snmp6',
    '/proc/net/netstat',
    '/proc/net/softnet_stat',
    '/proc/net/dev',
    '/proc/net/sockstat',
  ],
];
const settings = [
  ...[
    'net/core/rmem_max',
    'net/core/wmem_max',
    'net/core/netdev_max_backlog',
    'net/ipv4/ip_forward',
    'net/ipv4/ip_no_pmtu_disc',
  ],
  ...[
    'net/ipv4/conf/all/rp_filter',
    'net/ipv4/conf/default/rp_filter',
    'net/ipv4/ping_group_range',
    'fs/file-nr',
  ],
  ...[
    'net/bridge/bridge-nf-call-iptables',
    'net/bridge/bridge-nf-call-ip6tables',
    'net/netfilter/nf_conntrack_count',
  ],
  ...['net/netfilter/nf_conntrack_max', 'kernel/unprivileged_userns_clone', 'user/max_net_namespaces'],
];

function ofHost({ machine }: ReportParts, status: Status | null): Source[] {
  const program = (path: string, argv: readonly string[], nothing = 'it printed nothing'): Source => ({
    path,
    what: argv.join(' '),
    read: async () => {
      const done = await machine.run(argv, 20);
      if (done === null) return `${argv[0]} is not installed\n`;
      if (done.status === 0) return done.stdout || `${argv.join(' ')}: ${nothing}\n`;
      return `${done.stdout}\n${done.stderr}\nexit status ${done.status}\n`;
    },
  });
  const pid = status?.pid ?? null;
  const ofProcess = ['status', 'limits', 'stat', 'sched', 'cgroup'].map((name) => `/proc/${pid}/${name}`);
  const port = status?.underlay.port ?? 4789;
  const text = (path: string, what: string, names: readonly string[]): Source => ({
    path,
    what,
    read: () => names.map((name) => `== ${name}\n${contentOf(machine, name).trimEnd()}\n`).join('\n'),
  });
  return [
    program(
      'log.txt',
      [
        ...['journalctl', '-u', 'weftd', '-n', String(logLines)],
        ...['-o', 'short-iso-precise', '--no-pager', '-q'],
      ],
      'the journal has nothing of weftd: systemd did not start it, no journal is kept, or this user may not read it',
    ),
    program('unit.txt', ['systemctl', 'status', 'weftd', 'weft-docker.socket', '--no-pager', '--lines=0']),
    text('kernel.txt', 'counters and facts of the kernel', kernelFiles),
    text(
      'sysctl.txt',
      'settings of the kernel that weft depends on',
      settings.map((name) => `/proc/sys/${name}`),
    ),
    ...(pid === null ? [] : [text('process.txt', 'what the kernel says of the process of weftd', ofProcess)]),
    program('links.txt', ['ip', '-s', '-d', 'link', 'show']),
    program('addresses.txt', ['ip', 'address', 'show']),
    program('routes.txt', ['ip', 'route', 'show', 'table', 'all']),
    program('sockets.txt', ['ss', '-ulnmpe', `sport = :${port}`]),
  ];
}

function contentOf(machine: Machine, path: string): string {
  try {
    return machine.read(path);
  } catch (thrown) {
    return `not to be had: ${(thrown as NodeJS.ErrnoException).code}`;
  }
}

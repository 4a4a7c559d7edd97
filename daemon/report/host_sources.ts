/** What the host says, for a bundle: the journal, the units, the kernel, links and sockets. */

import type { Status } from '../api/schema.js';
import type { Machine } from '../doctor/machine.js';
import type { ReportParts, Source } from './source.js';

const logLines = 5000;

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

export function ofHost({ machine }: ReportParts, status: Status | null): Source[] {
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

/** One of each shape of the API. */
import type { Container, Drop, FdbEntry, Network, Peer, Pool, Port, Status } from '../../api/schema.js';

const owner = { kind: 'api' as const, ref: 'cli' };

const counters = {
  rxFrames: 1234567,
  rxBytes: 1876543210,
  rxSuperFrames: 4321,
  txFrames: 1,
  txBytes: 60,
  txSuperFrames: 0,
  rxDropped: 0,
  txDropped: 7,
};

export const blue: Network = {
  name: 'blue',
  vni: 42,
  subnets: ['10.42.0.0/24', 'fd42::/64'],
  mtu: { declared: 'auto', effective: 1450 },
  vlan: 'drop',
  owner,
  ports: 2,
  fdb: { learned: 3, declared: 1 },
  engines: [],
};

export const web: Port = {
  id: 'p-7f3a9c21',
  name: 'web',
  network: 'blue',
  ifname: 'eth0',
  netns: 'c1',
  mac: '02:00:5e:10:00:01',
  addresses: ['10.42.0.2/24'],
  mtu: 1450,
  attach: 'tap',
  owner,
  state: 'up',
  reason: null,
  offloadDisabled: null,
  counters,
  spoof: 'allow',
  refused: { spoofedMac: 0, spoofedAddress: 0, rogueService: 0 },
  container: null,
};

export const nginx: Container = {
  engine: 'docker',
  id: 'c0ffee'.repeat(11).slice(0, 64),
  name: 'web',
  image: 'nginx:1',
  labels: { app: 'shop', tier: 'front' },
  aliases: ['www'],
  network: '10.32.0.0/16',
  engineNetwork: { id: '11'.repeat(32), name: 'front' },
  endpoint: 'beef'.repeat(16),
  addresses: ['10.32.0.2/16'],
  mac: '02:00:5e:10:00:02',
  port: 'p-0011aabb',
  ifname: 'eth0',
  state: 'up',
  reason: null,
  counters,
};

export const ten: Pool = {
  id: 'weft:1:10.32.0.0/16',
  scope: '10.32.0.0/16',
  subnet: '10.32.0.0/16',
  range: '10.32.48.0-10.32.63.255',
  size: '4096',
  used: 1,
  leases: [
    {
      address: '10.32.0.1',
      kind: 'gateway',
      name: null,
      port: null,
      since: new Date(Date.now() - 3_725_000).toISOString(),
    },
    {
      address: '10.32.48.0',
      kind: 'endpoint',
      name: 'web',
      port: 'p-0011aabb',
      since: new Date(Date.now() - 7_385_000).toISOString(),
    },
  ],
};

export const host2: Peer = {
  id: 'v-1a2b3c4d',
  address: '10.99.0.2',
  endpoint: '10.99.0.2',
  port: 4789,
  checksum: 'full',
  offload: 'auto',
  owner,
  state: 'active',
  reason: null,
  hello: {
    state: 'alive',
    since: '2026-10-01T08:00:00.000Z',
    rtt: 0.3456,
    jitter: 0.05,
    answeredAt: '2026-10-01T08:05:00.000Z',
    unanswered: 0,
    host: '00000000-0000-4000-8000-000000000002',
    version: '0.1.0',
    seenAs: '10.99.0.1',
    reason: null,
  },
  pathMtu: 1500,
  routeMtu: 1500,
  pathCheckedAt: '2026-10-01T08:04:55.000Z',
  offloadDisabled: null,
  offloadCheck: {
    state: 'passed',
    at: '2026-10-01T08:00:00.000Z',
    detail: 'bursts of 2, 44, 127 datagrams arrived as they were sent',
  },
  carryChecksum: true,
  idle: 3,
  counters,
};

export const entry: FdbEntry = {
  network: 'blue',
  mac: '02:00:5e:10:00:01',
  kind: 'port',
  where: 'p-7f3a9c21',
  label: 'eth0@c1',
  type: 'learned',
  frozen: false,
  idle: 65,
};

export const runts: Drop = {
  reason: 'runt',
  stage: 'ingress',
  fault: 'guest',
  count: 1200,
  sentence: 'The frame is shorter than an Ethernet header.',
};

export const healthy: Status = {
  version: '0.1.0',
  host: { id: 'h-0011', name: 'h1' },
  pid: 99,
  startedAt: new Date(Date.now() - 3_725_000).toISOString(),
  config: '/etc/weft/weft.yaml',
  stateDir: '/var/lib/weft',
  kernel: '6.1.0',
  underlay: { addresses: ['10.99.0.1'], port: 4789, state: 'up', reason: null },
  offloads: {
    tso: 'on',
    uso: 'off: not in this kernel',
    coalesceTcp: 'off (configured)',
    coalesceUdp: 'off: uso is off',
    udpGso: 'on',
    udpGro: 'on',
    carryChecksum: 'on',
  },
  networks: 1,
  ports: { total: 2, up: 1 },
  peers: { total: 1, active: 1, alive: 0, silent: 0, foreign: 0 },
  fdb: { learned: 3, declared: 1 },
  frames: {
    received: 1000000,
    unicast: 999990,
    flooded: 8,
    consumed: 1,
    dropped: 1,
    queued: 5,
    sent: 4,
    droppedEgress: 1,
  },
  pathMtu: { answered: 0, unanswered: 0 },
  docker: {
    socket: '/run/docker/plugins/weft.sock',
    state: 'listening',
    reason: null,
    activated: null,
    engine: null,
    api: 'there is no such socket',
    networks: 0,
    endpoints: 0,
  },
  findings: [],
};

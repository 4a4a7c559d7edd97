/** What weftd says of itself and its objects, for a bundle: the fields that are named here. */

import type { ApiClient } from '../cli/client.js';
import type { Diagnosis } from '../doctor/check.js';
import { json } from './discreet.js';
import { mostBytes, type ReportParts, type Source } from './source.js';

/** Milliseconds in which events are listened to. */
const eventTime = 2000;

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

export function ofDaemon({ api, diagnose, render }: ReportParts): Source[] {
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

/** Networks, the FDB, and the addresses that are given in them. */
import { counter, gauge, type Metric, type Sample } from './definition.js';

const ofNetwork = ['network'] as const;

const changes = [
  'learned',
  'moved',
  'expired',
  'evicted',
  'flushed',
  'frozen',
  'refusedPort',
  'refusedNetwork',
] as const;

export const networkMetrics: readonly Metric[] = [
  gauge(
    'weft_network_info',
    'What is in force of a network; always 1.',
    [...ofNetwork, 'vni'],
    ({ networks }) => networks.map(({ network: { name, vni } }) => [{ network: name, vni: String(vni) }, 1]),
  ),
  gauge(
    'weft_network_mtu_bytes',
    'Size of the largest IP packet that guests of a network send.',
    ofNetwork,
    ({ networks }) => networks.map(({ labels: one, mtu }) => [one, mtu]),
  ),
  gauge('weft_network_ports', 'Ports of a network on this host.', ofNetwork, ({ networks }) =>
    networks.map(({ labels: one, ports }) => [one, ports]),
  ),
  gauge('weft_fdb_entries', 'FDB entries.', [...ofNetwork, 'type'], ({ networks, counters }) =>
    networks.flatMap(({ network: { name } }): Sample[] => {
      const counted = counters.networks.get(name);
      if (counted === undefined) return [];
      return [
        [{ network: name, type: 'learned' }, counted.learned],
        [{ network: name, type: 'static' }, counted.declared],
      ];
    }),
  ),
  gauge('weft_fdb_entries_limit', 'FDB entries that a network may have.', ofNetwork, ({ networks }) =>
    networks.map(({ labels: one, limit }) => [one, limit]),
  ),
  counter(
    'weft_fdb_changes_total',
    'Changes of the FDB over all networks. frozen: MACs that moved too often; refused: not learned because of a limit.',
    ['change'],
    ({ counters: { fdb } }) =>
      changes.map((change) => [
        { change: change.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) },
        fdb[change],
      ]),
  ),
  gauge('weft_fdb_memory_bytes', 'Memory of the FDB.', [], ({ counters }) => [
    [{}, counters.fdb.memoryBytes],
  ]),
  gauge(
    'weft_pool_addresses',
    'Addresses in the part of a subnet that this host gives from.',
    ['scope', 'subnet', 'state'],
    ({ pools }) =>
      pools.flatMap(({ scope, subnet, size, used }): Sample[] => [
        [{ scope, subnet, state: 'used' }, used],
        [{ scope, subnet, state: 'free' }, Number(size - BigInt(used))],
      ]),
  ),
];

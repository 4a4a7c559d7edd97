/** Ports, one by one. */
import type { PortCounters, TrafficCounters } from '../../datapath/datapath.js';
import { counter, gauge, type Metric, type Sample } from './definition.js';
import type { PortSeries, Scrape } from './scrape.js';

const ofPort = ['port', 'network'] as const;

export const portMetrics: readonly Metric[] = [
  gauge(
    'weft_port_info',
    'What a port is called; always 1. place is IFNAME@NETNS; name is the given one, else the container, else the place.',
    [...ofPort, 'name', 'place', 'container', 'origin'],
    ({ ports }) => ports.map(({ info }) => [info, 1]),
  ),
  gauge('weft_port_up', 'Whether the port can forward: 1 or 0.', ofPort, ({ ports }) =>
    ports.map(({ labels: one, port }) => [one, port.state === 'up' ? 1 : 0]),
  ),
  ...traffic('rxFrames', 'Wire frames received from a port.'),
  ...traffic('rxBytes', 'Bytes of frames received from a port.'),
  ...traffic('rxSuperFrames', 'Super-frames received from a port.'),
  ...traffic('rxDropped', 'Wire frames received from a port and dropped.'),
  ...traffic('txFrames', 'Wire frames sent to a port.'),
  ...traffic('txBytes', 'Bytes of frames sent to a port.'),
  ...traffic('txSuperFrames', 'Super-frames sent to a port.'),
  ...traffic('txDropped', 'Wire frames queued to a port and dropped.'),
  counter(
    'weft_port_refused_total',
    'Wire frames of a port with spoof: deny that were dropped for what they claimed to be.',
    [...ofPort, 'reason'],
    ({ ports }) => ports.flatMap(refusals),
  ),
  gauge(
    'weft_port_offload_enabled',
    'Whether super-frames are written to a port, as far as this host uses them: 0 when the kernel refused some.',
    ofPort,
    (scrape) => counted(scrape, ({ offloadDisabled }) => (offloadDisabled === null ? 1 : 0)),
  ),
];

const reasons = ['spoofed_mac', 'spoofed_address', 'rogue_service'] as const;

function refusals({ port, counted: counts }: PortSeries): Sample[] {
  if (port.spoof !== 'deny' || counts === undefined) return [];
  return reasons.map((reason, index) => [
    { port: port.id, network: port.network, reason },
    counts.refused[index] ?? 0,
  ]);
}

function traffic(field: Exclude<keyof TrafficCounters, 'handle'>, help: string): [Metric] {
  const name = field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return [
    counter(`weft_port_${name}_total`, help, ofPort, (scrape) => counted(scrape, (counts) => counts[field])),
  ];
}

/** Ports that the engine has. */
function counted({ ports }: Scrape, value: (counts: PortCounters) => number): Sample[] {
  return ports.flatMap(({ labels: one, counted: counts }): Sample[] =>
    counts === undefined ? [] : [[one, value(counts)]],
  );
}

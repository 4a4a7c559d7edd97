/** The host as a whole: what runs, what is wrong, what there is. */
import { PeerSchema, PortSchema } from '../../api/schema.js';
import { findingTable } from '../../reconcile/findings.js';
import { describeOffloads } from '../../reconcile/offloads.js';
import { counter, gauge, type Metric, type Sample } from './definition.js';

export const hostMetrics: readonly Metric[] = [
  gauge('weft_build_info', 'What runs; always 1.', ['version', 'native', 'node'], ({ parts }) => {
    const { version, nativeVersion } = parts.identity;
    return [[{ version, native: nativeVersion, node: process.version }, 1]];
  }),
  gauge('weft_host_info', 'Where it runs; always 1.', ['host_id', 'name', 'kernel'], ({ parts }) => {
    const { hostId, probe } = parts.identity;
    return [[{ host_id: hostId, name: parts.catalog.config.host.name, kernel: probe.kernel }, 1]];
  }),
  gauge(
    'weft_healthy',
    'Whether the data plane makes progress: 0 when /healthz fails, else 1.',
    [],
    ({ parts }) => [[{}, parts.health().status === 'failing' ? 0 : 1]],
  ),
  gauge(
    'weft_findings',
    'Objects of which a finding holds now; docs/findings.md explains the codes.',
    ['code', 'severity'],
    ({ parts }) => {
      const counts = new Map<string, number>();
      for (const { code } of parts.findings()) counts.set(code, (counts.get(code) ?? 0) + 1);
      return Object.entries(findingTable).map(([code, { severity }]) => [
        { code, severity },
        counts.get(code) ?? 0,
      ]);
    },
  ),
  gauge('weft_networks', 'Networks.', [], ({ networkCount }) => [[{}, networkCount]]),
  gauge('weft_ports', 'Ports by state.', ['state'], ({ portStates }) =>
    inEveryState(PortSchema.shape.state.options, portStates),
  ),
  gauge('weft_peers', 'Peers by state.', ['state'], ({ peerStates }) =>
    inEveryState(PeerSchema.shape.state.options, peerStates),
  ),
  gauge(
    'weft_offload_enabled',
    'Whether an offload is used on this host, as far as a port or a peer has nothing against it: 1 or 0.',
    ['offload'],
    ({ parts }) => {
      const { offloads } = parts.catalog.config.underlay;
      return Object.entries(describeOffloads(offloads, parts.identity.probe.offloads)).map(([name, text]) => [
        { offload: name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) },
        text === 'on' ? 1 : 0,
      ]);
    },
  ),
  counter(
    'weft_events_lost_total',
    'Events that were lost: between the data plane and the control plane, or for a client that read too slowly.',
    ['between'],
    ({ parts }) => [
      [{ between: 'engine' }, parts.events.lost.engine],
      [{ between: 'client' }, parts.events.lost.client],
    ],
  ),
  gauge('weft_captures', 'Captures that run.', [], ({ parts }) => [[{}, parts.captures.list().length]]),
  gauge('weft_event_followers', 'Clients that follow the events.', [], ({ parts }) => [
    [{}, parts.events.followers],
  ]),
  gauge(
    'weft_metrics_hidden_objects',
    'Objects that have no series of their own, because there are more than metrics.objects of their kind.',
    ['kind'],
    ({ hidden }) => Object.entries(hidden).map(([kind, count]) => [{ kind }, count]),
  ),
];

function inEveryState(states: readonly string[], counts: ReadonlyMap<string, number>): Sample[] {
  return states.map((state) => [{ state }, counts.get(state) ?? 0]);
}

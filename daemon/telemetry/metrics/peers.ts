/** Peers, one by one. */
import type { PeerCounters, TrafficCounters } from '../../datapath/datapath.js';
import { counter, gauge, type Metric, type Sample } from './definition.js';
import type { PeerSeries, Scrape } from './scrape.js';

const ofPeer = ['peer'] as const;

export const peerMetrics: readonly Metric[] = [
  gauge(
    'weft_peer_info',
    'What is in force of a peer; always 1. endpoint is the address in use; it, host_id and version are empty while they are not known.',
    [...ofPeer, 'id', 'endpoint', 'udp_port', 'origin', 'host_id', 'version'],
    ({ peers }) =>
      peers.map(({ peer: { address, id, endpoint, port, owner, hello } }) => [
        {
          peer: address,
          id,
          endpoint: endpoint ?? '',
          udp_port: String(port),
          origin: owner.kind,
          host_id: hello.host ?? '',
          version: hello.version ?? '',
        },
        1,
      ]),
  ),
  gauge(
    'weft_peer_state',
    'The state of a peer, as in "weft peer ls"; always 1.',
    [...ofPeer, 'state'],
    ({ peers }) => peers.map(({ peer: { address, state } }) => [{ peer: address, state }, 1]),
  ),
  gauge('weft_peer_idle_seconds', 'Time since the last datagram from a peer.', ofPeer, ({ peers }) =>
    known(peers, ({ peer }) => peer.idle),
  ),
  gauge(
    'weft_peer_path_mtu_bytes',
    'Size of the largest IP packet that the underlay carries to a peer.',
    ofPeer,
    ({ peers }) => known(peers, ({ peer }) => peer.pathMtu),
  ),
  gauge(
    'weft_peer_path_mtu_limited',
    'Whether less arrives at a peer than the kernel knows of: 1 or 0.',
    ofPeer,
    ({ peers }) =>
      known(peers, ({ peer: { pathMtu, routeMtu } }) =>
        pathMtu === null || routeMtu === null ? null : pathMtu < routeMtu ? 1 : 0,
      ),
  ),
  gauge(
    'weft_peer_up',
    'Whether a weft host answers hellos: 1 or 0. Not there for a VTEP of another make.',
    ofPeer,
    ({ peers }) =>
      peers
        .filter(({ peer, counted: counts }) => counts !== undefined && peer.hello.state !== 'foreign')
        .map(({ labels: one, peer }) => [one, peer.hello.state === 'alive' ? 1 : 0]),
  ),
  gauge(
    'weft_peer_hello_state',
    'What hellos say of a peer; always 1. alive: it answers; silent: it did; foreign: it never did, and sends VXLAN; unknown: none of that yet.',
    [...ofPeer, 'state'],
    ({ peers }) =>
      peers
        .filter(({ counted: counts }) => counts !== undefined)
        .map(({ peer }) => [{ peer: peer.address, state: peer.hello.state }, 1]),
  ),
  gauge('weft_peer_rtt_seconds', 'Round trip of hellos to a peer, smoothed.', ofPeer, ({ peers }) =>
    known(peers, ({ peer: { hello } }) => (hello.rtt === null ? null : hello.rtt / 1000)),
  ),
  gauge(
    'weft_peer_jitter_seconds',
    'By how much the round trips of hellos to a peer differ, smoothed.',
    ofPeer,
    ({ peers }) =>
      known(peers, ({ peer: { hello } }) => (hello.jitter === null ? null : hello.jitter / 1000)),
  ),
  ...traffic('rxFrames', 'Wire frames received from a peer.'),
  ...traffic('rxBytes', 'Bytes of frames received from a peer.'),
  ...traffic('rxSuperFrames', 'Super-frames received from a peer.'),
  ...traffic('rxDropped', 'Wire frames received from a peer and dropped.'),
  ...traffic('txFrames', 'Wire frames sent to a peer.'),
  ...traffic('txBytes', 'Bytes of frames sent to a peer.'),
  ...traffic('txSuperFrames', 'Super-frames sent to a peer.'),
  ...traffic('txDropped', 'Wire frames queued to a peer and dropped.'),
  gauge(
    'weft_peer_offload_enabled',
    'Whether UDP_SEGMENT is used towards a peer, as far as this host and the configuration allow it: 0 when it was given up.',
    ofPeer,
    (scrape) => counted(scrape, ({ offloadDisabled }) => (offloadDisabled === null ? 1 : 0)),
  ),
  gauge(
    'weft_peer_offload_check',
    'What came of the last check of bursts to a peer; always 1.',
    [...ofPeer, 'state'],
    ({ peers }) =>
      peers
        .filter(({ counted: counts }) => counts !== undefined)
        .map(({ peer }) => [{ peer: peer.address, state: peer.offloadCheck.state }, 1]),
  ),
  gauge(
    'weft_peer_carry_checksum',
    'Whether inner checksums that guests left unfinished go to a peer unfinished: 1 or 0.',
    ofPeer,
    (scrape) => counted(scrape, ({ carryChecksum }) => (carryChecksum ? 1 : 0)),
  ),
];

function traffic(field: Exclude<keyof TrafficCounters, 'handle'>, help: string): [Metric] {
  const name = field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return [
    counter(`weft_peer_${name}_total`, help, ofPeer, (scrape) => counted(scrape, (counts) => counts[field])),
  ];
}

/** Peers that the engine has. */
function counted({ peers }: Scrape, value: (counts: PeerCounters) => number): Sample[] {
  return peers.flatMap(({ labels: one, counted: counts }): Sample[] =>
    counts === undefined ? [] : [[one, value(counts)]],
  );
}

function known(peers: readonly PeerSeries[], value: (one: PeerSeries) => number | null): Sample[] {
  return peers.flatMap((one): Sample[] => {
    const found = value(one);
    return found === null ? [] : [[one.labels, found]];
  });
}

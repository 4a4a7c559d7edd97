/** Frames as the engine counts them over all ports and peers, and the worker that forwards them. */
import { counter, type Metric } from './definition.js';

export const frameMetrics: readonly Metric[] = [
  counter(
    'weft_frames_received_total',
    'Wire frames received from ports and peers: the sum of weft_frames_total and of weft_drops_total with stage ingress.',
    [],
    ({ counters }) => [[{}, counters.received]],
  ),
  counter('weft_frames_total', 'Verdicts on received frames, drops apart.', ['verdict'], ({ counters }) => [
    [{ verdict: 'unicast' }, counters.unicast],
    [{ verdict: 'flooded' }, counters.flooded],
    [{ verdict: 'consumed' }, counters.consumed],
  ]),
  counter(
    'weft_frames_queued_total',
    'Wire frames queued to destinations: the sum of weft_frames_sent_total and of weft_drops_total with stage egress.',
    [],
    ({ counters }) => [[{}, counters.queued]],
  ),
  counter('weft_frames_sent_total', 'Wire frames sent to destinations.', [], ({ counters }) => [
    [{}, counters.sent],
  ]),
  counter(
    'weft_drops_total',
    'Dropped wire frames; docs/drops.md explains the reasons, and where to look by fault.',
    ['reason', 'stage', 'fault'],
    ({ parts, counters }) =>
      parts.datapath.drops.map(({ name, stage, fault }, index) => [
        { reason: name, stage, fault },
        counters.dropped[index] ?? 0,
      ]),
  ),
  counter(
    'weft_underlay_overflow_total',
    'Datagrams that the kernel dropped before weft read them.',
    [],
    ({ counters }) => [[{}, counters.underlayOverflow]],
  ),
  counter(
    'weft_path_mtu_answers_total',
    'Packets too big for a peer whose sender was told by ICMP, or not told because of the rate limit.',
    ['outcome'],
    ({ counters }) => [
      [{ outcome: 'sent' }, counters.pathMtuAnswered],
      [{ outcome: 'limited' }, counters.pathMtuUnanswered],
    ],
  ),
  counter('weft_rounds_total', 'Rounds of the worker loop.', [], ({ counters }) => [[{}, counters.rounds]]),
  counter(
    'weft_polled_rounds_total',
    'Rounds of the worker loop that found work by busy polling.',
    [],
    ({ counters }) => [[{}, counters.polled]],
  ),
  counter(
    'weft_worker_idle_seconds_total',
    'Time in which the worker waited for frames, asleep or by busy polling; the rest of the time it forwards.',
    [],
    ({ counters }) => [[{}, counters.idleSeconds]],
  ),
];

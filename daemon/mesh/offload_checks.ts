/**
 * When which peer is checked for bursts that arrive damaged, and what a verdict leads to: a peer whose bursts do gets no UDP_SEGMENT
 * until they do not any more.
 *
 * Only a peer that was heard in the last minute is checked: what is sent to others says nothing. A peer is checked soon after it is new,
 * after anything about the way to it changed, and when it is heard again after it gave no answer; else every ten minutes, or rarer when
 * there are many. One that failed is checked again after a minute, then after pauses
 * that double up to an hour; one that does not answer, which may be of another make, after ten minutes, then likewise.
 */

import type { Logger } from 'pino';
import type { Datapath, PeerOptions, UnderlayOptions } from '../datapath/datapath.js';
import type { OffloadReport } from '../datapath/events.js';
import { steadyNow } from '../steady_time.js';
import type { EventBus } from '../telemetry/events.js';
import { type CheckResult, type CheckState, checkOffload } from './offload_check.js';
import { OffloadExchange } from './offload_exchange.js';
import { nextTurns, type Turn } from './turns.js';

export interface OffloadCheckView {
  state: CheckState;
  /** When the state was found out; null while it was not. */
  at: Date | null;
  detail: string | null;
}

export interface OffloadChecksParts {
  datapath: Pick<
    Datapath,
    'state' | 'peerCounters' | 'sendOffloadBurst' | 'askAboutBurst' | 'setOffloadDamage' | 'offloadDamage'
  >;
  events: Pick<EventBus, 'emit'>;
  log: Logger;
  /** Something that status shows has changed. */
  onChange: () => void;
  now?: () => number;
  /** From 0 up to 1. */
  random?: () => number;
}

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const tickPeriod = second;
/** A peer that is new, or the way to which changed, is checked within so long. */
const soon = 2 * second;
const usualPause = 10 * minute;
const mostAtOnce = 8;
/** A check that nobody answers takes two seconds: with many peers, this leaves most of the time without a check. */
const pauseForEachPeer = 2 * second;
/** Seconds after which a peer from which nothing came is silent. */
const silentAfter = 60;
/** Bytes of IP; larger ones leave room for too few datagrams in one send. */
const largestMtu = 9000;
const ethernetHeader = 14;
const unknownMtu = 65_535;

/** First and longest pause after a result. */
const pauses: Record<CheckState, readonly [number, number]> = {
  passed: [usualPause, usualPause],
  failed: [minute, hour],
  'no-answer': [usualPause, hour],
  pending: [minute, usualPause],
  off: [usualPause, usualPause],
};

interface Known extends Turn {
  view: OffloadCheckView;
  circumstances: Circumstances;
  /** In the last minute. */
  heard: boolean;
  pause: number;
  running: Promise<OffloadCheckView> | null;
}

/** What a result depends on. The datapath gives the same objects until they are put anew. */
interface Circumstances {
  underlay: UnderlayOptions | null;
  options: PeerOptions;
  /** Why there is nothing to check. */
  obstacle: string | null;
}

function same(one: Circumstances, other: Circumstances): boolean {
  return one.underlay === other.underlay && one.options === other.options && one.obstacle === other.obstacle;
}

const unchecked: OffloadCheckView = { state: 'pending', at: null, detail: null };

export class OffloadChecks {
  private readonly exchange: OffloadExchange;
  private readonly known = new Map<string, Known>();
  private readonly now: () => number;
  private readonly random: () => number;
  private timer: NodeJS.Timeout | null = null;
  private stopped = false;

  constructor(private readonly parts: OffloadChecksParts) {
    this.exchange = new OffloadExchange(parts.datapath);
    this.now = parts.now ?? steadyNow;
    this.random = parts.random ?? Math.random;
  }

  start(): void {
    this.timer = setInterval(() => this.tick(), tickPeriod);
  }

  stop(): void {
    this.stopped = true;
    if (this.timer !== null) clearInterval(this.timer);
    this.exchange.stop();
  }

  report(report: OffloadReport): void {
    this.exchange.report(report);
  }

  view(peer: string): OffloadCheckView {
    const known = this.known.get(peer);
    if (known === undefined) return unchecked;
    const waits = known.view.at === null && !known.heard;
    return waits
      ? { ...known.view, detail: 'nothing was heard from the peer in the last minute' }
      : known.view;
  }

  /** Checks a peer now, or joins the check that runs. */
  async check(peer: string): Promise<OffloadCheckView> {
    this.look();
    const known = this.known.get(peer);
    if (known === undefined) return { ...unchecked, detail: 'the peer is not in the datapath' };
    if (known.circumstances.obstacle !== null || this.stopped) return known.view;
    return await this.run(peer, known);
  }

  private tick(): void {
    this.look();
    const may = (_: string, { heard, circumstances }: Known) => heard && circumstances.obstacle === null;
    for (const [id, known] of nextTurns(this.known, this.now(), mostAtOnce, may)) void this.run(id, known);
  }

  /** Compares what is with what was. */
  private look(): void {
    const { datapath } = this.parts;
    const { peers, underlay } = datapath.state();
    const counted = datapath.peerCounters();
    for (const id of this.known.keys()) if (!peers.has(id)) this.known.delete(id);
    for (const [id, options] of peers) {
      const { idle = null, offloadDisabled = null } = counted.get(id) ?? {};
      const obstacle =
        this.obstacle(options, underlay) ?? (datapath.offloadDamage(id) === null ? offloadDisabled : null);
      this.compare(id, { underlay, options, obstacle }, idle !== null && idle < silentAfter);
    }
  }

  private compare(id: string, circumstances: Circumstances, heard: boolean): void {
    const known = this.known.get(id);
    if (known !== undefined && same(known.circumstances, circumstances)) {
      const again = heard && !known.heard && known.view.state === 'no-answer';
      Object.assign(known, again ? { heard, due: this.soon(), pause: 0 } : { heard });
      return;
    }
    const { obstacle } = circumstances;
    const fresh = { circumstances, heard, due: this.soon(), pause: 0 };
    if (known === undefined) this.known.set(id, { ...fresh, view: this.firstView(obstacle), running: null });
    // What was found out holds until it is found out anew.
    else if (known.circumstances.obstacle === null && obstacle === null) Object.assign(known, fresh);
    else Object.assign(known, fresh, { view: this.firstView(obstacle) });
    if (obstacle !== null) this.recover(id);
  }

  private firstView(obstacle: string | null): OffloadCheckView {
    return obstacle === null ? unchecked : { state: 'off', at: new Date(this.now()), detail: obstacle };
  }

  private soon(): number {
    return this.now() + this.random() * soon;
  }

  private obstacle(options: PeerOptions, underlay: UnderlayOptions | null): string | null {
    if (underlay?.udpGso === false) return 'UDP_SEGMENT is off on this host: "weft status" says why';
    if (options.zeroChecksum) return 'UDP_SEGMENT is not used with checksum: zero';
    return options.offload ? null : 'UDP_SEGMENT is off for this peer';
  }

  private run(id: string, known: Known): Promise<OffloadCheckView> {
    known.running ??= this.carryOut(id, known).finally(() => {
      known.running = null;
    });
    return known.running;
  }

  private async carryOut(id: string, known: Known): Promise<OffloadCheckView> {
    const { circumstances } = known;
    const { mtu } = circumstances.options;
    const { state, detail }: CheckResult =
      mtu === unknownMtu
        ? { state: 'pending', detail: 'the path to the peer is not known' }
        : await checkOffload(this.exchange, id, Math.min(mtu, largestMtu) + ethernetHeader);
    // A result about what is not so any more is none.
    const { peers } = this.parts.datapath.state();
    const outdated =
      this.stopped ||
      this.known.get(id) !== known ||
      known.circumstances !== circumstances ||
      peers.get(id) !== circumstances.options;
    if (outdated) return known.view;
    const [first, longest] = pauses[state];
    known.pause = known.view.state === state ? Math.min(longest, Math.max(first, known.pause * 2)) : first;
    const pause = Math.max(known.pause, this.known.size * pauseForEachPeer);
    known.due = this.now() + pause * (0.8 + 0.4 * this.random());
    known.view = { state, at: new Date(this.now()), detail };
    if (state === 'failed') this.switchOff(id, detail);
    if (state === 'passed') this.recover(id);
    return known.view;
  }

  private switchOff(id: string, reason: string): void {
    const { datapath, events, log, onChange } = this.parts;
    const known = datapath.offloadDamage(id);
    datapath.setOffloadDamage(id, reason);
    if (known !== null) return;
    log.warn({ peer: id, reason }, 'UDP_SEGMENT is not used towards a peer any more');
    events.emit('peer-offload-disabled', `peer ${id}`, reason);
    onChange();
  }

  /** Its bursts arrive, or are not sent any more. */
  private recover(id: string): void {
    const { datapath, events, log, onChange } = this.parts;
    if (datapath.offloadDamage(id) === null) return;
    datapath.setOffloadDamage(id, null);
    log.info({ peer: id }, 'bursts to a peer do not arrive damaged any more');
    events.emit('peer-offload-enabled', `peer ${id}`, 'bursts do not arrive damaged any more');
    onChange();
  }
}

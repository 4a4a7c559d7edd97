/**
 * Which peers are weft hosts that take unfinished checksums. Each is asked, again and again, because another VTEP may take its place at any
 * time: what it answers holds for half a minute, and at most until its options change. The engine lets go by its own clock, so that this holds
 * also while nobody here gets to run.
 *
 * Only a peer that was heard in the last minute is asked. One that gave an answer is asked again after ten seconds, or after twenty when there are many; when it does not answer then, and
 * when it never did, after two, four, up to thirty seconds. With a thousand peers a host so sends fifty questions a second, and as many
 * answers. With more there is no time for all of them: those that take unfinished checksums come first, and keep what they have.
 */
import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { Datapath, FeatureReport, PeerOptions } from '../datapath/datapath.js';

export interface PeerFeaturesParts {
  datapath: Pick<Datapath, 'state' | 'counters' | 'askFeatures' | 'sendUnfinished'>;
  log: Logger;
  now?: () => number;
  /** From 0 up to 1. */
  random?: () => number;
}

const second = 1000;
const tickPeriod = second;
/** A peer that is new, or is heard again, is asked within so long. */
const soon = second;
const mostATick = 50;
/** Seconds after which a peer from which nothing came is silent. */
const silentAfter = 60;
/** Seconds. */
const holdsFor = 30;
const usualPause = 10 * second;
const pauseOfMany = 20 * second;
const firstRetry = 2 * second;
const lastRetry = 30 * second;

interface Known {
  /** The datapath gives the same object until it is put anew. */
  options: PeerOptions;
  /** In the last minute. */
  heard: boolean;
  /** Of the question that waits for an answer. */
  nonce: bigint | null;
  due: number;
  /** Until it is asked once more if it does not answer. */
  retry: number;
  /** Until when it takes unfinished checksums; 0 when it does not. */
  until: number;
}

export class PeerFeatures {
  private readonly known = new Map<string, Known>();
  private readonly now: () => number;
  private readonly random: () => number;
  private timer: NodeJS.Timeout | null = null;

  constructor(private readonly parts: PeerFeaturesParts) {
    this.now = parts.now ?? Date.now;
    this.random = parts.random ?? Math.random;
  }

  start(): void {
    this.timer = setInterval(() => this.tick(), tickPeriod);
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
  }

  /** From the data plane. */
  report({ peer, nonce, takesUnfinished }: FeatureReport): void {
    const { datapath, log } = this.parts;
    const known = this.known.get(peer);
    const { peers, carryChecksum } = datapath.state();
    if (known?.nonce !== nonce || peers.get(peer) !== known.options || !carryChecksum) return;
    const before = known.until > this.now();
    const pause = Math.min(pauseOfMany, Math.max(usualPause, (this.known.size * second) / mostATick));
    known.nonce = null;
    known.retry = firstRetry;
    known.due = this.now() + pause * (1 + 0.1 * this.random());
    known.until = takesUnfinished ? this.now() + holdsFor * second : 0;
    datapath.sendUnfinished(peer, takesUnfinished ? holdsFor : 0);
    if (before !== takesUnfinished)
      log.debug({ peer, takesUnfinished }, 'a peer said whether it takes unfinished checksums');
  }

  private tick(): void {
    this.look();
    const now = this.now();
    const due = [...this.known].filter(([, { heard, due: at }]) => heard && at <= now);
    const rank = ({ until }: Known) => (until > now ? 0 : 1);
    due.sort(([, one], [, other]) => rank(one) - rank(other) || one.due - other.due);
    for (const [id, known] of due.slice(0, mostATick)) this.ask(id, known);
  }

  /** Forgets what is not so any more. Without an outer checksum nothing would protect what an inner one does not. */
  private look(): void {
    const { datapath } = this.parts;
    const { peers, carryChecksum } = datapath.state();
    const asked = (options: PeerOptions | undefined) => carryChecksum && options?.zeroChecksum === false;
    for (const [id, { options }] of this.known)
      if (peers.get(id) !== options || !asked(options)) this.known.delete(id);
    for (const [id, options] of peers)
      if (!this.known.has(id) && asked(options))
        this.known.set(id, { options, heard: false, nonce: null, due: 0, retry: firstRetry, until: 0 });
    if (this.known.size === 0) return;
    const { peers: counted } = datapath.counters();
    for (const [id, known] of this.known) {
      const { idle = null } = counted.get(id) ?? {};
      const heard = idle !== null && idle < silentAfter;
      const again = { due: this.now() + this.random() * soon, retry: firstRetry };
      Object.assign(known, heard && !known.heard ? again : {}, { heard });
    }
  }

  private ask(id: string, known: Known): void {
    known.nonce = randomBytes(8).readBigUInt64BE();
    known.due = this.now() + known.retry * (1 + 0.1 * this.random());
    known.retry = Math.min(lastRetry, known.retry * 2);
    try {
      this.parts.datapath.askFeatures(id, known.nonce);
    } catch {
      // Too much waits to be sent: as if there was no answer.
    }
  }
}

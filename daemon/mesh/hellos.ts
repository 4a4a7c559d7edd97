/**
 * Asks every peer again and again who it is, and so knows which of them are there.
 *
 * A peer that answers is asked about once a second, or, when there are many, as often as fifty questions a second for all of them allow:
 * every twenty seconds with a thousand. One that does not answer is asked again each second at first, and when it has not answered
 * five times, after two seconds, four, up to thirty, or sixty where it never answered. It is asked at
 * once when it is heard; one that answers is not, or many that begin to would keep the others from their first question.
 *
 * What does not answer is not dead: it may be a VTEP of another make. It stays programmed, whatever is said of it here.
 */
import { randomBytes } from 'node:crypto';
import { type Datapath, helloBytes, type PeerOptions } from '../datapath/datapath.js';
import type { HelloAnswer, HelloReport } from '../datapath/events.js';
import { nextRoundTrip, type RoundTrip } from './round_trip.js';

/**
 * alive: it answers. silent: it did, and does not any more. foreign: it never did, and datagrams of VXLAN come from it. unknown: nothing of
 * that is known yet.
 */
export type HelloState = 'alive' | 'silent' | 'foreign' | 'unknown';

export interface HelloView {
  state: HelloState;
  /** Since when, in milliseconds since the epoch. */
  since: number;
  roundTrip: RoundTrip | null;
  /** The last answer; null when there was none since the peer has its address. */
  answer: HelloAnswer | null;
  answeredAt: number | null;
  /** Questions since then. */
  unanswered: number;
  /** Why the last question could not be sent: the name of an errno. */
  error: string | null;
  /** Its own hellos arrive here, and it answers none of ours. */
  oneWay: boolean;
  /** It answers from this address instead of its own. */
  elsewhere: string | null;
}

export type Reply =
  | { outcome: 'answered'; microseconds: number }
  | { outcome: 'silence' }
  /** `error` is the name of an errno. */
  | { outcome: 'failed'; error: string };

export interface HellosParts {
  datapath: Pick<Datapath, 'state' | 'peerCounters' | 'sendHello'>;
  /** Called before peers are asked, every second. */
  before?: () => void;
  /** Each answer, whoever asked. */
  answered?: (answer: HelloAnswer) => void;
  /** What status shows has changed. */
  onChange?: () => void;
  /** Peers that come first when there is no time for all. */
  first?: (peer: string) => boolean;
  /** Milliseconds; never goes back. */
  now?: () => number;
  wall?: () => number;
  /** From 0 up to 1. */
  random?: () => number;
}

const second = 1000;
const tickPeriod = second;
const mostATick = 50;
/** Of them, those that come first. */
const mostFirst = 40;
/** Questions without an answer after which a peer is silent. */
const mostUnanswered = 5;
const lastRetry = 30 * second;
const lastRetryOfOthers = 60 * second;
/** Milliseconds that an answer to {@link Hellos.ask} may take. */
const usualPatience = second;
/** Seconds after which what was heard is no sign any more. */
const heardFor = 60;
/** Milliseconds after which a VTEP of another make has taken the place of a weft host, when datagrams come and no hello. */
const foreignAfter = 300 * second;
const elsewhereFor = 300 * second;

interface Known {
  options: PeerOptions;
  state: HelloState;
  since: number;
  roundTrip: RoundTrip | null;
  answer: HelloAnswer | null;
  answeredAt: number | null;
  /** As `answeredAt`, on the clock that never goes back. */
  answeredLast: number;
  unanswered: number;
  /** Of them, those since it speaks and does not answer. */
  unheard: number;
  error: string | null;
  elsewhere: { address: string; at: number } | null;
  idle: number | null;
  helloIdle: number | null;
  due: number;
  retry: number;
}

export class Hellos {
  private readonly known = new Map<string, Known>();
  private readonly waiting = new Map<bigint, (reply: Reply) => void>();
  private readonly now: () => number;
  private readonly wall: () => number;
  private readonly random: () => number;
  private timer: NodeJS.Timeout | null = null;

  constructor(private readonly parts: HellosParts) {
    this.now = parts.now ?? (() => performance.now());
    this.wall = parts.wall ?? Date.now;
    this.random = parts.random ?? Math.random;
  }

  start(): void {
    this.timer = setInterval(() => this.tick(), tickPeriod);
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
    for (const done of [...this.waiting.values()]) done({ outcome: 'silence' });
  }

  /** From the data plane. */
  report(report: HelloReport): void {
    const known = this.known.get(report.peer);
    switch (report.type) {
      case 'hello-answer':
        if (known !== undefined) this.answered(known, report);
        this.waiting.get(report.nonce)?.({ outcome: 'answered', microseconds: report.microseconds });
        this.parts.answered?.(report);
        break;
      case 'hello-failed':
        if (known !== undefined) known.error = report.error;
        this.waiting.get(report.nonce)?.({ outcome: 'failed', error: report.error });
        break;
      case 'hello-misplaced':
        if (known !== undefined) known.elsewhere = { address: report.address, at: this.now() };
        break;
    }
  }

  /** null: the peer is not in the datapath. */
  view(peer: string): HelloView | null {
    const known = this.known.get(peer);
    if (known === undefined) return null;
    const { state, since, roundTrip, answer, answeredAt, unanswered, error, elsewhere } = known;
    const fresh = elsewhere !== null && this.now() - elsewhere.at < elsewhereFor;
    return {
      state,
      since,
      roundTrip,
      answer,
      answeredAt,
      unanswered,
      error,
      oneWay: known.unheard >= mostUnanswered && this.speaksOnly(known),
      elsewhere: fresh && unanswered > 0 ? elsewhere.address : null,
    };
  }

  /** One question besides the usual ones, in an Ethernet frame of so many bytes. Never rejects. */
  ask(peer: string, { bytes = helloBytes, patience = usualPatience } = {}): Promise<Reply> {
    const nonce = randomBytes(8).readBigUInt64BE();
    return new Promise((resolve) => {
      const done = (reply: Reply) => {
        clearTimeout(timer);
        this.waiting.delete(nonce);
        resolve(reply);
      };
      const timer = setTimeout(() => done({ outcome: 'silence' }), patience);
      this.waiting.set(nonce, done);
      try {
        this.parts.datapath.sendHello(peer, nonce, bytes);
      } catch (error) {
        done({ outcome: 'failed', error: (error as NodeJS.ErrnoException).code ?? 'ENOENT' });
      }
    });
  }

  private answered(known: Known, answer: HelloAnswer): void {
    // A padded one takes longer on a slow path.
    if (answer.bytes === helloBytes)
      known.roundTrip = nextRoundTrip(known.roundTrip, answer.microseconds / 1000);
    Object.assign(known, {
      answer,
      answeredAt: this.wall(),
      answeredLast: this.now(),
      unanswered: 0,
      unheard: 0,
      error: null,
      retry: second,
      due: Math.max(known.due, this.now() + this.pause() * (1 - 0.1 * this.random())),
    });
    this.become(known, 'alive');
  }

  /** Between two questions to a peer that answers; a little less, so that a tick is not missed. */
  private pause(): number {
    return Math.max(0.9 * second, (this.known.size * second) / mostATick);
  }

  private tick(): void {
    this.parts.before?.();
    this.look();
    const now = this.now();
    const due = [...this.known].filter(([, known]) => known.due <= now);
    due.sort(([, one], [, other]) => one.due - other.due);
    const first = due.filter(([id]) => this.parts.first?.(id) === true).slice(0, mostFirst);
    const chosen = new Set(first);
    for (const one of due) if (chosen.size < mostATick) chosen.add(one);
    for (const [id, known] of chosen) this.greet(id, known);
  }

  /** Compares what is with what was. */
  private look(): void {
    const { datapath } = this.parts;
    const { peers } = datapath.state();
    for (const id of this.known.keys()) if (!peers.has(id)) this.known.delete(id);
    for (const [id, options] of peers) {
      const known = this.known.get(id);
      // Where only the MTU or the like changed, it is the same host.
      if (known?.options.address === options.address && known.options.port === options.port)
        known.options = options;
      else {
        this.known.set(id, this.unknown(options));
        // What was said of its former address is over.
        if (known !== undefined && known.state !== 'unknown') this.parts.onChange?.();
      }
    }
    if (this.known.size === 0) return;
    const counted = datapath.peerCounters();
    for (const [id, known] of this.known) {
      const { idle = null, helloIdle = null } = counted.get(id) ?? {};
      const was = this.isHeard(known);
      Object.assign(known, { idle, helloIdle });
      if ((known.unanswered > 0 && this.isHeard(known) && !was) || this.returns(known))
        Object.assign(known, { due: this.now(), retry: second });
      this.judge(known);
    }
  }

  private unknown(options: PeerOptions): Known {
    return {
      options,
      state: 'unknown',
      since: this.wall(),
      roundTrip: null,
      answer: null,
      answeredAt: null,
      answeredLast: 0,
      unanswered: 0,
      unheard: 0,
      error: null,
      elsewhere: null,
      idle: null,
      helloIdle: null,
      due: 0,
      retry: second,
    };
  }

  private greet(id: string, known: Known): void {
    known.unanswered += 1;
    known.unheard = this.speaksOnly(known) ? known.unheard + 1 : 0;
    if (known.unanswered > mostUnanswered)
      known.retry = Math.min(known.answer === null ? lastRetryOfOthers : lastRetry, known.retry * 2);
    // Answered, it is put off; and a little less than a tick is a tick.
    known.due = this.now() + known.retry * (0.95 - 0.1 * this.random());
    try {
      this.parts.datapath.sendHello(id, randomBytes(8).readBigUInt64BE(), helloBytes);
    } catch {
      // Too much waits to be sent: it is asked in the next tick, and was not asked now.
      known.unanswered -= 1;
      known.due = this.now();
    }
  }

  private judge(known: Known): void {
    if (known.answer === null) {
      this.become(known, known.unanswered >= mostUnanswered && this.isForeign(known) ? 'foreign' : 'unknown');
    } else if (known.unanswered >= mostUnanswered) {
      const replaced = this.now() - known.answeredLast > foreignAfter && this.isForeign(known);
      if (replaced) Object.assign(known, { answer: null, answeredAt: null, roundTrip: null });
      this.become(known, replaced ? 'foreign' : 'silent');
    }
  }

  private become(known: Known, state: HelloState): void {
    if (known.state === state) return;
    known.state = state;
    known.since = this.wall();
    this.parts.onChange?.();
  }

  /** Datagrams come, and not from a weft host. */
  private isForeign(known: Known): boolean {
    return this.isHeard(known) && !this.speaks(known);
  }

  /** It did not answer, and now something comes from a weft host. */
  private returns({ unanswered, answer, idle, helloIdle }: Known): boolean {
    const now = (seconds: number | null) => seconds !== null && seconds <= 1;
    return unanswered > 1 && (now(helloIdle) || (answer !== null && now(idle)));
  }

  /** Its hellos still arrive a good while after it answered last. One that dies says one more, at most, between two questions. */
  private speaksOnly(known: Known): boolean {
    const since = this.now() - known.answeredLast - (known.helloIdle ?? 0) * second;
    return this.speaks(known) && (known.answer === null || since > this.pause() + 3 * second);
  }

  private isHeard({ idle }: Known): boolean {
    return idle !== null && idle < heardFor;
  }

  /** Its hellos arrive. With many peers they are as rare as ours. */
  private speaks({ helloIdle }: Known): boolean {
    return helloIdle !== null && helloIdle < heardFor;
  }
}

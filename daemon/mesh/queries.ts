/**
 * What the control plane of one host asks that of another, over control frames (docs/internals/control-frames.md).
 *
 * Nothing of it is authenticated. A reply counts only with the nonce of our last query to that peer, 64 random bits that go to the peer
 * alone; what it says may lead to a report, and to an MTU that is smaller where that is safe, and to nothing else. A query is answered with what its topic gives, if it fits into the room that
 * the query made; the data plane lets no more than 64 queries a second through, of all peers together. Whoever answers must take them from
 * anybody, and say nothing that a peer should not know.
 */
import { randomBytes } from 'node:crypto';
import { type Datapath, mostQueryText } from '../datapath/datapath.js';
import type { QueryReport } from '../datapath/events.js';

/** Numbers that are on the wire: never given to another topic. */
export const topics = { networks: 1, why: 2, mtus: 3 } as const;

/** Text of at most `room` bytes, or null: no reply. */
export type Responder = (text: Buffer, peer: string, room: number) => Buffer | null;

export interface Question {
  topic: number;
  text: Buffer;
  /** Bytes that the reply may have. All of the query must fit to the peer: `text` and `room` are at most {@link largestText}. */
  room: number;
}

/** Milliseconds that a reply may take, the first time and when asked again. */
const patience = [500, 1000];
/** Bytes of text in a query or reply that fits every path of IPv6, and of IPv4 down to an MTU of 1280. */
export const largestText = 1160;

export class Queries {
  private readonly responders = new Map<number, Responder>();
  private readonly waiting = new Map<bigint, { peer: string; done: (text: Buffer | null) => void }>();
  /** The last query to each peer: the data plane knows one, so they follow each other. */
  private readonly last = new Map<string, Promise<unknown>>();
  private stopped = false;

  constructor(private readonly datapath: Pick<Datapath, 'sendQuery' | 'sendReply'>) {}

  /** Answers queries of a topic from now on. */
  answer(topic: number, responder: Responder): void {
    this.responders.set(topic, responder);
  }

  /** The reply of a peer; null when none comes, which is so of every peer of another make or of an older weft. Never rejects. */
  async ask(peer: string, question: Question): Promise<Buffer | null> {
    const before = this.last.get(peer);
    const asked = (before ?? Promise.resolve()).then(() => this.exchange(peer, question));
    this.last.set(peer, asked);
    try {
      return await asked;
    } finally {
      if (this.last.get(peer) === asked) this.last.delete(peer);
    }
  }

  /** From the data plane. */
  report({ type, peer, nonce, topic, text, room }: QueryReport): void {
    if (type === 'reply') {
      const waiting = this.waiting.get(nonce);
      if (waiting?.peer === peer) waiting.done(Buffer.from(text));
      return;
    }
    const reply =
      this.responders.get(topic)?.(Buffer.from(text), peer, Math.min(room, mostQueryText)) ?? null;
    if (reply === null || reply.length > room || reply.length > mostQueryText) return;
    try {
      this.datapath.sendReply(peer, { nonce, topic, text: reply });
    } catch {
      // Too much waits to be sent: it is asked for again.
    }
  }

  /** What is under way ends without a reply. */
  stop(): void {
    this.stopped = true;
    for (const { done } of [...this.waiting.values()]) done(null);
  }

  private async exchange(peer: string, question: Question): Promise<Buffer | null> {
    for (const time of patience) {
      if (this.stopped) return null;
      const nonce = randomBytes(8).readBigUInt64BE();
      const reply = this.next(peer, nonce, time);
      try {
        this.datapath.sendQuery(peer, { ...question, nonce });
      } catch {
        this.waiting.get(nonce)?.done(null);
      }
      const text = await reply;
      if (text !== null) return text;
    }
    return null;
  }

  private next(peer: string, nonce: bigint, time: number): Promise<Buffer | null> {
    return new Promise((resolve) => {
      const done = (text: Buffer | null) => {
        clearTimeout(timer);
        this.waiting.delete(nonce);
        resolve(text);
      };
      const timer = setTimeout(() => done(null), time);
      this.waiting.set(nonce, { peer, done });
    });
  }
}

/** Asks weft hosts what they know of a way. */
import { type Queries, topics } from '../mesh/queries.js';
import { decodeAccount, encodeQuestion, type FarQuestion } from './far_wire.js';
import type { FarAccount } from './snapshot.js';

/** Bytes that a reply may have; the query is made as large. */
export const replyRoom = 800;
/** One walk asks no more peers, and no more of them at a time: the data plane has room for 64 queries that wait. */
const mostPeers = 256;
export const atATime = 32;

export class FarHosts {
  constructor(private readonly queries: Pick<Queries, 'ask'>) {}

  /** What the peers replied that did, by ID. Takes a second and a half where one does not. Never rejects. */
  async ask(peers: readonly string[], question: FarQuestion): Promise<Map<string, FarAccount>> {
    const accounts = new Map<string, FarAccount>();
    const text = encodeQuestion(question);
    if (text.length > replyRoom) return accounts;
    const waiting = peers.slice(0, mostPeers);
    const work = async (): Promise<void> => {
      for (let peer = waiting.shift(); peer !== undefined; peer = waiting.shift()) {
        const reply = await this.queries.ask(peer, { topic: topics.why, text, room: replyRoom });
        const account = reply === null ? null : decodeAccount(reply);
        if (account !== null) accounts.set(peer, account);
      }
    };
    await Promise.all(Array.from({ length: atATime }, work));
    return accounts;
  }
}

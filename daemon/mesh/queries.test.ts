import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { QueryReport } from '../datapath/events.js';
import { Queries, topics } from './queries.js';

/** Two hosts; what one sends the other gets, unless it is lost. */
class Wire {
  readonly sent: { type: 'query' | 'reply'; nonce: bigint; text: string }[] = [];
  lose: (type: 'query' | 'reply') => boolean = () => false;
  refuse = false;
  readonly here = new Queries(this.end('query', () => this.there));
  readonly there: Queries = new Queries(this.end('query', () => this.here));

  private end(_type: 'query', other: () => Queries) {
    const send = (
      type: 'query' | 'reply',
      { nonce, topic, text }: Pick<QueryReport, 'nonce' | 'topic' | 'text'>,
      room: number,
    ) => {
      if (this.refuse) throw new Error('EAGAIN');
      this.sent.push({ type, nonce, text: Buffer.from(text).toString() });
      if (!this.lose(type))
        setTimeout(() => other().report({ type, peer: 'p', nonce, topic, text, room }), 1);
    };
    return {
      sendQuery: (_peer: string, query: Pick<QueryReport, 'nonce' | 'topic' | 'text' | 'room'>) =>
        send('query', query, query.room),
      sendReply: (_peer: string, reply: Pick<QueryReport, 'nonce' | 'topic' | 'text'>) =>
        send('reply', reply, 0),
    };
  }
}

let wire: Wire;
beforeEach(() => {
  vi.useFakeTimers();
  wire = new Wire();
  wire.there.answer(topics.why, (text) => Buffer.from(`because ${text}`));
});
afterEach(() => vi.useRealTimers());

const ask = (text: string, room = 100, topic: number = topics.why) =>
  wire.here.ask('p', { topic, text: Buffer.from(text), room });

it('asks, and has the reply', async () => {
  const reply = ask('it rains');
  await vi.advanceTimersByTimeAsync(5);
  expect(`${await reply}`).toBe('because it rains');
});

it('asks once more with another nonce, and then gives up', async () => {
  wire.lose = () => wire.sent.length === 1;
  const reply = ask('x');
  await vi.advanceTimersByTimeAsync(2000);
  expect(`${await reply}`).toBe('because x');
  wire.lose = () => true;
  const none = ask('x');
  await vi.advanceTimersByTimeAsync(2000);
  expect(await none).toBeNull();
  const nonces = wire.sent.filter(({ type }) => type === 'query').map(({ nonce }) => nonce);
  expect(new Set(nonces).size).toBe(nonces.length);
  expect(nonces).toHaveLength(4);
});

it('has one question to a peer under way, and asks the others after it', async () => {
  wire.lose = (type) => type === 'reply';
  const all = ['a', 'b', 'c'].map((text) => ask(text));
  await vi.advanceTimersByTimeAsync(10);
  expect(wire.sent.filter(({ type }) => type === 'query')).toHaveLength(1);
  wire.lose = () => false;
  await vi.advanceTimersByTimeAsync(2000);
  expect((await Promise.all(all)).map(String)).toEqual(['because a', 'because b', 'because c']);
});

it('says nothing about a topic that it does not know, nor more than there is room for', async () => {
  const unknown = ask('x', 100, 9999);
  const small = ask('a long one', 10);
  await vi.advanceTimersByTimeAsync(4000);
  expect([await unknown, await small]).toEqual([null, null]);
  expect(wire.sent.filter(({ type }) => type === 'reply')).toEqual([]);
});

it('takes no reply with another nonce or of another peer', async () => {
  wire.lose = () => true;
  const reply = ask('x');
  await vi.advanceTimersByTimeAsync(1);
  const { nonce } = wire.sent[0] ?? { nonce: 0n };
  const forged = {
    type: 'reply',
    peer: 'p',
    nonce,
    topic: topics.why,
    text: Buffer.from('no'),
    room: 0,
  } as const;
  wire.here.report({ ...forged, peer: 'q' });
  wire.here.report({ ...forged, nonce: nonce + 1n });
  await vi.advanceTimersByTimeAsync(2000);
  expect(await reply).toBeNull();
});

it('gives up at once when nothing can be sent, or it is stopped', async () => {
  wire.refuse = true;
  expect(await ask('x')).toBeNull();
  wire.refuse = false;
  wire.lose = () => true;
  const reply = ask('x');
  await vi.advanceTimersByTimeAsync(1);
  wire.here.stop();
  expect(await reply).toBeNull();
});

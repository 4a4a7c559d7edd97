import { beforeEach, expect, it } from 'vitest';
import type { HelloAnswer, QueryReport } from '../datapath/events.js';
import { type OwnMtus, readMtuPage, writeMtuPage } from './mtu_page.js';
import { NetworkMtus } from './network_mtus.js';
import { Queries, type Responder } from './queries.js';

let now: number;
let asked: string[];
let changes: number;
/** What each peer computed by itself; null does not reply. */
let there: { p: OwnMtus | null; qq?: OwnMtus };
let mtus: NetworkMtus;
let respond: Responder | undefined;
let room: number;

const of = (auto: number, declared: readonly (readonly [number, number])[] = []): OwnMtus => ({
  auto,
  declared: new Map(declared),
});
const answer = (peer: string): HelloAnswer => ({
  type: 'hello-answer',
  peer,
  nonce: 1n,
  microseconds: 1,
  bytes: 110,
  takesUnfinished: false,
  seenAs: null,
  self: { host: Buffer.alloc(16), incarnation: 1n, version: [0, 1, 0], networks: 0n },
});
const hear = async (peer = 'p', later = 5000) => {
  now += later;
  mtus.answered(answer(peer));
  await new Promise((resolve) => setImmediate(resolve));
};
const peers = (...ids: string[]) => new Map(ids.map((id) => [id, { address: `10.99.0.${id.length}` }]));

beforeEach(() => {
  now = 0;
  asked = [];
  changes = 0;
  room = 1160;
  there = { p: of(1350) };
  mtus = new NetworkMtus({
    own: () => of(1354, [[42, 1200]]),
    onChange: () => {
      changes++;
    },
    now: () => now,
    queries: {
      answer: (_topic, one) => {
        respond = one;
      },
      ask: async (peer, { text }) => {
        asked.push(peer);
        const own = (peer === 'p' ? there.p : there.qq) ?? null;
        return own === null ? null : writeMtuPage(own, text.readUIntBE(0, 3), room);
      },
    },
  });
  mtus.follow(peers('p'));
});

it('knows the least of what peers say, declared or not, and tells when it changes', async () => {
  there.qq = of(1400, [[43, 1300]]);
  mtus.follow(peers('p', 'qq'));
  expect(mtus.least(42)).toBeNull();
  await hear('p');
  await hear('qq');
  expect([mtus.least(42), mtus.least(43)]).toEqual([
    { peer: 'p', mtu: 1350 },
    { peer: 'qq', mtu: 1300 },
  ]);
  await hear('p');
  expect(changes).toBe(2);
  there.p = of(1450);
  await hear('p');
  expect([mtus.least(42), changes]).toEqual([{ peer: 'qq', mtu: 1400 }, 3]);
});

it('says what this host computed by itself, and nothing of what it heard', async () => {
  await hear();
  const page = respond?.(Buffer.alloc(3), 'p', 1160);
  expect(page && readMtuPage(page)).toEqual({ ...of(1354, [[42, 1200]]), more: false });
});

it('asks who answers, every five seconds, and at once when told to', async () => {
  await hear('stranger');
  await hear();
  await hear('p', 4999);
  expect(asked).toEqual(['p']);
  mtus.askSoon('p');
  await hear('p', 0);
  await hear('p', 4999);
  expect(asked).toEqual(['p', 'p']);
  mtus.answered({ ...answer('p'), self: null });
  await hear('p', 1);
  expect(asked).toEqual(['p', 'p', 'p']);
});

it('keeps what was said while questions are lost, and forgets it when none is replied to', async () => {
  await hear();
  there.p = null;
  for (let count = 0; count < 9; count++) await hear();
  expect(mtus.least(42)).toEqual({ peer: 'p', mtu: 1350 });
  await hear();
  expect([mtus.least(42), changes, asked.length]).toEqual([null, 2, 11]);
  await hear('p', 299_999);
  expect(asked.length).toBe(11);
  there.p = of(1350);
  await hear('p', 1);
  expect(mtus.least(42)).toEqual({ peer: 'p', mtu: 1350 });
});

it('forgets a peer that is gone, and one that has another address', async () => {
  await hear();
  mtus.follow(new Map([['p', { address: '10.99.0.77' }]]));
  expect(mtus.least(42)).toBeNull();
  await hear();
  expect(mtus.least(42)).toEqual({ peer: 'p', mtu: 1350 });
  mtus.follow(peers());
  expect([mtus.least(42), changes]).toEqual([null, 4]);
});

it('reads a list in pages, and does not guess what is behind the last', async () => {
  room = 3 + 2 * 5;
  there.p = of(1350, [
    [1, 1301],
    [2, 1302],
    [3, 1303],
  ]);
  await hear();
  expect([asked.length, mtus.least(3)?.mtu, mtus.least(4)?.mtu]).toEqual([2, 1303, 1350]);
  there.p = of(
    1350,
    Array.from({ length: 9 }, (_, index) => [index + 1, 1300]),
  );
  await hear();
  expect([asked.length, mtus.least(8)?.mtu, mtus.least(9)]).toEqual([6, 1300, null]);
});

it.each([
  ['too short', '0005'],
  ['not whole', '00054600002a0546ff'],
  ['an MTU that nothing has', '00000000002a0546'],
  ['a declared one that nothing has', '00054600002affff'],
  ['out of order', '00054600002a054600002a0546'],
])('takes no page that is %s', (_why, page) => {
  expect(readMtuPage(Buffer.from('00054600002a0546', 'hex'))).not.toBeNull();
  expect(readMtuPage(Buffer.from(page, 'hex'))).toBeNull();
});

it('has two hosts agree over real queries, and rise again when the reason is gone', async () => {
  const own = { a: 1354, b: 1350 };
  const queries: Record<'a' | 'b', Queries> = { a: host('a', 'b'), b: host('b', 'a') };
  function host(name: 'a' | 'b', other: 'a' | 'b'): Queries {
    const deliver = (type: 'query' | 'reply', mail: Omit<QueryReport, 'type' | 'peer'>) =>
      queueMicrotask(() => queries[other].report({ ...mail, type, peer: name }));
    return new Queries({
      sendQuery: (_peer, query) => deliver('query', query),
      sendReply: (_peer, reply) => deliver('reply', { ...reply, room: 0 }),
    });
  }
  const hosts = (['a', 'b'] as const).map((name) => {
    const parts = { own: () => of(own[name]), onChange: () => undefined, now: () => now };
    const mine = new NetworkMtus({ ...parts, queries: queries[name] });
    const peer = name === 'a' ? 'b' : 'a';
    mine.follow(peers(peer));
    return { mine, peer, effective: () => Math.min(own[name], mine.least(42)?.mtu ?? 9000) };
  });
  const round = async () => {
    now += 5000;
    for (const { mine, peer } of hosts) mine.answered(answer(peer));
    await new Promise((resolve) => setImmediate(resolve));
    return hosts.map(({ effective }) => effective());
  };
  expect(await round()).toEqual([1350, 1350]);
  own.b = 1450;
  expect(await round()).toEqual([1354, 1354]);
  own.a = 1450;
  expect(await round()).toEqual([1450, 1450]);
});

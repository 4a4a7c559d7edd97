import { beforeEach, expect, it, vi } from 'vitest';
import type { HelloAnswer } from '../datapath/events.js';
import { NetworkClashes } from './network_clashes.js';
import { digestOf, type NamedVni, writePage } from './network_digest.js';
import type { Responder } from './queries.js';

let here: NamedVni[];
let there: NamedVni[] | null;
let asked: number;
let responder: Responder | undefined;
let now: number;
let clashes: NetworkClashes;

const answer = (networks: readonly NamedVni[], peer = 'p'): HelloAnswer => ({
  type: 'hello-answer',
  peer,
  nonce: 1n,
  microseconds: 1,
  bytes: 110,
  takesUnfinished: false,
  seenAs: null,
  self: { host: Buffer.alloc(16), incarnation: 1n, version: [0, 1, 0], networks: digestOf(networks) },
});
const hear = async (networks: readonly NamedVni[]) => {
  clashes.answered(answer(networks));
  await vi.waitFor(() => undefined);
  await new Promise((resolve) => setImmediate(resolve));
};

beforeEach(() => {
  here = [
    { name: 'blue', vni: 42 },
    { name: 'red', vni: 43 },
  ];
  there = [];
  asked = 0;
  now = 0;
  clashes = new NetworkClashes({
    networks: () => here,
    now: () => now,
    queries: {
      answer: (_topic, one) => {
        responder = one;
      },
      ask: async (_peer, { text }) => {
        asked++;
        return there === null ? null : writePage(there, text.readUIntBE(0, 3), 60);
      },
    },
  });
});

it('asks nothing while the digests are the same', async () => {
  await hear(here);
  expect([asked, clashes.of('p')]).toEqual([0, []]);
});

it('finds another VNI of a name, another name of a VNI, and both at once', async () => {
  there = [
    { name: 'red', vni: 42 },
    { name: 'green', vni: 44 },
    { name: 'blue', vni: 99 },
  ];
  await hear(there);
  expect(clashes.of('p')).toEqual([
    { network: 'red', vni: 43, there: { name: 'red', vni: 42 } },
    { network: 'blue', vni: 42, there: { name: 'red', vni: 42 } },
    { network: 'blue', vni: 42, there: { name: 'blue', vni: 99 } },
  ]);
});

it('finds nothing where a host only has other networks', async () => {
  there = [{ name: 'green', vni: 44 }];
  await hear(there);
  expect([asked, clashes.of('p')]).toEqual([1, []]);
});

it('asks for each list once, in pages, and judges it with the networks of now', async () => {
  there = Array.from({ length: 40 }, (_, index) => ({ name: `n${index}`, vni: 1000 + index }));
  await hear(there);
  const pages = asked;
  expect(pages).toBeGreaterThan(4);
  await hear(there);
  expect(asked).toBe(pages);
  here = [{ name: 'n39', vni: 7 }];
  await hear(there);
  expect(asked).toBe(pages);
  expect(clashes.of('p')).toEqual([{ network: 'n39', vni: 7, there: { name: 'n39', vni: 1039 } }]);
  here = there;
  await hear(there);
  expect(clashes.of('p')).toEqual([]);
});

it('asks again after half a minute for a list that did not come, and not before', async () => {
  there = null;
  const other = [{ name: 'blue', vni: 1 }];
  await hear(other);
  now += 29_000;
  await hear(other);
  expect(asked).toBe(1);
  now += 2000;
  there = other;
  await hear(other);
  expect(asked).toBe(2);
  expect(clashes.of('p')).toHaveLength(1);
});

it('asks a peer that says another digest in each hello for one list at a time', async () => {
  const waiting: ((page: Buffer) => void)[] = [];
  const slow = new NetworkClashes({
    networks: () => here,
    queries: {
      answer: () => undefined,
      ask: () => new Promise((resolve) => waiting.push(resolve)),
    },
  });
  const [first, ...others] = [1, 2, 3].map((vni) => [{ name: 'blue', vni }]);
  slow.answered(answer(first ?? []));
  for (const other of others) slow.answered(answer(other));
  slow.answered(answer(here));
  for (const other of others) slow.answered(answer(other));
  expect(waiting).toHaveLength(1);
  waiting[0]?.(writePage([], 0, 60));
  await new Promise((resolve) => setImmediate(resolve));
  slow.answered(answer(others[1] ?? []));
  expect(waiting).toHaveLength(2);
});

it('does not follow a peer whose pages go in circles', async () => {
  const page = writePage([{ name: 'blue', vni: 1 }], 0, 60);
  page[0] = 1;
  const circling = new NetworkClashes({
    networks: () => here,
    queries: { answer: () => undefined, ask: async () => page },
  });
  circling.answered(answer([{ name: 'x', vni: 5 }]));
  await new Promise((resolve) => setImmediate(resolve));
  expect(circling.of('p')).toEqual([]);
});

it('answers with its own list, and forgets peers that are gone', async () => {
  expect(responder?.(Buffer.from([0, 0, 42]), 'p', 100)).toEqual(writePage(here, 42, 100));
  expect(responder?.(Buffer.alloc(1), 'p', 100)).toBeNull();
  there = [{ name: 'blue', vni: 1 }];
  await hear(there);
  expect(clashes.of('p')).toHaveLength(1);
  clashes.forget(new Map());
  expect(clashes.of('p')).toEqual([]);
});

it('reads its own networks once, however many peers are compared with them', async () => {
  let reads = 0;
  here = here.map(({ name, vni }) => ({
    name,
    get vni() {
      reads++;
      return vni;
    },
  }));
  there = [{ name: 'green', vni: 44 }];
  const hearOf = async (peer: string) => {
    clashes.answered(answer(there ?? [], peer));
    await new Promise((resolve) => setImmediate(resolve));
    return clashes.of(peer);
  };
  expect(await hearOf('p')).toEqual([]);
  const once = reads;
  for (let peer = 0; peer < 20; peer++) expect(await hearOf(`p${peer}`)).toEqual([]);
  expect([once > 0, reads]).toEqual([true, once]);
});

import { beforeEach, expect, it } from 'vitest';
import { PeerResolver } from './resolver.js';

let now: number;
let changes: number;
let asked: number;
let answer: string[] | Error;
let resolver: PeerResolver;

beforeEach(() => {
  now = 0;
  changes = 0;
  asked = 0;
  resolver = new PeerResolver(
    async () => {
      asked += 1;
      if (answer instanceof Error) throw answer;
      return answer;
    },
    () => {
      changes += 1;
    },
    () => now,
  );
});

/** What is known once the lookup, if one was due, is over. */
async function known(name = 'h2.test') {
  resolver.resolve(name);
  await new Promise(setImmediate);
  return resolver.resolve(name);
}

it('takes a numeric address as it is', async () => {
  expect(await known('10.0.0.2')).toEqual({ address: '10.0.0.2', reason: null, pending: false });
  expect(asked).toBe(0);
});

it('asks for a name every 30 s, and tells of another address', async () => {
  answer = ['10.0.0.2'];
  expect(resolver.resolve('h2.test')).toEqual({
    address: null,
    reason: 'the name is being resolved',
    pending: true,
  });
  expect(await known()).toMatchObject({ address: '10.0.0.2', reason: null });
  answer = ['10.0.0.102'];
  now = 29_999;
  expect(await known()).toMatchObject({ address: '10.0.0.2' });
  expect([asked, changes]).toEqual([1, 1]);
  now = 30_000;
  expect(await known()).toMatchObject({ address: '10.0.0.102' });
  expect([asked, changes]).toEqual([2, 2]);
  now = 60_000;
  await known();
  expect([asked, changes]).toEqual([3, 2]);
});

it('keeps the address in use while it is one of several, and passes over what is no address of a host', async () => {
  answer = ['0.0.0.0', '224.0.0.1', '10.0.0.2', '10.0.0.3'];
  expect(await known()).toMatchObject({ address: '10.0.0.2' });
  now = 30_000;
  answer = ['10.0.0.3', '10.0.0.2'];
  expect(await known()).toMatchObject({ address: '10.0.0.2' });
  now = 60_000;
  answer = ['10.0.0.4', '10.0.0.3'];
  expect(await known()).toMatchObject({ address: '10.0.0.4' });
});

it('keeps the last address while a name does not resolve, and asks every 5 s until it does', async () => {
  answer = ['10.0.0.2'];
  await known();
  now = 30_000;
  answer = Object.assign(new Error('getaddrinfo'), { code: 'EAI_AGAIN' });
  expect(await known()).toMatchObject({ address: '10.0.0.2', reason: null });
  now = 34_999;
  answer = ['10.0.0.102'];
  expect(await known()).toMatchObject({ address: '10.0.0.2' });
  now = 35_000;
  expect(await known()).toMatchObject({ address: '10.0.0.102' });
  expect([asked, changes]).toEqual([3, 2]);
});

it('says why a name has no address yet, once for each reason', async () => {
  answer = [];
  expect(await known()).toMatchObject({
    address: null,
    reason: 'h2.test does not resolve: it has no address',
    pending: false,
  });
  now = 5000;
  await known();
  expect([asked, changes]).toEqual([2, 1]);
});

it('forgets names that are no peers any more', async () => {
  answer = ['10.0.0.2'];
  await known();
  resolver.keepOnly(new Set(['h2.test']));
  await known();
  expect(asked).toBe(1);
  resolver.keepOnly(new Set());
  await known();
  expect(asked).toBe(2);
});

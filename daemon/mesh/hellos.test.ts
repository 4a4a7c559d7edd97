import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Datapath } from '../datapath/datapath.js';
import type { HelloReport } from '../datapath/events.js';
import { FakeNative } from '../datapath/fake_native.js';
import { Hellos } from './hellos.js';
import { PeerFeatures } from './peer_features.js';

const second = 1000;
const self = {
  host: Buffer.alloc(16, 2),
  incarnation: 5n,
  version: [0, 1, 0] as const,
  networks: 9n,
};

interface Said {
  takesUnfinished: boolean;
  microseconds?: number;
}

let native: FakeNative;
let datapath: Datapath;
let features: PeerFeatures;
let hellos: Hellos;
/** What a peer answers; null: it is of another make, or away. */
let answer: (peer: string) => Said | null;
let asked: { peer: string; nonce: bigint; at: number; bytes: number }[];
let changes: number;

const options = { port: 4789, zeroChecksum: false, offload: true, mtu: 1450 };
const put = (index: number, different: Partial<typeof options & { address: string }> = {}) =>
  datapath.putPeer(`v${index}`, {
    ...options,
    address: `10.0.${index >> 8}.${index & 255}`,
    ...different,
  });
const handle = (peer: string) => datapath.counters().peers.get(peer)?.handle ?? -1;
const heard = (peer: string, idle: number | null, helloIdle: number | null = null) =>
  native.engine.heard.set(handle(peer), { idle, helloIdle });
const wait = (seconds: number) => vi.advanceTimersByTimeAsync(seconds * second);
const times = (peer: string) => asked.filter((one) => one.peer === peer).length;
const carries = (peer: string) => datapath.counters().peers.get(peer)?.carryChecksum;
const state = (peer: string) => hellos.view(peer)?.state;

beforeEach(() => {
  vi.useFakeTimers();
  native = new FakeNative();
  datapath = new Datapath(native, { mergeTcp: true, mergeUdp: false }, () => {
    for (const event of datapath.takeEvents())
      if (event.type.startsWith('hello-')) hellos.report(event as HelloReport);
  });
  asked = [];
  changes = 0;
  answer = () => ({ takesUnfinished: true });
  const names = new Map<number, string>();
  native.engine.onHello = (to, nonce, bytes) => {
    if (!names.has(to)) for (const [id, one] of datapath.counters().peers) names.set(one.handle, id);
    const peer = names.get(to) ?? '';
    asked.push({ peer, nonce, at: Date.now(), bytes });
    const said = answer(peer);
    if (said === null) return;
    const usual = { microseconds: 400, bytes, self, seenAs: '10.9.9.9' };
    setTimeout(() => native.engine.raise({ type: 'hello-answer', peer: to, nonce, ...usual, ...said }), 1);
  };
  features = new PeerFeatures({ datapath, log: pino({ level: 'silent' }) });
  hellos = new Hellos({
    datapath,
    answered: (one) => features.answered(one),
    first: (peer) => features.takesUnfinished(peer),
    onChange: () => changes++,
    random: () => 0,
  });
  datapath.setCarryChecksum(true);
  hellos.start();
});
afterEach(() => {
  hellos.stop();
  vi.useRealTimers();
});

describe('whether a peer is there', () => {
  it('is asked once a second, and known with the time that answers take', async () => {
    put(1);
    expect(hellos.view('v1')).toBeNull();
    await wait(10.5);
    expect(times('v1')).toBe(10);
    const view = hellos.view('v1');
    expect(view).toMatchObject({
      state: 'alive',
      unanswered: 0,
      error: null,
      oneWay: false,
      elsewhere: null,
    });
    expect(view?.roundTrip).toMatchObject({ rtt: 0.4, jitter: 0 });
    expect(view?.answer).toMatchObject({ self, seenAs: '10.9.9.9' });
    expect(changes).toBe(1);
  });

  it('is asked of each of many peers once before any is asked again, though all are heard from', async () => {
    for (let index = 0; index < 200; index++) put(index);
    answer = (peer) => {
      heard(peer, 0, 0);
      return { takesUnfinished: true };
    };
    await wait(4.5);
    expect(asked.length).toBe(200);
    expect(new Set(asked.map(({ peer }) => peer)).size).toBe(200);
  });

  it('is smoothed over the answers, as is how much they differ', async () => {
    put(1);
    await wait(1.5);
    answer = () => ({ takesUnfinished: true, microseconds: 8400 });
    await wait(1);
    expect(hellos.view('v1')?.roundTrip).toEqual({ rtt: 1.4, jitter: 0.5, last: 8.4 });
  });

  it('is not after five questions without an answer, nor sooner; then it is asked more and more rarely', async () => {
    put(1);
    await wait(3.5);
    answer = () => null;
    await wait(5);
    expect(state('v1')).toBe('alive');
    await wait(1);
    expect(state('v1')).toBe('silent');
    const before = times('v1');
    await wait(300);
    const later = times('v1') - before;
    expect(later).toBeGreaterThanOrEqual(10);
    expect(later).toBeLessThanOrEqual(14);
    expect(datapath.state().peers.has('v1')).toBe(true);
  });

  it('is known again at once when the peer speaks, however long it was away', async () => {
    put(1);
    await wait(3.5);
    answer = () => null;
    await wait(400);
    expect(state('v1')).toBe('silent');
    answer = () => ({ takesUnfinished: true });
    heard('v1', 0, 0);
    await wait(2);
    expect(state('v1')).toBe('alive');
    await wait(5);
    expect(times('v1')).toBeGreaterThan(5);
  });

  it('stays known when only one question in four is answered', async () => {
    put(1);
    let count = 0;
    answer = () => (count++ % 4 === 0 ? { takesUnfinished: true } : null);
    for (let at = 0; at < 100; at++) {
      await wait(1);
      if (at > 2) expect(state('v1')).toBe('alive');
    }
  });

  it('is not said of a VTEP of another make, which sends and never answers', async () => {
    put(1);
    put(2);
    answer = () => null;
    heard('v1', 0);
    await wait(3);
    expect([state('v1'), state('v2')]).toEqual(['unknown', 'unknown']);
    await wait(5);
    expect([state('v1'), state('v2')]).toEqual(['foreign', 'unknown']);
    const before = times('v1');
    await wait(600);
    expect(times('v1') - before).toBeLessThanOrEqual(16);
    heard('v1', 100);
    await wait(2);
    expect(state('v1')).toBe('unknown');
  });

  it('is said of one again that has taken the place of a weft host', async () => {
    put(1);
    await wait(2);
    answer = () => null;
    heard('v1', 0);
    await wait(200);
    expect(state('v1')).toBe('silent');
    await wait(200);
    expect(state('v1')).toBe('foreign');
    answer = () => ({ takesUnfinished: true });
    heard('v1', 0, 0);
    await wait(2);
    expect(state('v1')).toBe('alive');
  });

  it('tells that a weft host hears nothing of what is sent to it', async () => {
    put(1);
    answer = () => null;
    heard('v1', 0, 1);
    await wait(4);
    expect(hellos.view('v1')?.oneWay).toBe(false);
    await wait(4);
    expect(hellos.view('v1')).toMatchObject({ state: 'unknown', oneWay: true });
    heard('v1', 90, 90);
    await wait(2);
    expect(hellos.view('v1')?.oneWay).toBe(false);
  });

  it('does not take one that begins to speak, after a while or for the first time, for one that hears nothing', async () => {
    put(1);
    put(2);
    answer = (peer) => (peer === 'v1' ? { takesUnfinished: true } : null);
    await wait(5);
    answer = () => null;
    await wait(100);
    heard('v1', 0, 0);
    heard('v2', 0, 0);
    const oneWay = () => [hellos.view('v1')?.oneWay, hellos.view('v2')?.oneWay];
    for (let at = 0; at < 4; at++) {
      await wait(1);
      expect(oneWay()).toEqual([false, false]);
    }
    await wait(4);
    expect(oneWay()).toEqual([true, true]);
  });

  it('does not take one that has just died for one that hears nothing', async () => {
    put(1);
    await wait(5);
    answer = () => null;
    for (let gone = 0; gone < 70; gone++) {
      heard('v1', gone, gone);
      await wait(1);
      expect(hellos.view('v1')?.oneWay).toBe(false);
    }
    for (let at = 0; at < 15; at++) {
      heard('v1', 0, at % 2);
      await wait(1);
    }
    expect(hellos.view('v1')?.oneWay).toBe(true);
  });

  it('begins anew with another address, and not with another MTU', async () => {
    put(1);
    await wait(3);
    put(1, { mtu: 1350 });
    answer = () => null;
    await wait(2);
    expect(state('v1')).toBe('alive');
    const before = changes;
    put(1, { address: '10.9.9.9' });
    await wait(1);
    expect(hellos.view('v1')).toMatchObject({ state: 'unknown', answer: null, roundTrip: null });
    expect(changes).toBe(before + 1);
    datapath.removePeer('v1');
    await wait(1);
    expect(hellos.view('v1')).toBeNull();
  });

  it('tells why nothing is sent, and from where else answers come', async () => {
    put(1);
    answer = () => null;
    await wait(1);
    native.engine.raise({ type: 'hello-failed', peer: handle('v1'), nonce: 1n, error: 'EPERM' });
    native.engine.raise({ type: 'hello-misplaced', peer: handle('v1'), address: '10.0.0.9' });
    expect(hellos.view('v1')).toMatchObject({ error: 'EPERM', elsewhere: '10.0.0.9' });
    await wait(301);
    expect(hellos.view('v1')?.elsewhere).toBeNull();
  });
});

describe('a thousand peers', () => {
  it('take no more than fifty questions a second, are all asked in twenty seconds, and stay known', async () => {
    for (let index = 1; index <= 1000; index++) put(index);
    await wait(21);
    for (let index = 1; index <= 1000; index++) expect(times(`v${index}`)).toBeGreaterThan(0);
    asked = [];
    await wait(60);
    expect(asked.length).toBeLessThanOrEqual(50 * 60);
    for (let index = 1; index <= 1000; index++) {
      expect(times(`v${index}`), `v${index}`).toBeGreaterThanOrEqual(2);
      expect(state(`v${index}`)).toBe('alive');
      expect(carries(`v${index}`)).toBe(true);
    }
    const perSecond = new Map<number, number>();
    for (const { at } of asked) perSecond.set(at, (perSecond.get(at) ?? 0) + 1);
    expect(Math.max(...perSecond.values())).toBeLessThanOrEqual(50);
  });

  it('are found again among as many that do not answer', async () => {
    answer = (peer) => (Number(peer.slice(1)) <= 20 ? { takesUnfinished: true } : null);
    for (let index = 1; index <= 1000; index++) put(index);
    await wait(300);
    for (let index = 1; index <= 20; index++) expect(state(`v${index}`)).toBe('alive');
    expect(asked.length).toBeLessThanOrEqual(50 * 300);
  });
});

describe('a question besides', () => {
  it('is answered, is silence, or failed', async () => {
    put(1);
    await wait(1);
    const reply = hellos.ask('v1', { bytes: 500 });
    await wait(0.01);
    expect(await reply).toEqual({ outcome: 'answered', microseconds: 400 });
    expect(asked.at(-1)?.bytes).toBe(500);
    answer = () => null;
    const none = hellos.ask('v1', { patience: 200 });
    await wait(0.2);
    expect(await none).toEqual({ outcome: 'silence' });
    const refused = hellos.ask('v1');
    native.engine.raise({
      type: 'hello-failed',
      peer: handle('v1'),
      nonce: asked.at(-1)?.nonce ?? 0n,
      error: 'EMSGSIZE',
    });
    expect(await refused).toEqual({ outcome: 'failed', error: 'EMSGSIZE' });
    expect(await hellos.ask('nobody')).toMatchObject({ outcome: 'failed' });
  });

  it('that is padded does not count as a round trip', async () => {
    put(1);
    await wait(1.5);
    answer = () => ({ takesUnfinished: true, microseconds: 90_000 });
    const reply = hellos.ask('v1', { bytes: 1464 });
    await wait(0.01);
    await reply;
    expect(hellos.view('v1')?.roundTrip?.rtt).toBe(0.4);
  });

  it('ends when everything stops', async () => {
    put(1);
    await wait(1);
    answer = () => null;
    const reply = hellos.ask('v1');
    hellos.stop();
    expect(await reply).toEqual({ outcome: 'silence' });
  });
});

describe('unfinished checksums', () => {
  it('are sent to a peer that takes them, and renewed before that is over', async () => {
    put(1);
    await wait(1.5);
    expect(carries('v1')).toBe(true);
    expect(native.engine.unfinished.get(handle('v1'))).toBe(30);
    expect(features.takesUnfinished('v1')).toBe(true);
  });

  it('are not sent to one that does not take them, or has no outer checksum, or while they are off', async () => {
    answer = (peer) => ({ takesUnfinished: peer !== 'v1' });
    put(1);
    put(2, { zeroChecksum: true });
    put(3);
    await wait(2);
    expect(['v1', 'v2', 'v3'].map(carries)).toEqual([false, false, true]);
    datapath.setCarryChecksum(false);
    await wait(2);
    expect(['v1', 'v2', 'v3'].map(carries)).toEqual([false, false, false]);
    expect(state('v3')).toBe('alive');
    datapath.setCarryChecksum(true);
    await wait(2);
    expect(carries('v3')).toBe(true);
  });

  it('end with the first answer that does not take them, and begin again after other options', async () => {
    put(1);
    await wait(1.5);
    put(1, { mtu: 1400 });
    expect(carries('v1')).toBe(false);
    await wait(1.5);
    expect(carries('v1')).toBe(true);
    answer = () => ({ takesUnfinished: false });
    await wait(1.5);
    expect(carries('v1')).toBe(false);
    expect(features.takesUnfinished('v1')).toBe(false);
  });

  it('are forgotten with the peer', async () => {
    put(1);
    await wait(1.5);
    features.forget(new Map());
    expect(features.takesUnfinished('v1')).toBe(false);
  });
});

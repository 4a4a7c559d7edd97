import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Datapath } from '../datapath/datapath.js';
import { FakeNative } from '../datapath/fake_native.js';
import { PeerFeatures } from './peer_features.js';

const second = 1000;

describe('the features of peers', () => {
  let native: FakeNative;
  let datapath: Datapath;
  let features: PeerFeatures;
  /** What a peer answers; null: it is of another make, older, or away. */
  let answer: (peer: string) => { takesUnfinished: boolean } | null;
  let asked: { peer: string; nonce: bigint; at: number }[];
  let random: () => number;
  /** Seconds since peers were heard; null is never. */
  let idle: number | null;

  const options = { port: 4789, zeroChecksum: false, offload: true, mtu: 1450 };
  const put = (index: number, changes: Partial<typeof options> = {}) =>
    datapath.putPeer(`v${index}`, {
      ...options,
      address: `10.0.${index >> 8}.${index & 255}`,
      ...changes,
    });
  const wait = (seconds: number) => vi.advanceTimersByTimeAsync(seconds * second);
  const carries = (peer: string) => datapath.counters().peers.get(peer)?.carryChecksum;
  const times = (peer: string) => asked.filter((one) => one.peer === peer).length;

  beforeEach(() => {
    vi.useFakeTimers();
    native = new FakeNative();
    datapath = new Datapath(native, { mergeTcp: true, mergeUdp: false }, () => {
      for (const event of datapath.takeEvents()) if (event.type === 'peer-features') features.report(event);
    });
    const counters = datapath.counters.bind(datapath);
    vi.spyOn(datapath, 'counters').mockImplementation(() => {
      const all = counters();
      for (const one of all.peers.values()) one.idle = idle;
      return all;
    });
    asked = [];
    idle = 0;
    answer = () => ({ takesUnfinished: true });
    random = () => 0;
    native.engine.onHello = (handle, nonce) => {
      const peer = [...datapath.counters().peers].find(([, one]) => one.handle === handle)?.[0] ?? '';
      asked.push({ peer, nonce, at: Date.now() });
      const said = answer(peer);
      if (said === null) return;
      setTimeout(() => native.engine.raise({ type: 'peer-features', peer: handle, nonce, ...said }), 1);
    };
    features = new PeerFeatures({ datapath, log: pino({ level: 'silent' }), random: () => random() });
    datapath.setCarryChecksum(true);
    features.start();
  });
  afterEach(() => {
    features.stop();
    vi.useRealTimers();
  });

  it('are asked of a new peer within two seconds, and again every ten', async () => {
    put(2);
    await wait(2.5);
    expect(carries('v2')).toBe(true);
    expect([...native.engine.unfinished.values()]).toEqual([30]);
    expect(times('v2')).toBe(1);
    await wait(100);
    expect(times('v2')).toBeGreaterThanOrEqual(10);
    expect(times('v2')).toBeLessThanOrEqual(12);
    expect(new Set(asked.map(({ nonce }) => nonce)).size).toBe(asked.length);
  });

  it('are asked only of a peer that was heard in the last minute, and then at once', async () => {
    idle = null;
    put(2);
    await wait(60);
    expect(asked).toHaveLength(0);
    idle = 3;
    await wait(2.5);
    expect(carries('v2')).toBe(true);
    idle = 60;
    await wait(60);
    expect(asked).toHaveLength(1);
  });

  it('are asked of one that does not answer ever more rarely, and it gets finished checksums', async () => {
    answer = () => null;
    put(2);
    await wait(200);
    expect(carries('v2')).toBe(false);
    const pauses = asked.slice(1).map(({ at }, index) => Math.round((at - (asked[index]?.at ?? 0)) / second));
    expect(pauses).toEqual([2, 4, 8, 16, 30, 30, 30, 30, 30]);
    answer = () => ({ takesUnfinished: true });
    await wait(31);
    expect(carries('v2')).toBe(true);
  });

  it('are asked again soon when an answer is missing, so that a lost one costs nothing', async () => {
    put(2);
    await wait(2.5);
    answer = () => null;
    await wait(12);
    const before = times('v2');
    await wait(6);
    expect(times('v2')).toBeGreaterThan(before);
    // The engine lets go by itself; nothing here makes it hold longer.
    native.engine.unfinished.clear();
    await wait(60);
    expect(carries('v2')).toBe(false);
  });

  it('are what the peer said last', async () => {
    put(2);
    await wait(2.5);
    answer = () => ({ takesUnfinished: false });
    await wait(11);
    expect(carries('v2')).toBe(false);
  });

  it('are forgotten when the options of a peer change: it may be another host', async () => {
    put(2);
    await wait(2.5);
    let late: (() => void) | null = null;
    native.engine.onHello = (peer, nonce) => {
      late ??= () => native.engine.raise({ type: 'peer-features', peer, nonce, takesUnfinished: true });
    };
    await wait(11);
    expect(late).not.toBeNull();
    put(2, { mtu: 1400 });
    expect(carries('v2')).toBe(false);
    // What was asked of the former one counts no more.
    (late as (() => void) | null)?.();
    await wait(0);
    expect(carries('v2')).toBe(false);
  });

  it('are taken from the answer to the last question only', async () => {
    answer = () => null;
    put(2);
    await wait(8);
    const [first] = asked;
    const report = { peer: 'v2', takesUnfinished: true };
    features.report({ ...report, nonce: first?.nonce ?? 0n });
    features.report({ ...report, nonce: 0n });
    expect(carries('v2')).toBe(false);
    const last = asked.at(-1)?.nonce ?? 0n;
    features.report({ ...report, nonce: last });
    expect(carries('v2')).toBe(true);
    native.engine.unfinished.clear();
    features.report({ ...report, nonce: last });
    expect(carries('v2')).toBe(false);
  });

  it('are not asked of a peer that is sent no outer checksum, nor while it is switched off', async () => {
    put(2, { zeroChecksum: true });
    put(3);
    await wait(2.5);
    expect(times('v2')).toBe(0);
    expect(times('v3')).toBe(1);
    datapath.setCarryChecksum(false);
    expect(carries('v3')).toBe(false);
    await wait(60);
    expect(asked).toHaveLength(1);
    datapath.setCarryChecksum(true);
    await wait(2.5);
    expect(carries('v3')).toBe(true);
  });

  it('forget a peer that was removed', async () => {
    put(2);
    await wait(2.5);
    datapath.removePeer('v2');
    await wait(60);
    expect(asked).toHaveLength(1);
  });

  it('take no more than fifty questions a second of a thousand peers, and are renewed in time', {
    timeout: 180_000,
  }, async () => {
    random = Math.random;
    for (let index = 1; index <= 1000; index++) put(index);
    await wait(25);
    expect(native.engine.unfinished.size).toBe(1000);
    const from = Date.now();
    await wait(60);
    for (let at = from; at < Date.now(); at += second)
      expect(asked.filter((one) => one.at > at && one.at <= at + second).length).toBeLessThanOrEqual(50);
    // None was let go by the engine, that is, none waited longer than its answer holds.
    for (let index = 1; index <= 1000; index++) {
      const own = asked.filter(({ peer }) => peer === `v${index}`).map(({ at }) => at);
      const pauses = [...own.slice(1), Date.now()].map((at, one) => at - (own[one] ?? 0));
      expect(Math.max(...pauses)).toBeLessThan(30 * second);
    }
  });

  it('survive an engine that takes no more questions', async () => {
    vi.spyOn(datapath, 'askFeatures').mockImplementationOnce(() => {
      throw new Error('too many requests wait');
    });
    put(2);
    await wait(6);
    expect(carries('v2')).toBe(true);
  });
});

import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EventBus } from '../telemetry/events.js';
import type { HelloState, Reply } from './hellos.js';
import { Paths, type Route } from './paths.js';

const second = 1000;
let routes: Map<string, Route>;
let states: Map<string, HelloState>;
/** Bytes of IP that arrive at each peer. */
let carries: Map<string, number>;
let asked: { peer: string; bytes: number; at: number }[];
let changes: number;
let paths: Paths;

const wait = (seconds: number) => vi.advanceTimersByTimeAsync(seconds * second);
const put = (peer: string, address = '10.0.0.2', mtu = 1500) => {
  routes.set(peer, { address, mtu });
  states.set(peer, 'alive');
  if (!carries.has(peer)) carries.set(peer, mtu);
};
const overheadOf = (peer: string) => (routes.get(peer)?.address.includes(':') ? 56 : 36);

beforeEach(() => {
  vi.useFakeTimers();
  routes = new Map();
  states = new Map();
  carries = new Map();
  asked = [];
  changes = 0;
  const ask = async (peer: string, { bytes = 110, patience = 1000 } = {}): Promise<Reply> => {
    const ip = bytes + overheadOf(peer);
    asked.push({ peer, bytes: ip, at: Date.now() });
    if (ip <= (carries.get(peer) ?? 0)) return { outcome: 'answered', microseconds: 300 };
    await new Promise((resolve) => setTimeout(resolve, patience));
    return { outcome: 'silence' };
  };
  paths = new Paths({
    hellos: { ask, view: (peer) => ({ state: states.get(peer) ?? 'unknown', roundTrip: null }) },
    routes: () => routes,
    events: new EventBus(),
    log: pino({ level: 'silent' }),
    onChange: () => changes++,
    random: () => 0,
  });
  paths.start();
});
afterEach(() => {
  paths.stop();
  vi.useRealTimers();
});

describe('the path to a peer', () => {
  it('is tried with one datagram of the full size every ten seconds', async () => {
    put('p');
    await wait(61);
    expect(new Set(asked.map(({ bytes }) => bytes))).toEqual(new Set([1500]));
    expect(asked.length).toBeGreaterThanOrEqual(6);
    expect(asked.length).toBeLessThanOrEqual(8);
    expect([paths.limit('p'), changes]).toEqual([null, 0]);
    expect(paths.view('p').at).not.toBeNull();
  });

  it.each([
    ['10.0.0.2', 1400],
    ['fd00::2', 1432],
  ])('to %s is lowered within some seconds when large datagrams vanish', async (address, fits) => {
    put('p', address);
    await wait(5);
    carries.set('p', fits);
    await wait(20);
    expect([paths.limit('p'), changes]).toEqual([fits, 1]);
  });

  it('is lowered once more while it is low, and raised after half a minute', async () => {
    put('p');
    carries.set('p', 1400);
    await wait(10);
    expect(paths.limit('p')).toBe(1400);
    carries.set('p', 1300);
    await wait(20);
    expect(paths.limit('p')).toBe(1300);
    carries.set('p', 1350);
    await wait(45);
    expect(paths.limit('p')).toBe(1350);
    carries.set('p', 1500);
    await wait(45);
    expect([paths.limit('p'), changes]).toEqual([null, 4]);
  });

  it('is tried for more ever more rarely, up to every ten minutes, and at once when it is asked for', async () => {
    put('p');
    carries.set('p', 1400);
    await wait(3000);
    const raises = asked.filter(({ bytes }) => bytes === 1500).map(({ at }) => at);
    const pauses = raises.slice(1).map((at, index) => at - (raises[index] ?? 0));
    expect(Math.max(...pauses)).toBeGreaterThan(500 * second);
    expect(Math.max(...pauses)).toBeLessThan(620 * second);
    carries.set('p', 1500);
    const checked = paths.check('p');
    await wait(5);
    await checked;
    expect(paths.limit('p')).toBeNull();
  });

  it('is not tried while the peer is not alive, and not judged when it goes away', async () => {
    put('p');
    states.set('p', 'silent');
    await wait(30);
    expect(asked).toEqual([]);
    states.set('p', 'alive');
    carries.set('p', 0);
    await wait(30);
    expect(paths.limit('p')).toBeNull();
  });

  it('follows the kernel: what it knows is not passed, and another path is tried at once', async () => {
    put('p');
    carries.set('p', 1400);
    await wait(10);
    expect(paths.limit('p')).toBe(1400);
    routes.set('p', { address: '10.0.0.2', mtu: 1380 });
    asked = [];
    await wait(3);
    expect(paths.limit('p')).toBeNull();
    expect(Math.max(...asked.map(({ bytes }) => bytes))).toBe(1380);
    routes.set('p', { address: '10.0.0.9', mtu: 1500 });
    await wait(10);
    expect(paths.limit('p')).toBe(1400);
    routes.delete('p');
    await wait(2);
    expect(paths.limit('p')).toBeNull();
  });

  it('of jumbo frames is tried up to what a network can have', async () => {
    put('p', '10.0.0.2', 65_535);
    await wait(5);
    expect(Math.max(...asked.map(({ bytes }) => bytes))).toBe(9050);
    expect(paths.limit('p')).toBeNull();
  });

  it('is tried five times a second at most for all of a thousand peers', async () => {
    for (let index = 0; index < 1000; index++) put(`p${index}`);
    await wait(400);
    asked = [];
    await wait(400);
    expect(asked.length).toBeLessThanOrEqual(2200);
    expect(new Set(asked.map(({ peer }) => peer)).size).toBe(1000);
  });
});

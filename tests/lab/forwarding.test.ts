import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Guest } from '../../lab/guest.js';
import { expectInvariants } from './invariants.js';
import { type Family, openPair, type Pair } from './pair.js';

const families: Family[] = ['ipv4', 'ipv6'];

describe.each(families)('two hosts over an %s underlay', (underlay) => {
  let pair: Pair;
  let mtu: number;

  beforeAll(async () => {
    pair = await openPair({ underlay });
    mtu = Number(await pair.a.sys('mtu'));
    return () => pair.lab.close();
  });

  // What UDP sends without asking may be more than there is room for.
  afterEach(() => expectInvariants(pair.lab, { drops: ['port_full', 'underlay_full'], unequalEnds: true }));

  it('gives the guests the MTU that is left of 1500', () => {
    expect(mtu).toBe(underlay === 'ipv4' ? 1450 : 1430);
  });

  it('carries IPv4 and IPv6 of every size up to the MTU', async () => {
    const { a, b } = pair;
    for (const packet of [28, 29, 60, 500, 1280, mtu - 1, mtu]) {
      expect(await a.ping('10.42.0.2', { size: packet - 28 }), `IPv4 packet of ${packet} bytes`).toBe(true);
    }
    for (const packet of [48, 49, 500, 1280, mtu - 1, mtu]) {
      expect(await b.ping('fd42::1', { size: packet - 48 }), `IPv6 packet of ${packet} bytes`).toBe(true);
    }
  });

  it.each(['10.42.0.2', 'fd42::2'])(
    'carries 200 MB of TCP each way to %s, with every checksum right',
    async (address) => {
      const { a, b } = pair;
      expect((await a.iperf(b, address, '-n', '200M')).gbitPerSecond).toBeGreaterThan(0);
      expect((await a.iperf(b, address, '-n', '200M', '-R')).gbitPerSecond).toBeGreaterThan(0);
      expect((await a.iperf(b, address, '-n', '100M', '-P', '4', '--bidir')).gbitPerSecond).toBeGreaterThan(
        0,
      );
      expect(await a.counter('InCsumErrors')).toBe(0);
      expect(await b.counter('InCsumErrors')).toBe(0);
    },
  );

  it.each(['10.42.0.2', 'fd42::2'])(
    'carries UDP super-frames to %s, complete and in order',
    async (address) => {
      const { a, b } = pair;
      const size = mtu - 48;
      const result = await b.sink(9000, size, 640, () => a.gsoSend(address, 9000, size, 640, 40));
      expect(result).toEqual({ received: 640, wrongSize: 0, reordered: 0 });
      expect(await b.counter('InCsumErrors')).toBe(0);
    },
  );

  it('carries UDP of iperf3 both ways', async () => {
    const { a, b } = pair;
    for (const direction of [[], ['-R']]) {
      const result = await a.iperf(b, '10.42.0.2', '-u', '-b', '50M', '-t', '1', ...direction);
      expect(result.gbitPerSecond).toBeGreaterThan(0);
      expect(result.lostPercent).toBeLessThan(100);
    }
  });
});

describe('one network with two guests on h1 and one on h2', () => {
  let pair: Pair;
  let neighbour: Guest;

  beforeAll(async () => {
    pair = await openPair();
    neighbour = await pair.lab.guest('neighbour');
    await pair.h1.attach(neighbour, 'blue', { addresses: ['10.42.0.3/24', 'fd42::3/64'] });
    return () => pair.lab.close();
  });

  afterEach(() => expectInvariants(pair.lab));

  it('joins ports of one host', async () => {
    const { a } = pair;
    expect(await a.ping('10.42.0.3')).toBe(true);
    expect(await a.ping('fd42::3')).toBe(true);
    expect((await a.iperf(neighbour, '10.42.0.3', '-n', '200M')).gbitPerSecond).toBeGreaterThan(0);
    expect(await neighbour.counter('InCsumErrors')).toBe(0);
  });

  it('sends broadcast and multicast to every other port exactly once', async () => {
    const { a, b } = pair;
    const others = [b, neighbour];
    for (const guest of others)
      await guest.namespace.run(['sysctl', '-qw', 'net.ipv4.icmp_echo_ignore_broadcasts=0']);
    const flood = async (argv: string[], barrier: (guest: Guest) => Promise<boolean>) => {
      const before = await Promise.all(others.map((guest) => guest.counter('InEchos')));
      await a.namespace.run(['ping', '-q', '-c', '5', '-i', '0.05', ...argv]);
      // Frames to one destination stay in order: when this echo is there, so is all that was sent before.
      for (const guest of others) expect(await barrier(guest)).toBe(true);
      const after = await Promise.all(others.map((guest) => guest.counter('InEchos')));
      expect(after.map((count, index) => count - (before[index] ?? 0))).toEqual([6, 6]);
    };
    const number = (guest: Guest) => (guest === b ? 2 : 3);
    await flood(['-b', '10.42.0.255'], (guest) => a.ping(`10.42.0.${number(guest)}`, { count: 1 }));
    await flood(['-6', 'ff02::1%eth0'], (guest) => a.ping(`fd42::${number(guest)}`, { count: 1 }));
  });
});

describe('networks blue and red with the same addresses', () => {
  let pair: Pair;
  let redA: Guest;
  let redB: Guest;

  beforeAll(async () => {
    pair = await openPair();
    const { lab, h1, h2 } = pair;
    redA = await lab.guest('red-a');
    redB = await lab.guest('red-b');
    await h1.attach(redA, 'red', { addresses: ['10.42.0.1/24'], mac: await pair.a.sys('address') });
    await h2.attach(redB, 'red', { addresses: ['10.42.0.9/24'] });
    await redA.reach('10.42.0.9');
    return () => pair.lab.close();
  });

  afterEach(() => expectInvariants(pair.lab));

  it('both work, the same MAC in each', async () => {
    expect(await pair.a.ping('10.42.0.2')).toBe(true);
    expect(await redA.ping('10.42.0.9')).toBe(true);
  });

  it('nothing crosses from one to the other', async () => {
    const { a } = pair;
    await redB.namespace.run(['sysctl', '-qw', 'net.ipv4.icmp_echo_ignore_broadcasts=0']);
    // Red has traffic of its own, such as the kernel's probes of neighbours, but no echo requests now.
    const before = await redB.counter('InEchos');
    expect(await a.ping('10.42.0.9', { count: 2 })).toBe(false);
    await a.namespace.attempt(['ping', '-q', '-b', '-c', '20', '-i', '0.02', '-W', '1', '10.42.0.255']);
    expect(await a.ping('10.42.0.2')).toBe(true);
    expect(await redB.counter('InEchos')).toBe(before);
  });
});

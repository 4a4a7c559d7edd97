import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Guest } from '../../lab/guest.js';
import type { Host } from '../../lab/host.js';
import { until } from '../../lab/wait.js';
import { expectInvariants, settled } from './invariants.js';
import { networks, openPair, type Pair } from './pair.js';

/** The path between the hosts becomes this large, in both directions, while they run. */
async function setPath({ h1, h2 }: Pair, mtu: number): Promise<void> {
  const set = async (host: Host, peer: Host) => {
    await host.namespace.ip('route', 'replace', `${peer.ipv4}/32`, 'dev', 'eth0', 'mtu', `${mtu}`);
    await until(`${host.name} sees the path`, async () => (await host.peers())[0]?.pathMtu === mtu);
  };
  await Promise.all([set(h1, h2), set(h2, h1)]);
}

/** One echo that is not fragmented here; with what a router, or the own kernel by what it learned, said against it. */
async function echo(guest: Guest, address: string, size: number): Promise<string> {
  const { stdout, stderr } = await guest.namespace.attempt([
    ...['ping', '-n', '-M', 'do', '-c', '1', '-W', '5'],
    ...['-s', `${size}`, address],
  ]);
  return stdout + stderr;
}

/** How many echoes of 10 kB it takes until one comes back. Each guest fragments them to what it believes to fit. */
async function triesOf10kB(guest: Guest, address: string): Promise<number> {
  const argv = ['ping', '-q', '-n', '-M', 'want', '-c', '1', '-W', '3', '-s', '10000', address];
  for (let tries = 1; tries <= 5; tries += 1)
    if ((await guest.namespace.attempt(argv)).status === 0) return tries;
  return Number.POSITIVE_INFINITY;
}

async function forget(guest: Guest): Promise<void> {
  await guest.namespace.ip('-4', 'route', 'flush', 'cache');
  await guest.namespace.ip('-6', 'route', 'flush', 'cache');
}

const tooBig = (host: Host) => host.dropped('too_big');

describe('a declared MTU of 1450 on a path that became 1400', () => {
  let pair: Pair;
  const fits = 1350;

  beforeAll(async () => {
    pair = await openPair({ config: { networks: { blue: { ...networks.blue, mtu: 1450 } } } });
    await setPath(pair, fits + 50);
    return () => pair.lab.close();
  });

  afterEach(() =>
    expectInvariants(pair.lab, { drops: ['too_big', 'port_full'], findings: ['MTU_DOES_NOT_FIT'] }),
  );

  it.each([
    ['10.42.0.2', 28, `From 10.42.0.2 icmp_seq=1 Frag needed and DF set (mtu = ${fits})`],
    ['fd42::2', 48, `From fd42::2 icmp_seq=1 Packet too big: mtu=${fits}`],
  ])('tells a ping to %s what fits', async (address, headers, answer) => {
    const { h1, a } = pair;
    await forget(a);
    const before = await tooBig(h1);
    expect(await echo(a, address, 1450 - headers)).toContain(answer);
    expect(await tooBig(h1)).toBe(before + 1);
    expect(await echo(a, address, 1450 - headers)).toMatch(new RegExp(`local error.*mtu[=:] ?${fits}`));
    expect(await a.ping(address, { size: fits - headers })).toBe(true);
    await forget(a);
    expect(await echo(a, address, fits + 1 - headers)).toContain(answer);
  });

  it('carries 10 kB echoes of IPv6 once each side has been told', async () => {
    const { a, b } = pair;
    await forget(a);
    await forget(b);
    expect(await triesOf10kB(a, 'fd42::2')).toBe(3);
    expect(await triesOf10kB(a, 'fd42::2')).toBe(1);
  });

  it('fragments IPv4 without DF, and tells nobody', async () => {
    const { h1, a, b } = pair;
    await forget(a);
    await forget(b);
    const before = await tooBig(h1);
    const told = await a.counter('InDestUnreachs');
    expect(await triesOf10kB(a, '10.42.0.2')).toBe(1);
    expect(await tooBig(h1)).toBe(before);
    expect(await a.counter('InDestUnreachs')).toBe(told);
  });

  it('carries TCP without DF, whose super-frames are cut smaller', async () => {
    const { h1, a, b } = pair;
    for (const guest of [a, b]) {
      await forget(guest);
      await guest.namespace.run(['sysctl', '-qw', 'net.ipv4.ip_no_pmtu_disc=1']);
    }
    const before = await tooBig(h1);
    expect((await a.iperf(b, '10.42.0.2', '-n', '50M')).gbitPerSecond).toBeGreaterThan(0);
    expect((await a.iperf(b, '10.42.0.2', '-n', '50M', '-R')).gbitPerSecond).toBeGreaterThan(0);
    expect(await tooBig(h1)).toBe(before);
    expect(await a.counter('InCsumErrors')).toBe(0);
    expect(await b.counter('InCsumErrors')).toBe(0);
    for (const guest of [a, b]) await guest.namespace.run(['sysctl', '-qw', 'net.ipv4.ip_no_pmtu_disc=0']);
  });

  it('carries TCP, whose super-frames are told too', async () => {
    const { a, b } = pair;
    for (const address of ['10.42.0.2', 'fd42::2']) {
      await forget(a);
      await forget(b);
      expect((await a.iperf(b, address, '-n', '50M')).gbitPerSecond).toBeGreaterThan(0);
      expect((await a.iperf(b, address, '-n', '50M', '-R')).gbitPerSecond).toBeGreaterThan(0);
    }
    expect(await a.counter('InCsumErrors')).toBe(0);
    expect(await b.counter('InCsumErrors')).toBe(0);
  });

  it('answers a guest that does not listen 100 times a second', async () => {
    const { h1, a } = pair;
    await a.namespace.run(['sysctl', '-qw', 'net.ipv4.ip_no_pmtu_disc=2']);
    await forget(a);
    const before = await tooBig(h1);
    const told = await a.counter('InDestUnreachs');
    const started = performance.now();
    await a.namespace.attempt(
      ['ping', '-q', '-n', '-M', 'do', '-l', '1000', '-c', '1000', '-W', '1'].concat(
        '-s',
        '1422',
        '10.42.0.2',
      ),
    );
    const seconds = Math.ceil((performance.now() - started) / 1000) + 1;
    await a.namespace.run(['sysctl', '-qw', 'net.ipv4.ip_no_pmtu_disc=0']);
    expect(await tooBig(h1)).toBeGreaterThanOrEqual(before + 1000);
    const answers = (await a.counter('InDestUnreachs')) - told;
    expect(answers).toBeGreaterThan(0);
    expect(answers).toBeLessThanOrEqual(100 * seconds);
  });

  it('counts to the frame', async () => {
    const { frames } = await settled(pair.h1);
    expect(frames.queued).toBe(frames.sent + frames.droppedEgress);
    expect(frames.received).toBe(frames.unicast + frames.flooded + frames.consumed + frames.dropped);
  });
});

describe.each(['auto', 1450])('a network with MTU %s whose path shrinks', (mtu) => {
  let pair: Pair;

  beforeAll(async () => {
    pair = await openPair({ config: { networks: { blue: { ...networks.blue, mtu } } } });
    return () => pair.lab.close();
  });

  afterEach(() =>
    expectInvariants(pair.lab, { drops: ['too_big', 'port_full'], findings: ['MTU_DOES_NOT_FIT'] }),
  );

  it.each(['10.42.0.2', 'fd42::2'])(
    'goes on with a TCP stream to %s, and carries 10 kB echoes',
    async (address) => {
      const { a, b } = pair;
      await setPath(pair, 1500);
      await forget(a);
      await forget(b);
      const received = async () => Number(await b.sys('statistics/rx_bytes'));
      const before = await received();
      const stream = a.iperf(b, address, '-b', '100M', '-n', '40M');
      const shrink = async () => {
        await until('the stream flows', async () => (await received()) > before + 4_000_000);
        await setPath(pair, 1400);
      };
      const [{ gbitPerSecond }] = await Promise.all([stream, shrink()]);
      expect(gbitPerSecond).toBeGreaterThan(0);
      expect((await received()) - before).toBeGreaterThan(40_000_000);
      if (mtu === 'auto') await until('the link has the MTU', async () => (await a.sys('mtu')) === '1350');
      expect(await triesOf10kB(a, address)).toBeLessThanOrEqual(address.includes(':') ? 3 : 1);
    },
  );
});

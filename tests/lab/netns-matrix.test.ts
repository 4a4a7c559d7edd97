/** The scenarios of WireGuard's netns.sh, asked of weft: every kind of traffic over every kind of underlay, and underlays that change. */
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Echoes } from '../../lab/echoes.js';
import type { Guest } from '../../lab/guest.js';
import { Host } from '../../lab/host.js';
import { Lab } from '../../lab/lab.js';
import { killed } from '../../lab/namespace.js';
import { until } from '../../lab/wait.js';
import { type Exceptions, expectInvariants } from './invariants.js';
import { type Family, networks, openPair, type Pair } from './pair.js';

const families: Family[] = ['ipv4', 'ipv6'];

/** Echoes as fast as they come back, until the 500th did: the share that came back. */
async function floodPing(from: Guest, to: string): Promise<number> {
  const child = from.namespace.start(['ping', '-n', '-A', to], 'pipe');
  const echoes = new Echoes();
  child.stdout?.on('data', (chunk: Buffer) => echoes.read(chunk.toString()));
  try {
    await until('500 echoes come back', () => echoes.newest >= 500);
    return echoes.share();
  } finally {
    await killed(child);
  }
}

describe.each(families)('over %s', (underlay) => {
  let pair: Pair;

  beforeAll(async () => {
    pair = await openPair({ underlay });
    return () => pair.lab.close();
  });

  afterEach(() => expectInvariants(pair.lab, { drops: ['port_full', 'underlay_full'], unequalEnds: true }));

  it.each([
    ['10.42.0.2', '10.42.0.1'],
    ['fd42::2', 'fd42::1'],
  ])('every echo of a flood comes back, from %s and from %s', async (there, here) => {
    expect(await floodPing(pair.a, there)).toBe(1);
    expect(await floodPing(pair.b, here)).toBe(1);
  });

  it.each(['10.42.0.2', 'fd42::2'])('TCP, parallel TCP and UDP reach %s, both ways', async (address) => {
    const { a, b } = pair;
    for (const flags of [
      ['-n', '20M'],
      ['-n', '20M', '-R'],
      ['-n', '5M', '-P', '10', '--bidir'],
    ])
      expect((await a.iperf(b, address, ...flags)).gbitPerSecond, `${flags}`).toBeGreaterThan(0);
    for (const flags of [[], ['-R'], ['-P', '4']]) {
      const { lostPercent } = await a.iperf(b, address, '-u', '-b', '20M', '-n', '2M', ...flags);
      expect(lostPercent, `${flags}`).toBeLessThan(100);
    }
  });
});

describe.each([
  ['ipv4', 1400, 1350],
  ['ipv4', 9000, 8950],
  ['ipv6', 1400, 1330],
  ['ipv6', 9000, 8930],
] as const)('over %s with an MTU of %i', (family, underlayMtu, mtu) => {
  it(`guests have ${mtu} bytes, which arrive whole, and no more do`, async () => {
    const lab = await Lab.open({ underlayMtu });
    try {
      const [h1, h2] = [await lab.host('h1'), await lab.host('h2')];
      const [a, b] = [await lab.guest('a'), await lab.guest('b')];
      await h1.start({ peers: [h2[family]], networks });
      await h2.start({ peers: [h1[family]], networks });
      await h1.attach(a, 'blue', { addresses: ['10.42.0.1/24', 'fd42::1/64'] });
      await h2.attach(b, 'blue', { addresses: ['10.42.0.2/24', 'fd42::2/64'] });
      await a.reach('10.42.0.2');
      expect(Number(await a.sys('mtu'))).toBe(mtu);
      for (const [address, headers] of [
        ['10.42.0.2', 28],
        ['fd42::2', 48],
      ] as const) {
        expect(await a.ping(address, { size: mtu - headers })).toBe(true);
        expect(await a.ping(address, { size: mtu - headers + 1, count: 1 })).toBe(false);
        expect((await a.iperf(b, address, '-n', '10M', '--bidir')).gbitPerSecond).toBeGreaterThan(0);
      }
      await expectInvariants(lab);
    } finally {
      await lab.close();
    }
  });
});

describe('an underlay that changes', () => {
  let pair: Pair;
  let exceptions: Exceptions;

  beforeAll(async () => {
    pair = await openPair({ underlay: 'ipv4' });
    return () => pair.lab.close();
  });

  afterEach(() => expectInvariants(pair.lab, { unequalEnds: true, ...exceptions }));

  it('a host gets another address, and its peer is told: guests keep their connection', async () => {
    const { h1, h2, a, b } = pair;
    exceptions = { drops: ['unknown_peer', 'no_route'] };
    // From now on the host follows the source address of its default route.
    await h2.namespace.run(['sysctl', '-qw', 'net.ipv4.conf.eth0.promote_secondaries=1']);
    await h2.namespace.ip('route', 'add', 'default', 'dev', 'eth0');
    h2.configure({ peers: [h1.ipv4], networks, underlay: { addresses: undefined } });
    await h2.weft('reload');
    const moved = '10.77.0.102';
    const received = async () => Number(await b.sys('statistics/rx_bytes'));
    const before = await received();
    const stream = a.iperf(b, '10.42.0.2', '-b', '50M', '-n', '40M');
    let cutOff = Number.POSITIVE_INFINITY;
    const move = async () => {
      await until('the stream flows', async () => (await received()) > before + 2_000_000);
      await h2.namespace.ip('address', 'add', `${moved}/24`, 'dev', 'eth0');
      await h2.namespace.ip('address', 'del', `${h2.ipv4}/24`, 'dev', 'eth0');
      cutOff = await received();
      h1.configure({ peers: [moved], networks });
      await h1.weft('reload');
      await until('the peer is programmed', async () => (await h1.peers())[0]?.endpoint === moved);
    };
    const [{ gbitPerSecond }] = await Promise.all([stream, move()]);
    expect(gbitPerSecond).toBeGreaterThan(0);
    // Not all of it: iperf3 ends when everything is sent, whatever is still under way.
    expect((await received()) - cutOff).toBeGreaterThan(5_000_000);
    expect(await b.ping('10.42.0.1')).toBe(true);
  });

  it('the way to the peer leads over another link: frames follow the route', async () => {
    const { lab, h1, h2, a } = pair;
    exceptions = { drops: ['unknown_peer', 'no_route'] };
    const address = (await h1.peers())[0]?.endpoint ?? '';
    const router = await lab.host('router');
    await router.namespace.run([
      'sysctl',
      '-qw',
      'net.ipv4.ip_forward=1',
      'net.ipv4.conf.all.send_redirects=0',
    ]);
    await router.namespace.run(['sysctl', '-qw', 'net.ipv4.conf.eth0.send_redirects=0']);
    await h1.namespace.ip('route', 'add', `${address}/32`, 'via', router.ipv4);
    await h2.namespace.ip('route', 'add', `${h1.ipv4}/32`, 'via', router.ipv4);
    // Bytes, because two datagrams in one send are one packet to the router. Inside VXLAN an echo has 98 of Ethernet.
    const forwarded = async () =>
      Number((await router.namespace.run(['cat', '/sys/class/net/eth0/statistics/tx_bytes'])).trim());
    const before = await forwarded();
    expect(await a.ping('10.42.0.2', { count: 20 })).toBe(true);
    expect((await forwarded()) - before).toBeGreaterThanOrEqual(40 * (8 + 98));
    // No way at all, then one again.
    await h1.namespace.ip('route', 'replace', 'unreachable', `${address}/32`);
    expect(await a.ping('10.42.0.2', { count: 1 })).toBe(false);
    await h1.namespace.ip('route', 'del', `${address}/32`);
    await h2.namespace.ip('route', 'del', `${h1.ipv4}/32`);
    await a.reach('10.42.0.2');
    await until('no finding is left', async () => (await h1.status()).findings.length === 0);
  });
});

describe('tunnels and their own way', () => {
  let pair: Pair;

  beforeAll(async () => {
    pair = await openPair();
    return () => pair.lab.close();
  });

  it('a weft in the guests of a weft works, its MTU less by another overhead', async () => {
    const { lab, a, b } = pair;
    const inside = (name: string, guest: Guest, number: number) =>
      new Host(name, guest.namespace, join(lab.dir, name), `10.42.0.${number}`, `fd42::${number}`);
    const [i1, i2] = [inside('i1', a, 1), inside('i2', b, 2)];
    const [x, y] = [await lab.guest('x'), await lab.guest('y')];
    try {
      await i1.start({ peers: [i2.ipv4], networks });
      await i2.start({ peers: [i1.ipv4], networks });
      await i1.attach(x, 'blue', { addresses: ['10.42.0.1/24', 'fd42::1/64'] });
      await i2.attach(y, 'blue', { addresses: ['10.42.0.2/24', 'fd42::2/64'] });
      await x.reach('10.42.0.2');
      const mtu = Number(await x.sys('mtu'));
      expect(mtu).toBe(1400);
      for (const size of [56, mtu - 28]) expect(await x.ping('10.42.0.2', { size })).toBe(true);
      for (const size of [56, mtu - 48]) expect(await x.ping('fd42::2', { size })).toBe(true);
      for (const address of ['10.42.0.2', 'fd42::2'])
        expect((await x.iperf(y, address, '-n', '20M', '--bidir')).gbitPerSecond).toBeGreaterThan(0);
      const datagrams = await y.sink(9000, 1000, 320, () => x.gsoSend('10.42.0.2', 9000, 1000, 320, 32));
      expect(datagrams).toEqual({ received: 320, wrongSize: 0, reordered: 0 });
      // The TAP of a guest that sends faster than the outer weft reads drops what inner weft has sent.
      const hosts = [...lab.hosts, i1, i2];
      await expectInvariants({ hosts, namespaces: lab.namespaces }, { unequalEnds: true });
    } finally {
      await i1.kill();
      await i2.kill();
    }
  });

  it('a route that sends the tunnel into itself ends by the MTU, harms nobody, and is gone with the route', async () => {
    const { lab, h1, h2, a, b } = pair;
    // The path MTU changes, and hundreds of probes of the offload check would be turned around with the echoes.
    h1.configure({ peers: [{ address: h2.ipv4, offload: 'off' }], networks });
    await h1.weft('reload');
    // A port in the host itself: what the host sends there is carried by the tunnel to the other side.
    const port = await h1.weftJson<{ id: string }>(
      'port',
      'add',
      'blue',
      'loop0',
      '--address',
      '10.42.0.77/24',
    );
    await h1.namespace.ip('neigh', 'replace', h2.ipv4, 'lladdr', await b.sys('address'), 'dev', 'loop0');
    const before = (await h1.status()).frames.received;
    await h1.namespace.ip('route', 'add', `${h2.ipv4}/32`, 'dev', 'loop0', 'src', h1.ipv4);
    await a.namespace.attempt(['ping', '-q', '-n', '-c', '5', '-i', '0.05', '-W', '1', '10.42.0.2']);
    await h1.namespace.ip('route', 'del', `${h2.ipv4}/32`);
    // Each turn adds 50 bytes, so a frame makes less than 30 of them; besides the echoes there are ARP, ND and their repetitions.
    expect((await h1.status()).frames.received - before).toBeLessThan(30 * 60);
    await a.reach('10.42.0.2');
    await h1.weft('port', 'rm', port.id);
    await expectInvariants(lab, { drops: ['too_big', 'no_route'], otherMacs: true, unequalEnds: true });
  });

  it('a link that is moved to another namespace is made anew in its own, and the port works', async () => {
    const { lab, h1, b } = pair;
    const [guest, thief] = [await lab.guest('robbed'), await lab.guest('thief')];
    await h1.attach(guest, 'blue', { addresses: ['10.42.0.5/24'] });
    await guest.reach('10.42.0.2');
    await guest.namespace.ip('link', 'set', 'eth0', 'netns', thief.name);
    await guest.reach('10.42.0.2', 20);
    expect(await b.ping('10.42.0.5')).toBe(true);
    await expectInvariants(lab, {
      otherMacs: true,
      unequalEnds: true,
      drops: ['too_big', 'no_route', 'port_down'],
    });
  });
});

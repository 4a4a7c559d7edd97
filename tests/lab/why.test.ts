/** weft why: each thing that may be in a frame's way is found, named, and gone when it is mended. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { FdbEntry, Why } from '../../daemon/api/schema.js';
import type { Guest } from '../../lab/guest.js';
import type { Host } from '../../lab/host.js';
import { Lab } from '../../lab/lab.js';
import { until } from '../../lab/wait.js';
import { openPair, type Pair } from './pair.js';

/** One move, and a MAC is frozen; two MACs, and a port has its limit. */
const fdb = { moves: { count: 1, window: '180s', freeze: '180s' } };
const networks = {
  blue: { vni: 42, subnets: ['10.42.0.0/24', 'fd42::/64'], fdb },
  red: { vni: 43, subnets: ['10.43.0.0/24'], fdb: { limit_per_port: 2 } },
};

const why = (host: Host, source: string, destination: string) =>
  host.api.get<Why>(`/v1/why?${new URLSearchParams({ source, destination })}`);

/** Waits until what is in the way is that, and gives the step that says so. */
async function inTheWay(host: Host, ends: readonly [string, string], what: string, sentence: string) {
  const found = await until(`${what} is in the way of ${ends.join(' to ')}: ${sentence}`, async () => {
    const way = await why(host, ...ends);
    const step = way.steps.find(({ state }) => state === 'trouble');
    if (step?.what !== what || !step.sentence.includes(sentence)) throw new Error(way.conclusion);
    return { way, step };
  });
  const { way, step } = found;
  expect(way).toMatchObject({ state: 'trouble', remedy: step.remedy });
  expect(way.conclusion).toContain(step.sentence);
  expect(step.remedy).toMatch(/\.$/);
  return step;
}

/** Waits until it is. */
const clear = (host: Host, source: string, destination: string) =>
  until(`the way from ${source} to ${destination} is clear`, async () => {
    const way = await why(host, source, destination);
    if (way.state !== 'ok') throw new Error(way.conclusion);
    return way;
  });

async function reload(host: Host, config: Record<string, unknown>): Promise<void> {
  host.configure(config);
  await host.api.post('/v1/reload');
}

const stepOf = (way: Why, what: string) => way.steps.find((step) => step.what === what);
const macOf = (guest: Guest) => guest.sys('address');

/** A frame from any MAC that nobody needs to understand. */
function frame(from: string, to = 'ff:ff:ff:ff:ff:ff'): Buffer {
  const bytes = (mac: string) => Buffer.from(mac.replaceAll(':', ''), 'hex');
  return Buffer.concat([bytes(to), bytes(from), Buffer.from([0x88, 0xb6]), Buffer.alloc(46)]);
}

describe('weft why between two weft hosts', () => {
  let pair: Pair;
  let c: Guest;

  beforeAll(async () => {
    pair = await openPair({ config: { networks } });
    c = await pair.lab.guest('c');
    await pair.h1.attach(c, 'red', { name: 'c', addresses: ['10.43.0.1/24'] });
    return () => pair.lab.close();
  });

  it('finds a clear way, by address, by MAC, and by the name of a port of the other host', async () => {
    const { h1, h2, a, b } = pair;
    const there = await macOf(b);
    for (const destination of ['10.42.0.2', 'fd42::2', there, 'b']) {
      const way = await clear(h1, 'a', destination);
      expect(way.network).toBe('blue');
      expect(way.destination.mac).toBe(there);
      expect(way.conclusion).toMatch(
        new RegExp(`^Frames go from a .*by peer ${h2.ipv4} to .*; nothing is in the way.$`),
      );
      expect(stepOf(way, 'fdb')?.facts).toMatchObject({ entry: 'learned', where: `peer ${h2.ipv4}` });
      expect(stepOf(way, 'far-port')).toMatchObject({ host: h2.ipv4, facts: { state: 'up', where: 'port' } });
      expect(stepOf(way, 'far-return')?.facts).toMatchObject({ where: 'asker' });
    }
    const { status, stdout } = await h1.tryWeft(['why', await macOf(a), '10.42.0.2']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/\n\nFrames go from a .*; nothing is in the way\.\n$/);
  });

  it('walks the way back where the source is on the other host, and says so', async () => {
    const way = await clear(pair.h1, '10.42.0.2', 'a');
    expect(way).toMatchObject({
      backwards: true,
      source: { given: '10.42.0.2', port: null },
      destination: { label: 'a' },
    });
    expect(way.steps[0]?.sentence).toContain('this is the way back');
  });

  it('refuses ends of which neither is here, and networks that are not', async () => {
    const { h1 } = pair;
    expect((await h1.tryWeft(['why', 'x', 'y'])).status).toBe(4);
    expect((await h1.tryWeft(['why', 'a', 'b', '--network', 'green'])).status).toBe(4);
  });

  it('finds two ends on two networks', async () => {
    const { sentence } = await inTheWay(pair.h1, ['a', 'c'], 'network', 'nothing crosses from one network');
    const { status, stdout } = await pair.h1.tryWeft(['why', 'a', 'c']);
    expect(status).toBe(1);
    expect(stdout).toContain(`TROUBLE  network      ${sentence}\n`);
  });

  it('finds an address that nobody has, and one of another subnet', async () => {
    await inTheWay(pair.h1, ['a', '10.42.0.9'], 'address', 'nobody answers for it');
    await inTheWay(pair.h1, ['a', '10.44.0.9'], 'network', '10.44.0.9 is in no subnet of a');
  });

  it('finds a port that is down here', async () => {
    const { h1, a } = pair;
    await a.namespace.run(['ip', 'link', 'set', 'eth0', 'down']);
    const { remedy } = await inTheWay(h1, ['a', '10.42.0.2'], 'port', 'port a is down');
    expect(remedy).toContain('ip link set dev eth0 up');
    await a.namespace.run(['ip', 'link', 'set', 'eth0', 'up']);
    await a.namespace.run(['ip', 'address', 'replace', 'fd42::1/64', 'dev', 'eth0', 'nodad']);
    await clear(h1, 'a', '10.42.0.2');
  });

  it('finds a port that is down there', async () => {
    const { h1, h2, b } = pair;
    await b.namespace.run(['ip', 'link', 'set', 'eth0', 'down']);
    const step = await inTheWay(h1, ['a', '10.42.0.2'], 'far-port', `at peer ${h2.ipv4} is down`);
    expect(step.host).toBe(h2.ipv4);
    await b.namespace.run(['ip', 'link', 'set', 'eth0', 'up']);
    await b.namespace.run(['ip', 'address', 'replace', 'fd42::2/64', 'dev', 'eth0', 'nodad']);
    await clear(h1, 'a', '10.42.0.2');
  });

  it('finds a source address that the guard of its port refuses, with what it has refused', async () => {
    const { h1, a } = pair;
    await h1.api.patch('/v1/ports/a', { spoof: 'deny' });
    await clear(h1, 'a', '10.42.0.2');
    await a.namespace.run(['ip', 'address', 'add', '10.42.0.66/24', 'dev', 'eth0']);
    await a.namespace.attempt([
      'ping',
      '-n',
      '-c',
      '3',
      '-i',
      '0.05',
      '-W',
      '1',
      '-I',
      '10.42.0.66',
      '10.42.0.2',
    ]);
    const { facts } = await inTheWay(
      h1,
      ['10.42.0.66', '10.42.0.2'],
      'guard',
      'what comes from 10.42.0.66 is dropped as spoofed_address',
    );
    expect(facts).toMatchObject({
      lastDrop: 'spoofed_address',
      drops: expect.stringMatching(/^spoofed_address \d+$/),
    });
    await clear(h1, '10.42.0.1', '10.42.0.2');
    await a.namespace.run(['ip', 'address', 'del', '10.42.0.66/24', 'dev', 'eth0']);
    await h1.api.patch('/v1/ports/a', { spoof: 'allow' });
  });

  it('finds a VNI that the other host does not have, and says which it has', async () => {
    const { h1, h2 } = pair;
    const peers = { peers: [h1.ipv4] };
    await reload(h2, { ...peers, networks: { ...networks, blue: { ...networks.blue, vni: 52 } } });
    const { remedy } = await inTheWay(
      h1,
      ['a', await macOf(pair.b)],
      'far-network',
      'has no network with VNI 42, and network "blue" has VNI 52 there',
    );
    expect(remedy).toBe('Declare network "blue" with the same vni on both hosts.');
    await reload(h2, { ...peers, networks });
    await clear(h1, 'a', '10.42.0.2');
  });

  it('finds an MTU that does not fit the path', async () => {
    const { h1, h2 } = pair;
    const route = ['ip', 'route', 'replace', h2.ipv4, 'dev', 'eth0', 'mtu'];
    await reload(h1, { peers: [h2.ipv4], networks: { ...networks, blue: { ...networks.blue, mtu: 1450 } } });
    await clear(h1, 'a', '10.42.0.2');
    await h1.namespace.run([...route, '1400']);
    const { facts } = await inTheWay(
      h1,
      ['a', '10.42.0.2'],
      'mtu',
      'a path MTU of 1400 has room for IP packets of 1350',
    );
    expect(facts).toMatchObject({ mtu: 1450, pathMtu: 1400, fits: 1350 });
    await h1.namespace.run(['ip', 'route', 'del', h2.ipv4, 'dev', 'eth0']);
    await reload(h1, { peers: [h2.ipv4], networks });
    await clear(h1, 'a', '10.42.0.2');
  });

  it('finds a MAC that is frozen elsewhere, here and there', async () => {
    const { lab, h1, h2, b } = pair;
    const d = await lab.guest('d');
    await h1.attach(d, 'blue', { name: 'd', addresses: ['10.42.0.4/24'] });
    await d.sendFrames(frame(await macOf(b)));
    await inTheWay(
      h1,
      ['a', '10.42.0.2'],
      'fdb',
      `is frozen at port d, because it moved too often, and it is at peer ${h2.ipv4}`,
    );
    await h1.api.send('DELETE', '/v1/ports/d');
    // The other host froze its MAC, too: there it moved to this one.
    await inTheWay(h1, ['a', '10.42.0.2'], 'far-fdb', 'has the MAC of 10.42.0.2 frozen at this host');
    await inTheWay(
      h2,
      ['b', '10.42.0.1'],
      'source-mac',
      `is frozen at peer ${h1.ipv4}, because it moved too often`,
    );
    await h2.api.send('POST', '/v1/fdb/flush', { body: {} });
    await b.reach('10.42.0.1');
    await clear(h2, 'b', '10.42.0.1');
    await clear(h1, 'a', '10.42.0.2');
  });

  it('finds a port from which so many MACs came that its own is not learned', async () => {
    const { lab, h1 } = pair;
    const e = await lab.guest('e');
    await e.namespace.run(['sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=1']);
    await h1.attach(e, 'red', { name: 'e', mac: '02:00:00:00:0e:0e', addresses: ['10.43.0.2/24'] });
    for (const mac of ['02:00:00:00:0e:01', '02:00:00:00:0e:02', '02:00:00:00:0e:03'])
      await e.sendFrames(frame(mac));
    const entries = await h1.api.list<FdbEntry>('/v1/fdb', { network: 'red' });
    expect(
      entries
        .filter(({ label }) => label === 'e')
        .map(({ mac }) => mac)
        .sort(),
    ).toEqual(['02:00:00:00:0e:01', '02:00:00:00:0e:02']);
    const { facts } = await inTheWay(
      h1,
      ['e', 'c'],
      'source-mac',
      '2 MACs were learned from e, which is the limit',
    );
    expect(facts).toMatchObject({ learnedAtPort: 2, entry: 'none' });
    await h1.api.send('POST', '/v1/fdb/flush', { body: { network: 'red' } });
    await e.reach('10.43.0.1');
    await clear(h1, 'e', 'c');
  });

  it('is told nothing by a host that does not explain, and says so', async () => {
    const { h1, h2 } = pair;
    await reload(h2, { peers: [h1.ipv4], networks, underlay: { explain: 'off' } });
    await pair.a.reach('10.42.0.2');
    const way = await why(h1, 'a', '10.42.0.2');
    expect(stepOf(way, 'far')?.sentence).toContain('does not answer such questions');
    expect(stepOf(way, 'far')?.facts).toMatchObject({ answers: false });
    await reload(h2, { peers: [h1.ipv4], networks });
    await clear(h1, 'a', '10.42.0.2');
  });

  it('finds a peer on which nothing runs', async () => {
    const { lab, h1 } = pair;
    const h3 = await lab.host('h3');
    await h1.api.post('/v1/peers', { address: h3.ipv4 });
    await h1.api.post('/v1/fdb', { network: 'blue', mac: '02:00:00:00:00:33', peer: h3.ipv4 });
    const there = ['a', '02:00:00:00:00:33'] as const;
    await inTheWay(
      h1,
      there,
      'peer',
      `peer ${h3.ipv4} is silent: nothing ever came from it, and it does not answer`,
    );
    await h1.api.send('DELETE', '/v1/fdb', { query: { network: 'blue', mac: '02:00:00:00:00:33' } });
    await h1.api.send('DELETE', `/v1/peers/${h3.ipv4}`);
    await clear(h1, 'a', '10.42.0.2');
  });

  it('finds a peer that died', async () => {
    const { h1, h2, a } = pair;
    await h2.kill();
    const { facts } = await inTheWay(h1, ['a', '10.42.0.2'], 'peer', `peer ${h2.ipv4} is silent: last heard`);
    expect(facts).toMatchObject({ state: 'silent', hello: 'silent' });
    await h2.start();
    await a.reach('10.42.0.2');
    await until('its hellos are answered', async () => {
      const { facts: now } = stepOf(await clear(h1, 'a', '10.42.0.2'), 'peer') ?? {};
      return now?.hello === 'alive' && typeof now.rtt === 'number';
    });
  });
});

describe('weft why with a peer of another make', () => {
  it('says that it cannot be asked, and what was heard from it', async () => {
    const lab = await Lab.open();
    try {
      const h = await lab.host('h1');
      const k = await lab.kernelHost('k');
      const [a, b] = [await lab.guest('a'), await lab.guest('b')];
      await h.start({ peers: [k.ipv4], networks: { blue: { vni: 42 } } });
      const segment = { vni: 42, local: k.ipv4, remote: h.ipv4, mtu: 1450 };
      await k.segment(segment);
      await k.attach(b, segment, ['10.42.0.2/24']);
      await h.attach(a, 'blue', { name: 'a', addresses: ['10.42.0.1/24'] });
      await a.reach('10.42.0.2');
      const way = await clear(h, 'a', '10.42.0.2');
      expect(way.destination.mac).toBe(await macOf(b));
      expect(stepOf(way, 'address')?.sentence).toContain('in its ARP or ND table');
      expect(stepOf(way, 'far')?.sentence).toContain('does not answer such questions');
      expect(stepOf(way, 'far')?.sentence).toContain(`frames of 10.42.0.2 come from there`);

      await a.ping('10.42.0.9', { count: 1 });
      const nobody = await inTheWay(
        h,
        ['a', '10.42.0.9'],
        'address',
        'asked for 10.42.0.9 by ARP or ND, and nobody answered',
      );
      expect(nobody.facts).toMatchObject({ peers: 1, answered: 0 });
    } finally {
      await lab.close();
    }
  });
});

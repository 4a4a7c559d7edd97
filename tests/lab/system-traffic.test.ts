/** What Open vSwitch's system tests ask of any datapath and that needs no OpenFlow, asked of weft. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Port } from '../../daemon/api/schema.js';
import { Capture } from '../../lab/capture.js';
import type { Guest } from '../../lab/guest.js';
import { killed } from '../../lab/namespace.js';
import { until } from '../../lab/wait.js';
import { ethernet } from './datagrams.js';
import { expectInvariants } from './invariants.js';
import { type Family, openPair, type Pair } from './pair.js';

const families: Family[] = ['ipv4', 'ipv6'];
const targets = [
  ['neighbour', '10.42.0.3'],
  ['neighbour', 'fd42::3'],
  ['remote', '10.42.0.2'],
  ['remote', 'fd42::2'],
] as const;

describe.each(families)('traffic of a guest with a neighbour on its host and one across %s', (underlay) => {
  let pair: Pair;
  let neighbour: Guest;

  beforeAll(async () => {
    pair = await openPair({ underlay });
    neighbour = await pair.lab.guest('neighbour');
    await pair.h1.attach(neighbour, 'blue', { addresses: ['10.42.0.3/24', 'fd42::3/64'] });
    return () => pair.lab.close();
  });

  afterEach(() => expectInvariants(pair.lab));

  const guestAt = (where: 'neighbour' | 'remote') => (where === 'remote' ? pair.b : neighbour);

  it.each(targets)(
    'pings the %s at %s, fragmented as it must be, up to the largest packet',
    async (_, to) => {
      for (const size of [56, 1600, 3200, to.includes(':') ? 65527 : 65507]) {
        const argv = [
          'ping',
          '-q',
          '-n',
          '-M',
          'dont',
          // All at once, so that ping waits for the last one as long as it should.
          '-c',
          '3',
          '-l',
          '3',
          '-W',
          '5',
          '-s',
          `${size}`,
          to,
        ];
        expect(await pair.a.namespace.run(argv), `${size} bytes`).toContain(' 3 received');
      }
    },
  );

  it.each(targets)('fetches a file over HTTP from the %s at %s', async (where, address) => {
    const root = join(pair.lab.dir, 'www');
    mkdirSync(root, { recursive: true });
    const content = randomBytes(5_000_000);
    writeFileSync(join(root, 'file'), content);
    const expected = createHash('sha256').update(content).digest('hex');
    const server = await guestAt(where).listen(
      ['busybox', 'httpd', '-f', '-p', '8080', '-h', root],
      'tcp',
      8080,
    );
    try {
      const host = address.includes(':') ? `[${address}]` : address;
      const fetched = ['sh', '-ec', `busybox wget -qO- http://${host}:8080/file | sha256sum`];
      expect((await pair.a.namespace.run(fetched)).split(' ')[0]).toBe(expected);
    } finally {
      await killed(server);
    }
  });

  // The names are ethtool's.
  it.each([
    ['no segmentation', ['tso', 'off', 'gso', 'off', 'gro', 'off']],
    ['no checksums', ['tx', 'off']],
    ['neither on one side', ['tso', 'off', 'gso', 'off', 'tx', 'off']],
  ])('carries TCP of guests that offload %s', async (what, features) => {
    const { a, b } = pair;
    const off = what.includes('one side') ? [a] : [a, b, neighbour];
    const on = features.map((word) => (word === 'off' ? 'on' : word));
    for (const guest of off) await guest.namespace.run(['ethtool', '-K', 'eth0', ...features]);
    for (const [where, address] of targets) {
      const result = await a.iperf(guestAt(where), address, '-n', '5M', '--bidir');
      expect(result.gbitPerSecond).toBeGreaterThan(0);
    }
    for (const guest of off) await guest.namespace.run(['ethtool', '-K', 'eth0', ...on]);
  });
});

describe.each(families)('tagged frames in a network that passes them, across %s', (underlay) => {
  let pair: Pair;
  let local: Guest;
  let remote: Guest;
  let sender: Guest;

  beforeAll(async () => {
    const tagged = { green: { vni: 44, vlan: 'pass' }, grey: { vni: 45 } };
    pair = await openPair({ underlay, config: { networks: { blue: { vni: 42 }, ...tagged } } });
    const { lab, h1, h2 } = pair;
    [sender, local, remote] = [
      await lab.guest('sender'),
      await lab.guest('local'),
      await lab.guest('remote'),
    ];
    await h1.attach(sender, 'green', { mac: '02:00:00:00:00:11' });
    await h1.attach(local, 'green', { mac: '02:00:00:00:00:12' });
    await h2.attach(remote, 'green', { mac: '02:00:00:00:00:13' });
    return () => lab.close();
  });

  it.each([
    ['802.1Q', [0x8100_0005]],
    ['802.1Q with priority alone', [0x8100_e000]],
    ['802.1ad', [0x88a8_0007]],
    ['QinQ', [0x88a8_0007, 0x8100_0005]],
    ['three tags', [0x88a8_0001, 0x88a8_0002, 0x8100_0003]],
  ])('%s arrives unchanged, by unicast and by broadcast, once', async (_, tags) => {
    // Not IP, so that frames are not joined to super-frames, which a capture shows as one.
    const payload = randomBytes(1000);
    const frameTo = (mac: string) => {
      const plain = Buffer.concat([ethernet(mac, '02:00:00:00:00:11', 0x88b5), payload]);
      const inserted = Buffer.alloc(4 * tags.length);
      for (const [index, tag] of tags.entries()) inserted.writeUInt32BE(tag, 4 * index);
      return Buffer.concat([plain.subarray(0, 12), inserted, plain.subarray(12)]);
    };
    const captures = [];
    for (const guest of [local, remote])
      captures.push(await Capture.start(guest.namespace, { direction: 'in' }));
    try {
      const broadcast = frameTo('ff:ff:ff:ff:ff:ff');
      const marker = frameTo('ff:ff:ff:ff:ff:ff').fill(0xee, 100);
      await sender.sendFrames(broadcast, 5);
      await sender.sendFrames(frameTo('02:00:00:00:00:12'), 5);
      await sender.sendFrames(frameTo('02:00:00:00:00:13'), 5);
      await sender.sendFrames(marker);
      for (const [index, capture] of captures.entries()) {
        const own = frameTo(`02:00:00:00:00:1${index + 2}`);
        const came = () =>
          [broadcast, own, marker].map(
            (wanted) => capture.frames().filter((frame) => frame.equals(wanted)).length,
          );
        await until('all frames have arrived', () =>
          came().every((count, which) => count >= (which < 2 ? 5 : 1)),
        );
        expect(came()).toEqual([5, 5, 1]);
      }
    } finally {
      for (const capture of captures) await capture.stop();
    }
    await expectInvariants(pair.lab);
  });

  it('a network that does not pass them drops each of them', async () => {
    const { lab, h1, a } = pair;
    const grey = await lab.guest('grey');
    await h1.attach(grey, 'grey', { mac: '02:00:00:00:00:21' });
    const frame = Buffer.concat([
      ethernet('ff:ff:ff:ff:ff:ff', '02:00:00:00:00:21', 0x8100),
      Buffer.from('000588b5', 'hex'),
      Buffer.alloc(46),
    ]);
    await grey.sendFrames(frame, 50);
    await until('all are dropped', async () => (await h1.dropped('inner_vlan')) === 50);
    expect(await a.echoes('10.42.0.2')).toMatchObject({ all: true });
    await expectInvariants(lab, { drops: ['inner_vlan'] });
  });
});

describe('ports that come and go', () => {
  let pair: Pair;

  beforeAll(async () => {
    pair = await openPair();
    return () => pair.lab.close();
  });

  // One of them is down for a moment.
  afterEach(() => expectInvariants(pair.lab, { otherMacs: true, drops: ['port_down'] }));

  const links = async (guest: Guest) =>
    [...(await guest.namespace.ip('-o', 'link')).matchAll(/^\d+: ([^:@]+)/gm)].map(([, name]) => name);

  it('the same port removed and added again works each time, with the same name and without', async () => {
    const { lab, h1, b } = pair;
    const guest = await lab.guest('again');
    for (const name of ['web', 'web', undefined]) {
      const port = await h1.api.post<Port>('/v1/ports', {
        ...(name === undefined ? {} : { name }),
        network: 'blue',
        netns: guest.name,
        addresses: ['10.42.0.7/24', 'fd42::7/64'],
      });
      expect(await links(guest)).toEqual(['lo', 'eth0']);
      // It speaks first: its MAC is a new one each time, and b knows the former.
      await guest.reach('10.42.0.2');
      await guest.reach('fd42::2');
      expect(await b.ping('10.42.0.7')).toBe(true);
      expect(await b.ping('fd42::7')).toBe(true);
      await h1.api.send('DELETE', `/v1/ports/${name ?? port.id}`);
      expect(await links(guest)).toEqual(['lo']);
    }
  });

  it('a second port of the same name, or with the same link, is refused and changes nothing', async () => {
    const { lab, h1, a } = pair;
    const other = await lab.guest('other');
    const ports = await h1.ports();
    const add = (...words: string[]) => h1.tryWeft(['--json', 'port', 'add', 'blue', ...words]);
    expect((await add('eth0', '--netns', other.name, '--name', 'a')).stderr).toContain('WEFT_PORT_EXISTS');
    expect((await add('eth0', '--netns', a.name)).stderr).toContain('WEFT_PORT_EXISTS');
    expect(await links(other)).toEqual(['lo']);
    expect((await h1.ports()).map(({ id }) => id)).toEqual(ports.map(({ id }) => id));
    expect(await a.ping('10.42.0.2')).toBe(true);
  });

  it('a name that is too long for the kernel is refused, one of 15 bytes works', async () => {
    const { lab, h1, b } = pair;
    const guest = await lab.guest('long');
    const refused = await h1.tryWeft(['port', 'add', 'blue', 'sixteen-bytes-xx', '--netns', guest.name]);
    expect(refused.status).not.toBe(0);
    expect(refused.stderr).toContain('an interface name has 1-15 bytes');
    expect(await links(guest)).toEqual(['lo']);
    const ifname = 'fifteen-bytes-x';
    const port = await h1.attach(guest, 'blue', { ifname, addresses: ['10.42.0.8/24'] });
    expect(await links(guest)).toEqual(['lo', ifname]);
    await b.reach('10.42.0.8');
    await h1.weft('port', 'rm', port.id);
  });

  it('a link that its guest renames goes on, and is removed by its port', async () => {
    const { lab, h1, b } = pair;
    const guest = await lab.guest('renamed');
    const port = await h1.attach(guest, 'blue', { addresses: ['10.42.0.9/24'] });
    await b.reach('10.42.0.9');
    await guest.namespace.ip('link', 'set', 'eth0', 'down');
    await guest.namespace.ip('link', 'set', 'eth0', 'name', 'data0');
    await guest.namespace.ip('link', 'set', 'data0', 'up');
    await b.reach('10.42.0.9');
    await h1.weft('port', 'rm', port.id);
    expect(await links(guest)).toEqual(['lo']);
  });
});

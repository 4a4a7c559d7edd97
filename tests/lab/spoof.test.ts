/** A guest made by hand with `spoof: deny`: by raw frames and by its kernel it tries to be somebody else. */
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Port } from '../../daemon/api/schema.js';
import { Capture } from '../../lab/capture.js';
import { tool } from '../../lab/checkout.js';
import type { Guest } from '../../lab/guest.js';
import type { Host } from '../../lab/host.js';
import { Lab } from '../../lab/lab.js';
import { until } from '../../lab/wait.js';
import { bytesOf, ethernet } from './datagrams.js';
import { networks } from './pair.js';

const mac = '02:00:00:00:00:01';
const otherMac = '02:00:00:00:00:99';
const everybody = 'ff:ff:ff:ff:ff:ff';
const own = { ipv4: '10.42.0.1', ipv6: 'fd42::1', link: 'fe80::ff:fe00:1' };
const other = { ipv4: '10.42.0.2', ipv6: 'fd42::2', link: 'fe80::ff:fe00:99' };

type Reason = keyof NonNullable<Port['refused']>;

function uint16(...values: number[]): Buffer {
  return Buffer.concat(values.map((value) => Buffer.from([value >> 8, value & 0xff])));
}

interface Outside {
  from?: string;
  tags?: number[];
}

/** A broadcast frame of at least 60 bytes. */
function frame(type: number, contents: Buffer, { from = mac, tags = [] }: Outside = {}): Buffer {
  const inside = [...tags.slice(1), type].map((next, index) => uint16(5 + index, next));
  const whole = Buffer.concat([
    ethernet(everybody, from, tags[0] ?? type),
    ...(tags.length > 0 ? inside : []),
    contents,
  ]);
  return Buffer.concat([whole, Buffer.alloc(Math.max(0, 60 - whole.length))]);
}

function arp(
  operation: number,
  sender: string,
  address: string,
  target = other.ipv4,
  outside?: Outside,
): Buffer {
  const hardware = Buffer.from(sender.replaceAll(':', ''), 'hex');
  const parts = [
    uint16(1, 0x0800, 0x0604, operation),
    hardware,
    bytesOf(address),
    Buffer.alloc(6),
    bytesOf(target),
  ];
  return frame(0x0806, Buffer.concat(parts), outside);
}

interface Ip {
  source: string;
  protocol: number;
  contents: Buffer;
  /** As it lies in the header of IPv4. */
  fragment?: number;
  options?: Buffer;
  destination?: string;
}

function ipv4(
  { source, protocol, contents, fragment = 0, options = Buffer.alloc(0), destination }: Ip,
  outside?: Outside,
) {
  const length = 20 + options.length + contents.length;
  const header = Buffer.concat([
    uint16(0x4500 + (options.length / 4) * 256, length, 7, fragment, 64 * 256 + protocol, 0),
    ...[source, destination ?? other.ipv4].map(bytesOf),
    options,
  ]);
  return frame(0x0800, Buffer.concat([header, contents]), outside);
}

function ipv6({ source, protocol, contents, destination = 'ff02::1' }: Ip, outside?: Outside): Buffer {
  const header = Buffer.concat([
    uint16(0x6000, 0, contents.length, protocol * 256 + 255),
    ...[source, destination].map(bytesOf),
  ]);
  return frame(0x86dd, Buffer.concat([header, contents]), outside);
}

const udp = (from: number, to: number) => Buffer.concat([uint16(from, to, 24, 0), Buffer.alloc(16)]);
const linkLayer = (type: number, address: string) =>
  Buffer.from(`${type === 1 ? '01' : '02'}01${address.replaceAll(':', '')}`, 'hex');
const icmp6 = (type: number, ...body: Buffer[]) =>
  Buffer.concat([Buffer.from([type, 0, 0, 0]), Buffer.alloc(4), ...body]);
const advertise = (address: string, at: string) => icmp6(136, bytesOf(address), linkLayer(2, at));
const solicit = (address: string) => icmp6(135, bytesOf(address));
const router = Buffer.concat([Buffer.from([134, 0, 0, 0, 64, 0, 7, 8]), Buffer.alloc(8)]);
const options = (next: number) => Buffer.from([next, 0, 1, 4, 0, 0, 0, 0]);
const alert = Buffer.from([58, 0, 5, 2, 0, 0, 1, 0]);
const firstFragment = (next: number) => Buffer.from([next, 0, 0, 1, 0, 0, 0, 7]);
const echo = Buffer.concat([Buffer.from([8, 0, 0, 0]), Buffer.alloc(20)]);

const spoofed: [string, Reason, Buffer][] = [
  ['another source MAC', 'spoofedMac', frame(0x88b5, Buffer.alloc(46), { from: otherMac })],
  ['ARP: another address is here', 'spoofedAddress', arp(2, mac, other.ipv4, own.ipv4)],
  ['ARP: an announcement of another address', 'spoofedAddress', arp(1, mac, other.ipv4)],
  ['ARP: the own address is at another MAC', 'spoofedMac', arp(2, otherMac, own.ipv4)],
  ['ARP behind a tag', 'spoofedAddress', arp(2, mac, other.ipv4, own.ipv4, { tags: [0x8100] })],
  ['ARP behind two tags', 'spoofedAddress', arp(2, mac, other.ipv4, own.ipv4, { tags: [0x88a8, 0x8100] })],
  [
    'ARP by 802.2 SNAP',
    'spoofedAddress',
    frame(36, Buffer.from(`aaaa030000000806${'00'.repeat(28)}`, 'hex')),
  ],
  ['IPv4 from another address', 'spoofedAddress', ipv4({ source: other.ipv4, protocol: 1, contents: echo })],
  ['IPv4 from nobody', 'spoofedAddress', ipv4({ source: '0.0.0.0', protocol: 17, contents: udp(68, 53) })],
  [
    'a fragment of IPv4 from another address',
    'spoofedAddress',
    ipv4({ source: other.ipv4, protocol: 17, contents: udp(1, 2), fragment: 5 }),
  ],
  [
    'IPv4 with options from another address',
    'spoofedAddress',
    ipv4({ source: other.ipv4, protocol: 17, contents: udp(1, 2), options: Buffer.from([1, 1, 1, 1]) }),
  ],
  [
    'IPv4 from another address behind a tag',
    'spoofedAddress',
    ipv4({ source: other.ipv4, protocol: 1, contents: echo }, { tags: [0x8100] }),
  ],
  ['what says to be IPv4 and is not', 'spoofedAddress', frame(0x0800, Buffer.alloc(46))],
  [
    'IPv6 from another address',
    'spoofedAddress',
    ipv6({ source: other.ipv6, protocol: 17, contents: udp(1, 2) }),
  ],
  [
    'IPv6 from another link-local address',
    'spoofedAddress',
    ipv6({ source: other.link, protocol: 17, contents: udp(1, 2) }),
  ],
  [
    'NA for another address',
    'spoofedAddress',
    ipv6({ source: own.link, protocol: 58, contents: advertise(other.ipv6, mac) }),
  ],
  [
    'NA with another MAC',
    'spoofedMac',
    ipv6({ source: own.link, protocol: 58, contents: advertise(own.ipv6, otherMac) }),
  ],
  [
    'NA for another address behind extension headers',
    'spoofedAddress',
    ipv6({
      source: own.link,
      protocol: 0,
      contents: Buffer.concat([options(60), options(58), advertise(other.ipv6, mac)]),
    }),
  ],
  [
    'NA for another address in a fragment',
    'spoofedAddress',
    ipv6({
      source: own.link,
      protocol: 44,
      contents: Buffer.concat([firstFragment(58), advertise(other.ipv6, mac)]),
    }),
  ],
  [
    'DAD of another address',
    'spoofedAddress',
    ipv6({ source: '::', protocol: 58, contents: solicit(other.ipv6) }),
  ],
  ['a router advertisement', 'rogueService', ipv6({ source: own.link, protocol: 58, contents: router })],
  [
    'a router advertisement behind an extension header and a tag',
    'rogueService',
    ipv6(
      { source: own.link, protocol: 0, contents: Buffer.concat([options(58), router]) },
      { tags: [0x8100] },
    ),
  ],
  ['an answer of DHCP', 'rogueService', ipv4({ source: own.ipv4, protocol: 17, contents: udp(67, 68) })],
  ['an answer of DHCPv6', 'rogueService', ipv6({ source: own.link, protocol: 17, contents: udp(547, 546) })],
  [
    'a redirect of ICMP',
    'rogueService',
    ipv4({
      source: own.ipv4,
      protocol: 1,
      contents: Buffer.concat([Buffer.from([5, 1, 0, 0]), Buffer.alloc(32)]),
    }),
  ],
];

const honest: [string, Buffer][] = [
  ['ARP of its own', arp(1, mac, own.ipv4)],
  ['an ARP probe', arp(1, mac, '0.0.0.0', own.ipv4)],
  [
    'a DHCP request from 0.0.0.0',
    ipv4({ source: '0.0.0.0', protocol: 17, contents: udp(68, 67), destination: '255.255.255.255' }),
  ],
  ['IPv4 of its own', ipv4({ source: own.ipv4, protocol: 17, contents: udp(1, 2) })],
  ['a fragment of its own', ipv4({ source: own.ipv4, protocol: 17, contents: udp(1, 2), fragment: 0x2000 })],
  [
    'IPv4 of its own behind a tag',
    ipv4({ source: own.ipv4, protocol: 17, contents: udp(1, 2) }, { tags: [0x8100] }),
  ],
  ['IPv6 of its own', ipv6({ source: own.ipv6, protocol: 17, contents: udp(1, 2) })],
  ['IPv6 from its link-local address', ipv6({ source: own.link, protocol: 17, contents: udp(546, 547) })],
  ['DAD of its own address', ipv6({ source: '::', protocol: 58, contents: solicit(own.ipv6) })],
  ['a router solicitation from nowhere', ipv6({ source: '::', protocol: 58, contents: icmp6(133) })],
  ['MLD from nowhere', ipv6({ source: '::', protocol: 0, contents: Buffer.concat([alert, icmp6(143)]) })],
  ['NA of its own', ipv6({ source: own.link, protocol: 58, contents: advertise(own.ipv6, mac) })],
  ['another protocol', frame(0x88b5, Buffer.alloc(46, 7))],
];

let lab: Lab;
let h1: Host;
let h2: Host;
let liar: Guest;
let near: Guest;
let far: Guest;

const inspect = () => h1.api.get<Port>('/v1/ports/liar');
const refused = async () =>
  (await inspect()).refused ?? { spoofedMac: 0, spoofedAddress: 0, rogueService: 0 };
const send = (...frames: Buffer[]) =>
  liar.namespace.run([tool('send_frames'), 'eth0', ...frames.map((one) => one.toString('hex'))]);

beforeAll(async () => {
  lab = await Lab.open();
  h1 = await lab.host('h1');
  h2 = await lab.host('h2');
  const config = { networks: { blue: { ...networks.blue, vlan: 'pass' } } };
  await h1.start({ peers: [h2.ipv4], ...config });
  await h2.start({ peers: [h1.ipv4], ...config });
  liar = await lab.guest('liar');
  near = await lab.guest('near');
  far = await lab.guest('far');
  const addresses = [`${own.ipv4}/24`, `${own.ipv6}/64`];
  const made = await h1.attach(liar, 'blue', { name: 'liar', mac, addresses, spoof: 'deny' });
  expect(made.spoof).toBe('deny');
  await h1.attach(near, 'blue', { name: 'near', addresses: ['10.42.0.3/24', 'fd42::3/64'] });
  await h2.attach(far, 'blue', { name: 'far', addresses: [`${other.ipv4}/24`, `${other.ipv6}/64`] });
  for (const address of [other.ipv4, other.ipv6, '10.42.0.3', 'fd42::3']) await liar.reach(address);
  return () => lab.close();
});

describe('raw frames', () => {
  let captures: Capture[];
  beforeEach(async () => {
    captures = await Promise.all(
      [near, far].map(({ namespace }) => Capture.start(namespace, { direction: 'in' })),
    );
    return async () => {
      await Promise.all(captures.map((capture) => capture.stop()));
    };
  });
  const arrived = (wanted: Buffer) =>
    captures.every((capture) => capture.frames().some((one) => one.equals(wanted)));
  const seen = (wanted: Buffer) =>
    captures.some((capture) => capture.frames().some((one) => one.equals(wanted)));

  it('that lie are dropped and counted by their reason, and neither the host nor the far side sees them', async () => {
    const marker = frame(0x88b5, Buffer.alloc(46, 1));
    await send(...spoofed.map(([, , lie]) => lie), marker);
    await until('the marker arrives', () => arrived(marker));
    expect(spoofed.filter(([, , lie]) => seen(lie)).map(([what]) => what)).toEqual([]);

    const port = await inspect();
    const expected = { spoofedMac: 0, spoofedAddress: 0, rogueService: 0 };
    for (const [, reason] of spoofed) expected[reason] += 1;
    expect(port.refused).toEqual(expected);
    expect(port.counters?.rxDropped).toBe(spoofed.length);
    expect(await h1.dropped('spoofed_mac')).toBe(port.refused?.spoofedMac);
    expect(await h1.dropped('spoofed_address')).toBe(port.refused?.spoofedAddress);
    expect(await h1.dropped('rogue_service')).toBe(port.refused?.rogueService);
    expect(await h1.weft('port', 'inspect', 'liar')).toContain(
      `${port.refused?.spoofedAddress} spoofed_address`,
    );
    expect((await h2.fdb()).map((entry) => entry.mac)).not.toContain(otherMac);
  });

  it('that do not lie arrive', async () => {
    const before = await refused();
    await send(...honest.map(([, one]) => one));
    for (const [what, one] of honest) await until(`${what} arrives`, () => arrived(one));
    expect(await refused()).toEqual(before);
  });
});

describe('the kernel of the guest', () => {
  /**
   * Whether an echo from the address comes back. The guest forgets its neighbours before: one that it has asked for in vain, while it was
   * not heard, it takes for unreachable for the rest of three seconds.
   */
  const pings = async (source: string, target: string) => {
    const { namespace } = liar;
    for (const family of ['-4', '-6']) await namespace.ip(family, 'neigh', 'flush', 'dev', 'eth0');
    const patience = ['-c', '2', '-i', '0.2', '-W', '1'];
    return (await namespace.attempt(['ping', '-q', '-n', ...patience, '-I', source, target])).status === 0;
  };

  it('changes its MAC, and is heard no more until it has its own again', async () => {
    const before = await refused();
    await liar.namespace.ip('link', 'set', 'eth0', 'address', otherMac);
    expect(await pings(own.ipv4, other.ipv4)).toBe(false);
    expect((await refused()).spoofedMac).toBeGreaterThan(before.spoofedMac);
    await until('the finding says so', async () =>
      (await h1.status()).findings.some(({ code }) => code === 'PORT_MAC_REFUSED'),
    );
    await liar.namespace.ip('link', 'set', 'eth0', 'address', mac);
    await liar.reach(other.ipv4);
  });

  it.each([
    ['IPv4', '10.42.0.9', '24', other.ipv4, '10.42.0.3'],
    ['IPv6', 'fd42::9', '64', other.ipv6, 'fd42::3'],
  ])(
    'has a second address of %s, heard while spoof is allow, from the next frame on',
    async (_, address, prefix, ...targets) => {
      await liar.namespace.ip('address', 'add', `${address}/${prefix}`, 'dev', 'eth0');
      for (const target of targets) {
        const before = await refused();
        expect(await pings(address, target)).toBe(false);
        expect((await refused()).spoofedAddress).toBeGreaterThan(before.spoofedAddress);
      }
      const text = await h1.weft('port', 'set', 'liar', '--spoof', 'allow');
      expect(text).toContain('may send from any MAC and address');
      expect((await inspect()).spoof).toBe('allow');
      for (const target of targets) expect(await pings(address, target)).toBe(true);
      await h1.weft('port', 'set', 'liar', '--spoof', 'deny');
      for (const target of targets) expect(await pings(address, target)).toBe(false);
      await liar.namespace.ip('address', 'del', `${address}/${prefix}`, 'dev', 'eth0');
    },
  );

  it('has left no MAC of another behind when spoof becomes deny', async () => {
    await h1.weft('port', 'set', 'liar', '--spoof', 'allow');
    const learned = async () => (await h1.fdb()).map((entry) => entry.mac);
    await send(frame(0x88b5, Buffer.alloc(46, 2), { from: otherMac }));
    await until('the MAC is learned', async () => (await learned()).includes(otherMac));
    await h1.weft('port', 'set', 'liar', '--spoof', 'deny');
    expect(await learned()).not.toContain(otherMac);
    expect(await learned()).toContain(mac);
  });

  it.each(['restart', 'crash'])('is held to its own over a %s of weftd', async (how) => {
    if (how === 'crash') await h1.kill();
    else await h1.stop();
    await h1.start();
    expect((await inspect()).spoof).toBe('deny');
    await liar.reach(other.ipv4);
    await send(arp(2, mac, other.ipv4, own.ipv4));
    await until('the lie is refused', async () => (await refused()).spoofedAddress === 1);
    expect(await h1.dropped('spoofed_address')).toBe(1);
    expect(await h1.weft('port', 'ls')).toMatch(/liar +blue .* deny +api +up/);
  });
});

/** A guest and a foreign host with raw sockets, at full rate; others live beside them, on the same host and in the same network. */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { tool } from '../../lab/checkout.js';
import type { Guest } from '../../lab/guest.js';
import type { Host } from '../../lab/host.js';
import type { KernelHost } from '../../lab/kernel-host.js';
import { until } from '../../lab/wait.js';
import { ethernet, vxlanHeader } from './datagrams.js';
import { expectInvariants } from './invariants.js';
import { openPair, type Pair } from './pair.js';

const kibibytes = 1024;
/** How long each kind of frame is sent. */
const seconds = 2;
/** What these frames may be dropped for; where they are flooded, a receive buffer may overflow. */
const drops = [
  'bad_gso',
  'bad_checksum_offset',
  'ip_length',
  'source_group',
  'reserved_group',
  'inner_vlan',
  'source_declared_elsewhere',
  'same_port',
  'split_horizon',
  'unknown_peer',
  'unknown_vni',
  'oversized',
  'ambiguous_gso',
  'port_error',
  'port_full',
  'too_big',
  'underlay_full',
];

function residentKibibytes(host: Host): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${host.pid}/status`, 'utf8'))?.[1]);
}

describe('hostile bytes', () => {
  let pair: Pair;
  /** On h1, in blue, not guarded. */
  let attacker: Guest;
  /** In red, one on each host; nobody there ever says a word. */
  let silent: Guest[];
  let foreigner: KernelHost;

  beforeAll(async () => {
    pair = await openPair();
    const { lab, h1, h2, a, b } = pair;
    attacker = await lab.guest('attacker');
    await h1.attach(attacker, 'blue', { name: 'attacker', addresses: ['10.42.0.9/24'] });
    silent = [];
    for (const host of [h1, h2]) {
      const guest = await lab.guest(`silent-${host.name}`);
      await guest.namespace.run(['sysctl', '-qw', 'net.ipv6.conf.default.disable_ipv6=1']);
      await host.attach(guest, 'red');
      silent.push(guest);
    }
    // Who believes every claim of an address is not what is tested here.
    for (const [guest, other, address] of [
      [a, b, '10.42.0.2'],
      [b, a, '10.42.0.1'],
    ] as const) {
      const mac = await other.sys('address');
      await guest.namespace.ip('neigh', 'replace', address, 'lladdr', mac, 'dev', 'eth0', 'nud', 'permanent');
    }
    // Nor that a MAC which nobody declared follows who uses it.
    await h1.weft('fdb', 'add', 'blue', await a.sys('address'), '--port', 'a');
    foreigner = await lab.kernelHost('foreigner');
    return () => lab.close();
  });

  /** The longest that the APIs took to answer until `work` had ended, however it did, in milliseconds. */
  async function slowestAnswer(hosts: readonly Host[], work: readonly Promise<unknown>[]): Promise<number> {
    let done = false;
    const ended = Promise.allSettled(work).then(() => {
      done = true;
    });
    let slowest = 0;
    while (!done) {
      for (const host of hosts) {
        const began = performance.now();
        await host.status();
        await host.fdb();
        slowest = Math.max(slowest, performance.now() - began);
      }
    }
    await ended;
    return slowest;
  }

  const labelOf = async (host: Host, mac: string) =>
    (await host.fdb())
      .filter((entry) => entry.mac === mac && entry.network === 'blue')
      .map((entry) => entry.label);

  it.each([
    ['super-frames with lying headers', 'lies'],
    ['chains of headers, overlapping fragments, stacks of tags', 'chains'],
    ['a storm of ARP and neighbour advertisements', 'arp'],
    ['random bytes', 'random'],
    ['frames in the name of another guest', 'flap'],
  ])('%s hurt nobody but who sends them', { timeout: 120_000 }, async (_, kind) => {
    const { lab, h1, h2, a, b } = pair;
    const hosts = [h1, h2];
    const resident = hosts.map(residentKibibytes);
    const places = await Promise.all(hosts.map(async (host) => labelOf(host, await a.sys('address'))));

    const victim = await b.sys('address');
    const argv = [tool('hostile_frames'), 'eth0', kind, `${seconds}`, victim, await a.sys('address')];
    const attack = attacker.namespace.run(argv, { timeout: 60 });
    const transfer = a.iperf(b, '10.42.0.2', '-n', '4M');
    const slowest = await slowestAnswer(hosts, [attack, transfer]);

    expect((JSON.parse(await attack) as { sent: number }).sent).toBeGreaterThan(1000);
    expect((await transfer).gbitPerSecond).toBeGreaterThan(0);
    expect(slowest).toBeLessThan(10_000);
    for (const [index, host] of hosts.entries()) {
      // V8 collects when it likes what the many answers were made of.
      await until(
        `${host.name} has no more memory than before`,
        () => residentKibibytes(host) - (resident[index] ?? 0) < 96 * kibibytes,
      );
      expect(await labelOf(host, await a.sys('address'))).toEqual(places[index]);
    }
    for (const guest of silent) expect(await guest.sys('statistics/rx_packets')).toBe('0');
    await expectInvariants(lab, {
      drops: [...drops, 'no_destination'],
      // What is reported about the attack, now or in the next round, is not wrong; what these are is tested elsewhere.
      findings: 'any',
      otherMacs: true,
      unequalEnds: true,
    });
    await a.reach('10.42.0.2');
  });

  /** `count` datagrams from the foreign host that bear another's address as their source. */
  async function forge(source: string, payload: Buffer, count: number): Promise<void> {
    const { h1 } = pair;
    const text = await foreigner.namespace.ip('-o', 'address', 'show', 'dev', 'lo');
    if (!text.includes(`${source}/32`))
      await foreigner.namespace.ip('address', 'add', `${source}/32`, 'dev', 'lo');
    // Checksum zero: none (RFC 768).
    const send = [tool('raw_udp'), source, h1.ipv4, '50000', '4789', '0', '0', payload.toString('hex')].join(
      ' ',
    );
    await foreigner.namespace.run(['bash', '-c', `for i in $(seq ${count}); do ${send}; done`]);
  }

  const broadcastFrom = (mac: string, vni = 42) =>
    Buffer.concat([vxlanHeader(vni), ethernet('ff:ff:ff:ff:ff:ff', mac, 0x88b5), Buffer.alloc(46)]);

  it('a forged VTEP that is no peer is dropped, to the frame', async () => {
    const { h1, h2 } = pair;
    const before = await h1.dropped('unknown_peer');
    const learned = (await h1.status()).fdb.learned;
    await forge('10.77.0.200', broadcastFrom('02:00:00:00:0f:01'), 20);
    await forge('203.0.113.7', broadcastFrom('02:00:00:00:0f:02'), 20);
    await until('all are counted', async () => (await h1.dropped('unknown_peer')) === before + 40);
    expect((await h1.status()).fdb.learned).toBeLessThanOrEqual(learned);
    expect(await labelOf(h1, '02:00:00:00:0f:01')).toEqual([]);
    expect(h2.log).not.toContain('203.0.113.7');
  });

  it("a forged peer takes no declared MAC, and sees no VNI that is not there; what it may learn is the peer's", async () => {
    const { h1, h2, a } = pair;
    const mac = await a.sys('address');
    const mine = await labelOf(h1, mac);
    const [declared, unknown] = [
      await h1.dropped('source_declared_elsewhere'),
      await h1.dropped('unknown_vni'),
    ];
    await forge(h2.ipv4, broadcastFrom(mac), 20);
    await forge(h2.ipv4, broadcastFrom('02:00:00:00:0f:04'), 1);
    // They are read in their order: when these are counted, so is all that came before.
    for (const vni of [0, 41, 44, 0xffffff]) await forge(h2.ipv4, broadcastFrom('02:00:00:00:0f:03', vni), 5);
    await until('all are counted', async () => (await h1.dropped('unknown_vni')) === unknown + 20);
    expect((await h1.dropped('source_declared_elsewhere')) - declared).toBe(20);
    expect(await labelOf(h1, mac)).toEqual(mine);
    expect(await labelOf(h1, '02:00:00:00:0f:03')).toEqual([]);
    const [entry] = (await h1.fdb()).filter(({ mac: known }) => known === '02:00:00:00:0f:04');
    const peer = (await h1.peers()).find(({ endpoint }) => endpoint === h2.ipv4);
    expect(entry?.where).toBe(peer?.id);
    for (const guest of silent) expect(await guest.sys('statistics/rx_packets')).toBe('0');
    await a.reach('10.42.0.2');
  });
});

import { beforeAll, describe, expect, it } from 'vitest';
import type { Peer } from '../../daemon/api/schema.js';
import type { Host } from '../../lab/host.js';
import { Lab } from '../../lab/lab.js';
import { until } from '../../lab/wait.js';
import { settled } from './invariants.js';
import { networks, openPair, type Pair } from './pair.js';

const onlyPeer = async (host: Host): Promise<Peer> => {
  const [peer] = await host.peers();
  if (peer === undefined) throw new Error('there is no peer');
  return peer;
};

const checkIs = (host: Host, state: Peer['offloadCheck']['state']) =>
  until(
    `the check of ${host.name} is "${state}"`,
    async () => {
      const peer = await onlyPeer(host);
      return peer.offloadCheck.state === state && peer;
    },
    60,
  );

/** Rounds of the check by hand, until one gives this: a machine under load may keep an answer waiting too long. */
const checkedIs = (host: Host, address: string, state: Peer['offloadCheck']['state']) =>
  until(
    `"weft peer check" on ${host.name} gives "${state}"`,
    async () => {
      const peer = await host.weftJson<Peer>('peer', 'check', address);
      return peer.offloadCheck.state === state && peer;
    },
    60,
  );

/** A veth carries a burst by UDP_SEGMENT uncut. So what arrives at a host longer than the MTU is one; this loses it, and nothing else. */
const lossOfBursts = (host: Host, action: '-A' | '-D') =>
  host.namespace.run([
    ...['iptables', '-w', '-t', 'raw', action, 'PREROUTING'],
    ...['-p', 'udp', '-m', 'length', '--length', '1501:65535', '-j', 'DROP'],
  ]);

/** What netfilter drops on its way out, the sender is told by EPERM. */
const refusalOfBursts = (host: Host, action: '-A' | '-D') =>
  host.namespace.run([
    ...['iptables', '-w', action, 'OUTPUT'],
    ...['-p', 'udp', '-m', 'length', '--length', '1501:65535', '-j', 'DROP'],
  ]);

describe('the check of the offload between two weft hosts', () => {
  let pair: Pair;

  beforeAll(async () => {
    pair = await openPair();
    return () => pair.lab.close();
  });

  const finding = async () =>
    (await pair.h1.status()).findings.find(({ code }) => code === 'PEER_OFFLOAD_DISABLED');

  it('passes by itself soon after they are peers, with bursts of one send', async () => {
    const { h1, h2 } = pair;
    for (const [host, other] of [
      [h1, h2],
      [h2, h1],
    ] as const) {
      const first = await until(
        `${host.name} has checked its peer`,
        async () => {
          const peer = await onlyPeer(host);
          return peer.offloadCheck.at !== null && peer;
        },
        60,
      );
      // The answers may have been late for that one; then it would come again only after a minute.
      const late = ['pending', 'no-answer'].includes(first.offloadCheck.state);
      const { offloadCheck, offloadDisabled } = late ? await checkedIs(host, other.ipv4, 'passed') : first;
      expect(offloadCheck.detail).toMatch(/^bursts of 2, 44, (63|127) datagrams arrived as they were sent$/);
      expect(Date.parse(offloadCheck.at ?? '')).toBeGreaterThan(0);
      expect(offloadDisabled).toBeNull();
    }
    expect(await finding()).toBeUndefined();
    expect(await h1.weft('peer', 'inspect', h2.ipv4)).toContain('Offload check: passed (bursts of 2, 44');
  });

  it('is consumed at both ends, and the counters balance', async () => {
    for (const host of [pair.h1, pair.h2]) {
      const { frames } = await settled(host);
      // At least two bursts each of 2, 44 and 63.
      expect(frames.consumed).toBeGreaterThan(2 * (2 + 44 + 63));
      expect(frames.received).toBe(frames.unicast + frames.flooded + frames.consumed + frames.dropped);
      expect(frames.queued).toBe(frames.sent + frames.droppedEgress);
      expect(await host.dropped('unknown_vni')).toBe(0);
    }
  });

  it('finds a path that loses bursts, stops sending them, and says so', async () => {
    const { h1, h2, a, b } = pair;
    await lossOfBursts(h2, '-A');
    const { offloadCheck, offloadDisabled } = await checkedIs(h1, h2.ipv4, 'failed');
    expect(offloadCheck.detail).toBe('bursts arrive damaged (6 of 6 datagrams)');
    expect(offloadDisabled).toBe(offloadCheck.detail);
    const { message } = await until('status tells of it', finding);
    expect(message).toBe('UDP_SEGMENT is not used: bursts arrive damaged (6 of 6 datagrams)');
    expect(await h1.weft('peer', 'inspect', h2.ipv4)).toContain('auto, not used: bursts arrive damaged');
    // The way back is whole, and stays in use.
    expect((await onlyPeer(h2)).offloadDisabled).toBeNull();
    expect((await a.iperf(b, '10.42.0.2', '-n', '50M')).gbitPerSecond).toBeGreaterThan(0);
    expect((await a.iperf(b, '10.42.0.2', '-n', '50M', '-R')).gbitPerSecond).toBeGreaterThan(0);
  });

  it('takes the offload up again when the path carries bursts', async () => {
    const { h1, h2 } = pair;
    await lossOfBursts(h2, '-D');
    const { offloadDisabled } = await checkedIs(h1, h2.ipv4, 'passed');
    expect(offloadDisabled).toBeNull();
    await until('status tells nothing of it', async () => (await finding()) === undefined);
  });

  it('names a firewall of its own host that refuses bursts, and sends none', async () => {
    const { h1, h2, a, b } = pair;
    await refusalOfBursts(h1, '-A');
    const { offloadDisabled } = await checkedIs(h1, h2.ipv4, 'failed');
    expect(offloadDisabled).toContain('a firewall of this host refuses bursts (EPERM)');
    expect((await a.iperf(b, '10.42.0.2', '-n', '50M')).gbitPerSecond).toBeGreaterThan(0);
    await refusalOfBursts(h1, '-D');
    expect((await checkedIs(h1, h2.ipv4, 'passed')).offloadDisabled).toBeNull();
  });
});

describe('the check of the offload with a Linux vxlan device', () => {
  it('is not answered, and leaves the offload on', async () => {
    const lab = await Lab.open();
    try {
      const host = await lab.host('h1');
      const kernel = await lab.kernelHost('k');
      const inside = await lab.guest('inside');
      const outside = await lab.guest('outside');
      await host.start({ peers: [kernel.ipv4], networks });
      await host.attach(inside, 'blue', { addresses: ['10.42.0.1/24'] });
      const mtu = Number(await inside.sys('mtu'));
      const segment = { vni: 42, local: kernel.ipv4, remote: host.ipv4, mtu };
      await kernel.segment(segment);
      await kernel.attach(outside, segment, ['10.42.0.2/24']);
      await inside.reach('10.42.0.2');
      const { offloadDisabled } = await checkIs(host, 'no-answer');
      expect(offloadDisabled).toBeNull();
      const sentBefore = (await onlyPeer(host)).counters?.txSuperFrames ?? 0;
      expect((await inside.iperf(outside, '10.42.0.2', '-n', '50M')).gbitPerSecond).toBeGreaterThan(0);
      expect((await onlyPeer(host)).counters?.txSuperFrames).toBeGreaterThan(sentBefore);
      const { findings, frames } = await host.status();
      expect(findings.filter(({ object }) => object.startsWith('peer'))).toEqual([]);
      expect(frames.consumed).toBe(0);
    } finally {
      await lab.close();
    }
  });
});

/** Between weft hosts that take them, guests' checksums travel unfinished; no guest can tell, and no other host gets one. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { Peer } from '../../daemon/api/schema.js';
import { Capture, type Datagram, type IpPacket, l4Checksum, parseIp } from '../../lab/capture.js';
import type { Guest } from '../../lab/guest.js';
import type { Host } from '../../lab/host.js';
import { KernelHost } from '../../lab/kernel-host.js';
import { Lab } from '../../lab/lab.js';
import { until } from '../../lab/wait.js';
import { expectInvariants } from './invariants.js';
import { type Family, networks, openPair, type Pair } from './pair.js';

const peerAt = async (host: Host, address: string): Promise<Peer> => {
  const found = (await host.peers()).find((peer) => peer.endpoint === address);
  if (found === undefined) throw new Error(`${host.name} has no peer ${address}`);
  return found;
};

const carries = (host: Host, address: string, whether: boolean, seconds = 60) =>
  until(
    `${host.name} ${whether ? 'carries' : 'finishes'} checksums to ${address}`,
    async () => (await peerAt(host, address)).carryChecksum === whether,
    seconds,
  );

/** What the kernel otherwise leaves to a card it does itself: the outer checksum, and the cutting of bursts. */
const plainUnderlay = (host: Host) =>
  host.namespace.run(['ethtool', '-K', 'eth0', 'tx', 'off', 'tx-udp-segmentation', 'off']);

/** No more than the receive buffer of a socket has room for: a kernel VTEP joins none. */
const datagrams = 80;
const port = 9000;

/** Datagrams of one send, and TCP, from one guest to another; what both sides got must be what was sent. */
async function talk(from: Guest, to: Guest, address: string): Promise<void> {
  const content = '00112233445566778899';
  const { received, wrongSize, wrongContent } = await to.sink(
    port,
    900,
    datagrams,
    () => from.gsoSend(address, port, 900, datagrams, 40, content),
    content,
  );
  expect({ received, wrongSize, wrongContent }).toEqual({
    received: datagrams,
    wrongSize: 0,
    wrongContent: 0,
  });
  const bytes = 1_000_000;
  expect(await from.tcpCheck(to, address, 5000, bytes)).toEqual([
    { received: bytes, wrongAt: -1 },
    { received: bytes, wrongAt: -1 },
  ]);
  expect(await from.ping(address, { size: 1200 })).toBe(true);
}

/**
 * What leaves a host to another while `work` runs has inner TCP and UDP checksums of one kind. A guest's kernel finishes some itself, such
 * as those of resets, which then travel as they are; but none with data.
 */
async function expectChecksums(
  kind: 'finished' | 'unfinished',
  from: Host,
  to: string,
  work: () => Promise<unknown>,
): Promise<void> {
  const capture = await Capture.start(from.namespace, {
    direction: 'out',
    filter: `udp port 4789 and dst host ${to}`,
  });
  const innerOf = ({ payload }: Datagram) => parseIp(payload.subarray(8));
  try {
    await work();
    const isLarge = (packet: IpPacket | undefined) => packet !== undefined && packet.length > 900;
    const large = await capture.until('most of it was captured', 2 * datagrams, (datagram) =>
      isLarge(innerOf(datagram)),
    );
    expect(large.filter(({ checksumHolds }) => !checksumHolds)).toEqual([]);
    const found = new Set<string>();
    for (const datagram of kind === 'finished' ? capture.datagrams() : large) {
      const packet = innerOf(datagram);
      const checksum = packet && l4Checksum(packet);
      if (checksum !== undefined && checksum !== 'both')
        found.add(`${packet?.protocol === 6 ? 'TCP' : 'UDP'} ${checksum}`);
    }
    expect([...found].sort()).toEqual([`TCP ${kind}`, `UDP ${kind}`]);
  } finally {
    await capture.stop();
  }
}

describe.each<Family>(['ipv4', 'ipv6'])('unfinished checksums between two weft hosts over %s', (underlay) => {
  let pair: Pair;

  beforeAll(async () => {
    pair = await openPair({ underlay });
    for (const host of [pair.h1, pair.h2]) await plainUnderlay(host);
    return () => pair.lab.close();
  });

  it.each(['10.42.0.2', 'fd42::2'])(
    'are what TCP and UDP to %s have on the wire, and right at the guest',
    async (address) => {
      const { lab, h1, h2, a, b } = pair;
      await carries(h1, h2[underlay], true);
      await carries(h2, h1[underlay], true);
      await expectChecksums('unfinished', h1, h2[underlay], () => talk(a, b, address));
      expect(await h1.weft('peer', 'inspect', h2[underlay])).toContain('Inner checksums: carried unfinished');
      await expectInvariants(lab);
    },
  );
});

describe('unfinished checksums between two weft hosts of which one', () => {
  let pair: Pair;

  beforeAll(async () => {
    pair = await openPair();
    for (const host of [pair.h1, pair.h2]) await plainUnderlay(host);
    await carries(pair.h1, pair.h2.ipv4, true);
    return () => pair.lab.close();
  });

  const configure = async (switchedTo: 'auto' | 'off') => {
    const { h1, h2 } = pair;
    const underlay = { offloads: { carry_checksum: switchedTo } };
    h1.configure({ peers: [h2.ipv4], networks, underlay });
    await h1.weft('reload');
  };

  it('does not know the question, because it is older, are not sent to it', {
    timeout: 120_000,
  }, async () => {
    const { h1, h2, a, b } = pair;
    // It drops hellos, whatever their length: "ft", version 1 and type 4 behind IPv4, UDP, VXLAN, Ethernet and "we".
    const hello = ['-m', 'u32', '--u32', '52=0x66740104'];
    const rule = ['PREROUTING', '-p', 'udp', '--dport', '4789', ...hello, '-j', 'DROP'];
    await h2.namespace.run(['iptables', '-w', '-t', 'raw', '-A', ...rule]);
    await configure('off');
    await configure('auto');
    await until('the offload check is answered', async () => {
      const { offloadCheck } = await h1.weftJson<Peer>('peer', 'check', h2.ipv4);
      return offloadCheck.state === 'passed';
    });
    await expectChecksums('finished', h1, h2.ipv4, () => talk(a, b, '10.42.0.2'));
    expect((await peerAt(h1, h2.ipv4)).carryChecksum).toBe(false);
    await h2.namespace.run(['iptables', '-w', '-t', 'raw', '-D', ...rule]);
    await carries(h1, h2.ipv4, true);
  });

  it('has them switched off are not sent from it any more, nor to it once it said so', async () => {
    const { h1, h2, a, b } = pair;
    await configure('off');
    expect((await peerAt(h1, h2.ipv4)).carryChecksum).toBe(false);
    expect(await h1.weft('status')).toContain('carry_checksum off (configured)');
    await expectChecksums('finished', h1, h2.ipv4, () => talk(a, b, '10.42.0.2'));
    await carries(h2, h1.ipv4, false);
    await expectChecksums('finished', h2, h1.ipv4, () => talk(b, a, '10.42.0.1'));
  });
});

describe('unfinished checksums in a mesh with a Linux vxlan device', () => {
  let lab: Lab;
  let h1: Host;
  let h2: Host;
  let kernel: KernelHost;
  let a: Guest;
  let b: Guest;
  let c: Guest;
  let mtu: number;

  beforeAll(async () => {
    lab = await Lab.open();
    [h1, h2, kernel] = [await lab.host('h1'), await lab.host('h2'), await lab.kernelHost('k')];
    [a, b, c] = [await lab.guest('a'), await lab.guest('b'), await lab.guest('c')];
    await h1.start({ peers: [h2.ipv4, kernel.ipv4], networks });
    await h2.start({ peers: [h1.ipv4, kernel.ipv4], networks });
    await h1.attach(a, 'blue', { addresses: ['10.42.0.1/24', 'fd42::1/64'] });
    await h2.attach(b, 'blue', { addresses: ['10.42.0.2/24', 'fd42::2/64'] });
    mtu = Number(await a.sys('mtu'));
    const segment = { vni: 42, local: kernel.ipv4, mtu };
    await kernel.segment(segment);
    for (const host of [h1, h2]) await kernel.flood(segment, host.ipv4);
    await kernel.attach(c, segment, ['10.42.0.3/24', 'fd42::3/64']);
    // The same at the far end: what a kernel leaves undone on a veth would be for another test.
    for (const { namespace } of [h1, h2, kernel])
      await namespace.run(['ethtool', '-K', 'eth0', 'tx', 'off', 'tx-udp-segmentation', 'off']);
    for (const address of ['10.42.0.2', '10.42.0.3', 'fd42::2', 'fd42::3']) await a.reach(address);
    return () => lab.close();
  });

  it.each(['10.42.0', 'fd42:'])('go to the weft host, and finished ones to the kernel: %s', async (net) => {
    await carries(h1, h2.ipv4, true);
    const [toB, toC] = net === '10.42.0' ? ['10.42.0.2', '10.42.0.3'] : ['fd42::2', 'fd42::3'];
    await expectChecksums('unfinished', h1, h2.ipv4, () => talk(a, b, toB));
    await expectChecksums('finished', h1, kernel.ipv4, () => talk(a, c, toC));
    expect((await peerAt(h1, kernel.ipv4)).carryChecksum).toBe(false);
    await expectInvariants(lab, { otherMacs: true, unequalEnds: true });
  });

  it('end by themselves when a Linux vxlan device takes the place of the weft host', {
    timeout: 120_000,
  }, async () => {
    await carries(h1, h2.ipv4, true);
    await h2.stop();
    const successor = new KernelHost(h2.namespace, h2.ipv4, h2.ipv6);
    const segment = { vni: 42, local: h2.ipv4, remote: h1.ipv4, mtu };
    const d = await lab.guest('d');
    await successor.segment(segment);
    await successor.attach(d, segment, ['10.42.0.4/24', 'fd42::4/64']);
    await a.reach('10.42.0.4');
    const until35 = Date.now() + 35_000;
    await carries(h1, h2.ipv4, false, 40);
    expect(Date.now()).toBeLessThan(until35);
    await talk(a, d, '10.42.0.4');
    await talk(a, d, 'fd42::4');
  });
});

/**
 * RFC 7348's requirements that only a wire can show; native/test/rfc7348_test.cc has those that a worker alone can. The numbers are those
 * of docs/conformance.md, which is made from the names here and there.
 */
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Capture, type Datagram, type IpPacket, parseIp, parseUdp } from '../../lab/capture.js';
import { tool } from '../../lab/checkout.js';
import { Guest } from '../../lab/guest.js';
import type { Host } from '../../lab/host.js';
import type { KernelHost } from '../../lab/kernel-host.js';
import { Lab } from '../../lab/lab.js';
import { until } from '../../lab/wait.js';
import { ethernet, type RawDatagram, sendRaw, udpOverIpv4, vxlanHeader } from './datagrams.js';
import type { Family } from './pair.js';

const families: Family[] = ['ipv4', 'ipv6'];
/** Where nobody is: what a guest sends there is flooded to every peer. */
const nobody = { ipv4: '10.42.0.9', ipv6: 'fd42::9', mac: '02:00:00:00:00:09' };
const toNobody = new Set([nobody.ipv4, nobody.ipv6]);
/** Who speaks behind a peer. */
const speaker = { ipv4: '10.42.0.8', mac: '02:00:00:00:00:08' };

/** What a datagram of weft carries: the inner IP packet, if there is one. */
const inner = ({ payload }: Datagram): IpPacket | undefined => parseIp(payload.subarray(8));

describe.each(families)('RFC 7348 on the wire, underlay %s', (family) => {
  /** Bytes of IP in a frame that fits the underlay's 1500. */
  const fits = 1500 - (family === 'ipv4' ? 50 : 70);
  let lab: Lab;
  let host: Host;
  /** A peer that is nothing but a wire: it speaks VXLAN only where a test does. */
  let peer: KernelHost;
  /** The same on port 8472, which wants UDP checksums of zero. */
  let legacy: KernelHost;
  let stranger: KernelHost;
  let guest: Guest;
  /** In a network whose declared MTU does not fit. */
  let wide: Guest;
  let marker = 0;

  beforeAll(async () => {
    lab = await Lab.open();
    host = await lab.host('h1');
    peer = await lab.kernelHost('peer');
    legacy = await lab.kernelHost('legacy');
    stranger = await lab.kernelHost('stranger');
    guest = await lab.guest('a');
    wide = await lab.guest('b');
    await host.start({
      peers: [peer[family], { address: legacy[family], port: 8472, checksum: 'zero' }],
      networks: { blue: { vni: 42 }, wide: { vni: 44, mtu: 1500 } },
    });
    await host.attach(guest, 'blue', { addresses: ['10.42.0.1/24', 'fd42::1/64'] });
    await host.attach(wide, 'wide', { addresses: ['10.42.0.1/24', 'fd42::1/64'] });
    for (const { namespace } of [guest, wide]) {
      for (const address of [nobody.ipv4, nobody.ipv6]) {
        await namespace.ip('neigh', 'add', address, 'lladdr', nobody.mac, 'dev', 'eth0', 'nud', 'permanent');
      }
    }
    // So that the segments of one send are seen as they go on a wire, and none is lost while the kernel asks for the peer's MAC.
    await host.namespace.run(['ethtool', '-K', 'eth0', 'tx-udp-segmentation', 'off']);
    for (const where of [peer, legacy]) await host.namespace.run(['ping', '-q', '-c', '1', where[family]]);
    return () => lab.close();
  });

  beforeEach(() => {
    marker += 1;
  });

  const captureAt = async (where: KernelHost, port: number) => {
    const capture = await Capture.start(where.namespace, { direction: 'in' });
    const ofWeft = (datagram: Datagram) =>
      datagram.destinationPort === port && toNobody.has(inner(datagram)?.destination ?? '');
    return { capture, until: (count: number) => capture.until('VXLAN datagrams arrive', count, ofWeft) };
  };

  /** Sends datagrams of a few bytes from the guest to nobody, two of each flow. */
  const smallFlows = (count: number) =>
    guest.namespace.run([
      'bash',
      '-c',
      `for port in $(seq 9001 ${9000 + count}); do
         exec 3>/dev/udp/${nobody.ipv4}/$port; printf first >&3; printf second >&3; exec 3>&-
       done`,
    ]);

  const routeTo = (where: Host | KernelHost, mtu: number) =>
    `${where[family]}/${family === 'ipv4' ? 32 : 128} dev eth0 mtu ${mtu}`.split(' ');
  /** An echo request of 1500 bytes, which are 50 or 70 more than fit. */
  const largePing = (fragmentation: 'do' | 'dont') =>
    wide.namespace.attempt(`ping -q -c 1 -W 0.1 -s 1472 -M ${fragmentation} ${nobody.ipv4}`.split(' '));

  /** A frame from behind the peer to the guest, told from others by its payload. */
  const frameToGuest = (size = 100, trafficClass = 0) => {
    const payload = Buffer.alloc(size, `${family} ${marker} `);
    const packet = udpOverIpv4({ source: speaker.ipv4, destination: '10.42.0.1', payload, trafficClass });
    return Buffer.concat([ethernet('ff:ff:ff:ff:ff:ff', speaker.mac, 0x0800), packet]);
  };
  const fromPeer = (frame: Buffer, datagram: Partial<RawDatagram> = {}, from = peer) =>
    sendRaw(from.namespace, {
      source: from[family],
      destination: host[family],
      payload: Buffer.concat([vxlanHeader(42), frame]),
      ...datagram,
    });
  /** What of the frames that `send` sent towards the guest arrives there, when `count` have. */
  const arriving = async (count: number, send: () => Promise<unknown>): Promise<Datagram[]> => {
    const capture = await Capture.start(guest.namespace, { direction: 'in' });
    await send();
    const found = await capture.until('frames reach the guest', count, ({ payload }) =>
      payload.toString().startsWith(`${family} ${marker} `),
    );
    await capture.stop();
    return found;
  };
  const received = async () => (await host.status()).frames.received;

  it('V1: no outer packet is ever a fragment or may become one, however large the guest sends', async () => {
    const seen = await captureAt(peer, 4789);
    await guest.gsoSend(nobody.ipv4, 9000, 1200, 640, 40);
    await guest.gsoSend(nobody.ipv6, 9000, 1200, 640, 40);
    const datagrams = await seen.until(640);
    const before = await host.dropped('too_big');
    await largePing('do');
    await until(
      'what may not be fragmented is dropped',
      async () => (await host.dropped('too_big')) > before,
    );
    await largePing('dont');
    // A path that weft does not know yet to be smaller: what is sent into it now meets the socket's own rule. Should weft look at the
    // route just then, the link of the guest refuses it.
    const route = routeTo(peer, 1400);
    await host.namespace.ip('route', 'add', ...route);
    await guest.namespace.attempt([tool('gso_send'), nobody.ipv4, '9000', '1380', '1', '1']);
    await wide.namespace.attempt(['ping', '-q', '-c', '1', '-W', '0.1', '-s', '7', nobody.ipv4]);
    await seen.capture.until(
      'what was sent last',
      1,
      (datagram) => inner(datagram)?.payload.length === 8 + 7,
    );
    await host.namespace.ip('route', 'del', ...route);
    await until('the path is as before', async () => {
      const peers = await host.peers();
      return peers.every(({ pathMtu }) => pathMtu === 1500) && (await guest.sys('mtu')) === `${fits}`;
    });
    const packets = seen.capture.packets().filter(({ source }) => source === host[family]);
    await seen.capture.stop();
    expect(datagrams.every(({ ip }) => ip.length <= 1500)).toBe(true);
    expect(packets.length).toBeGreaterThanOrEqual(datagrams.length);
    const vxlan = packets.filter(({ protocol }) => protocol === 17 || protocol === 44);
    expect(vxlan.filter(({ fragment, dontFragment }) => fragment || !dontFragment)).toEqual([]);
  });

  it('V2: what the kernel puts together from fragments is taken', async () => {
    const route = routeTo(host, 1280);
    const pieces = await Capture.start(host.namespace, { direction: 'in' });
    await peer.namespace.ip('route', 'add', ...route);
    const frame = frameToGuest(1400);
    const [delivered] = await arriving(1, () => fromPeer(frame));
    await peer.namespace.ip('route', 'del', ...route);
    expect(delivered?.payload).toEqual(frame.subarray(14 + 28));
    await until(
      'it came in fragments',
      () => pieces.packets().filter(({ fragment }) => fragment).length >= 2,
    );
    await pieces.stop();
  });

  it('V3: the MTU of a port leaves room for encapsulation, and one that does not is reported', async () => {
    expect(await guest.sys('mtu')).toBe(`${fits}`);
    const seen = await captureAt(peer, 4789);
    await guest.gsoSend(nobody.ipv4, 9000, fits - 28, 1, 1);
    const [largest] = await seen.until(1);
    await seen.capture.stop();
    expect(largest?.ip.length).toBe(1500);
    const { findings } = await host.status();
    expect(findings.map(({ code, object }) => `${code} ${object}`)).toContain(
      'MTU_DOES_NOT_FIT network wide',
    );
  });

  it('V4: a guest whose packets do not fit the path is told what does', async () => {
    // The kernel of the guest believes what it is told about a neighbour that it has spoken to.
    const frame = Buffer.concat([
      ethernet('ff:ff:ff:ff:ff:ff', nobody.mac, 0x0800),
      udpOverIpv4({ source: nobody.ipv4, destination: '10.42.0.1', payload: Buffer.alloc(20) }),
    ]);
    await fromPeer(frame, { payload: Buffer.concat([vxlanHeader(44), frame]) });
    const told = await until('the guest is told the path MTU', async () => {
      await largePing('do');
      const route = await wide.namespace.ip('route', 'get', nobody.ipv4);
      return /mtu (\d+)/.exec(route)?.[1];
    });
    expect(told).toBe(`${fits}`);
  });

  it('V9: VXLAN goes to port 4789 unless a peer has another', async () => {
    const seen = await Capture.start(peer.namespace, { direction: 'in', filter: 'udp' });
    await smallFlows(5);
    const datagrams = await seen.until(
      'VXLAN arrives',
      10,
      ({ payload }) => payload.includes('first') || payload.includes('second'),
    );
    await seen.stop();
    expect(new Set(datagrams.map(({ destinationPort }) => destinationPort))).toEqual(new Set([4789]));
  });

  it('V10: the port is a matter of configuration, for sending and for receiving', async () => {
    const seen = await captureAt(legacy, 8472);
    await smallFlows(5);
    expect((await seen.until(10)).length).toBeGreaterThanOrEqual(10);
    await seen.capture.stop();
    expect(await arriving(1, () => fromPeer(frameToGuest(), { port: 8472 }, legacy))).toHaveLength(1);
  });

  it('V11: source ports are in the dynamic range, several, and a flow keeps its own', async () => {
    const flows = 60;
    const seen = await captureAt(peer, 4789);
    await smallFlows(flows);
    const datagrams = await seen.until(2 * flows);
    await seen.capture.stop();
    const portOf = new Map<number, Set<number>>();
    for (const datagram of datagrams) {
      const flow = inner(datagram)?.payload.readUInt16BE(2) ?? 0;
      portOf.set(flow, (portOf.get(flow) ?? new Set()).add(datagram.sourcePort));
    }
    expect(portOf.size).toBe(flows);
    expect([...portOf.values()].filter((ports) => ports.size !== 1)).toEqual([]);
    const ports = new Set([...portOf.values()].flatMap((set) => [...set]));
    expect(ports.size).toBeGreaterThan(1);
    for (const port of ports) expect(port).toBeGreaterThanOrEqual(49152);
    expect(ports.size).toBeLessThanOrEqual(4);
  });

  it('V12: a peer with checksum: zero gets UDP checksums of zero, others get real ones', async () => {
    const [plain, zero] = [await captureAt(peer, 4789), await captureAt(legacy, 8472)];
    await smallFlows(5);
    const [toPlain, toZero] = [await plain.until(10), await zero.until(10)];
    await plain.capture.stop();
    await zero.capture.stop();
    expect(toZero.filter(({ checksum }) => checksum !== 0)).toEqual([]);
    expect(toPlain.filter(({ checksum }) => checksum === 0)).toEqual([]);
  });

  it('V13: a datagram with UDP checksum zero is accepted', async () => {
    const frame = frameToGuest();
    const [delivered] = await arriving(1, () => fromPeer(frame, { checksum: 0 }));
    expect(delivered?.payload).toEqual(frame.subarray(14 + 28));
  });

  it('V14: a UDP checksum that is sent is right over the pseudo-header, VXLAN and the inner frame', async () => {
    // Without the offload the kernel completes what it otherwise leaves to a card.
    await host.namespace.run(['ethtool', '-K', 'eth0', 'tx', 'off']);
    const seen = await captureAt(peer, 4789);
    await smallFlows(5);
    await guest.gsoSend(nobody.ipv4, 9000, 1200, 80, 40);
    await guest.gsoSend(nobody.ipv4, 9000, 201, 80, 40);
    const datagrams = await seen.until(170);
    await seen.capture.stop();
    await host.namespace.run(['ethtool', '-K', 'eth0', 'tx', 'on']);
    expect(datagrams.filter(({ checksumHolds, ip }) => !checksumHolds || !ip.headerHolds)).toEqual([]);
    const carried = datagrams.map((datagram) => inner(datagram)).filter((packet) => packet !== undefined);
    expect(
      carried.filter((packet) => !packet.headerHolds || parseUdp(packet)?.checksumHolds === false),
    ).toEqual([]);
  });

  it('V15: a datagram with a wrong UDP checksum is dropped and counted by the kernel, with the right one it is taken', async () => {
    const wrong = () => new Guest(host.namespace).counter('InCsumErrors');
    const before = { wrong: await wrong(), received: await received() };
    for (const change of [1, 0x8000]) {
      await fromPeer(frameToGuest(), { checksum: (right) => right ^ change });
    }
    expect(await arriving(1, () => fromPeer(frameToGuest()))).toHaveLength(1);
    expect(await wrong()).toBe(before.wrong + 2);
    await until('the good one is counted', async () => (await received()) > before.received);
  });

  it('V16: the outer source is the address of this VTEP, the outer destination that of the peer', async () => {
    const seen = await captureAt(peer, 4789);
    await smallFlows(3);
    const datagrams = await seen.until(6);
    await seen.capture.stop();
    expect(new Set(datagrams.map(({ ip }) => `${ip.source} > ${ip.destination}`))).toEqual(
      new Set([`${host[family]} > ${peer[family]}`]),
    );
  });

  it('V21: a datagram of a stranger is dropped, though all of it is right', async () => {
    const before = await host.dropped('unknown_peer');
    for (let i = 0; i < 3; i++) await fromPeer(frameToGuest(), {}, stranger);
    await until('strangers are counted', async () => (await host.dropped('unknown_peer')) === before + 3);
    // Nothing of it came before this one.
    expect(await arriving(1, () => fromPeer(frameToGuest()))).toHaveLength(1);
  });

  it('the outer header has the inner DSCP and ECN and a hop limit of its own', async () => {
    const capture = await Capture.start(peer.namespace, { direction: 'in' });
    for (const address of [nobody.ipv4, nobody.ipv6]) {
      await guest.namespace.attempt(['ping', '-q', '-c', '1', '-W', '0.1', '-Q', '0xba', '-t', '3', address]);
    }
    const echoes = await capture.until('echo requests', 2, (datagram) => {
      return toNobody.has(inner(datagram)?.destination ?? '');
    });
    await capture.stop();
    expect(echoes.map(({ ip }) => [ip.trafficClass, ip.hopLimit])).toEqual([
      [0xba, 64],
      [0xba, 64],
    ]);
    expect(echoes.map((datagram) => [inner(datagram)?.trafficClass, inner(datagram)?.hopLimit])).toEqual([
      [0xba, 3],
      [0xba, 3],
    ]);
  });

  it('a congestion mark of the underlay reaches the guest, its DSCP does not', async () => {
    const [marked] = await arriving(1, () => fromPeer(frameToGuest(100, 0x02), { trafficClass: 0xbb }));
    expect(marked?.ip.trafficClass).toBe(0x03);
    expect(marked?.ip.headerHolds).toBe(true);
    const before = await host.dropped('ecn_congestion');
    await fromPeer(frameToGuest(100, 0x00), { trafficClass: 0xbb });
    await until('it is dropped', async () => (await host.dropped('ecn_congestion')) === before + 1);
  });
});

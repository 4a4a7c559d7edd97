import { beforeAll, describe, expect, it } from 'vitest';
import type { Guest } from '../../lab/guest.js';
import type { Host } from '../../lab/host.js';
import type { KernelHost, KernelSegment } from '../../lab/kernel-host.js';
import { Lab } from '../../lab/lab.js';
import { until } from '../../lab/wait.js';
import { type Family, networks } from './pair.js';

const families: Family[] = ['ipv4', 'ipv6'];

describe.each(families)('a Linux bridge with a vxlan device as a peer over %s', (family) => {
  let lab: Lab;
  let host: Host;
  let kernel: KernelHost;
  let segment: KernelSegment;
  /** Behind weft: 10.42.0.1, fd42::1. */
  let inside: Guest;
  /** Behind the kernel: 10.42.0.2, fd42::2. */
  let outside: Guest;

  beforeAll(async () => {
    lab = await Lab.open();
    host = await lab.host('h1');
    kernel = await lab.kernelHost('k');
    inside = await lab.guest('inside');
    outside = await lab.guest('outside');
    await host.start({ peers: [kernel[family]], networks });
    await host.attach(inside, 'blue', { addresses: ['10.42.0.1/24', 'fd42::1/64'] });
    const mtu = Number(await inside.sys('mtu'));
    segment = { vni: 42, local: kernel[family], remote: host[family], mtu };
    await kernel.segment(segment);
    await kernel.attach(outside, segment, ['10.42.0.2/24', 'fd42::2/64']);
    await inside.reach('10.42.0.2');
    return () => lab.close();
  });

  const checksumsAreRight = async () => {
    expect(await inside.counter('InCsumErrors')).toBe(0);
    expect(await outside.counter('InCsumErrors')).toBe(0);
  };

  it('pings both ways, up to the MTU', async () => {
    for (const size of [56, segment.mtu - 28]) {
      expect(await inside.ping('10.42.0.2', { size })).toBe(true);
      expect(await outside.ping('10.42.0.1', { size })).toBe(true);
    }
    for (const size of [56, segment.mtu - 48]) {
      expect(await inside.ping('fd42::2', { size })).toBe(true);
      expect(await outside.ping('fd42::1', { size })).toBe(true);
    }
  });

  const carriesTcp = async () => {
    for (const address of ['10.42.0.2', 'fd42::2']) {
      expect((await inside.iperf(outside, address, '-n', '100M')).gbitPerSecond).toBeGreaterThan(0);
      expect((await inside.iperf(outside, address, '-n', '100M', '-R')).gbitPerSecond).toBeGreaterThan(0);
    }
    await checksumsAreRight();
  };

  it('carries TCP both ways, though the kernel leaves checksums and segmentation unfinished', carriesTcp);

  it.each([
    ['10.42.0.1', '10.42.0.2'],
    ['fd42::1', 'fd42::2'],
  ])('carries UDP super-frames both ways (%s)', async (insideAddress, outsideAddress) => {
    const size = 1200;
    const inward = await inside.sink(9000, size, 640, () =>
      outside.gsoSend(insideAddress, 9000, size, 640, 40),
    );
    expect(inward).toEqual({ received: 640, wrongSize: 0, reordered: 0 });
    const outward = await outside.sink(9000, size, 640, () =>
      inside.gsoSend(outsideAddress, 9000, size, 640, 40),
    );
    expect(outward).toEqual({ received: 640, wrongSize: 0, reordered: 0 });
    await checksumsAreRight();
  });

  it('does not take the payload of a UDP super-frame for VXLAN of another network', async () => {
    const victim = await lab.guest('victim');
    await host.attach(victim, 'red');
    const size = 1000;
    // Where the kernel's segment size cuts the encapsulated super-frame: behind outer VXLAN, Ethernet, IPv4 and UDP of the first frame.
    const cut = size - (8 + 14 + 20 + 8);
    const vxlanOfRed = `0800000000${networks.red.vni.toString(16).padStart(4, '0')}00`.padStart(16, '0');
    const ethernet = `ffffffffffff${'020000000001'}88b5`;
    const number = 4;
    const forged = `${'00'.repeat(cut - number)}${vxlanOfRed}${ethernet}`;
    const before = await victim.sys('statistics/rx_packets');
    const taken = async () => (await host.status()).frames.received + (await host.dropped('ambiguous_gso'));
    const takenBefore = await taken();
    const result = await inside.sink(9000, size, 320, () =>
      outside.gsoSend('10.42.0.1', 9000, size, 320, 32, forged),
    );
    expect(result).toEqual({ received: 320, wrongSize: 0, reordered: 0 });
    await until('weftd has counted the bursts', async () => (await taken()) >= takenBefore + 320);
    expect(await victim.sys('statistics/rx_packets')).toBe(before);
  });

  it('carries TCP when the veth of the peer cannot segment tunnels', async () => {
    await kernel.namespace.run([
      ...['ethtool', '-K', 'eth0'],
      ...['tx-udp_tnl-segmentation', 'off', 'tx-udp_tnl-csum-segmentation', 'off'],
    ]);
    await carriesTcp();
  });
});

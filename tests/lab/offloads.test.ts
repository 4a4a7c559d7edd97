/** Each offload in use, and each kill switch: what it stops is seen on the wire, at once, without a restart. */
import { beforeAll, describe, expect, it } from 'vitest';
import { Capture } from '../../lab/capture.js';
import type { Namespace } from '../../lab/namespace.js';
import { until } from '../../lab/wait.js';
import { networks, openPair, type Pair } from './pair.js';

const bytes = 900 * 400;
/** The largest packet that is no super-frame, with Ethernet and a tunnel. */
const single = 1514;
/** Of the VXLAN socket's receive, without UDP_GRO. */
const datagramsARound = 16;

describe('offloads', () => {
  let pair: Pair;

  beforeAll(async () => {
    pair = await openPair();
    return () => pair.lab.close();
  });

  /** Configures both hosts; what is not named is on. */
  const use = async (offloads: Record<string, 'auto' | 'off'>) => {
    const { h1, h2 } = pair;
    for (const [host, peer] of [
      [h1, h2],
      [h2, h1],
    ] as const) {
      host.configure({ peers: [peer.ipv4], networks, underlay: { offloads } });
      await host.weft('reload');
    }
  };

  const tcp = () => pair.a.iperf(pair.b, '10.42.0.2', '-n', `${bytes}`);
  const udp = async () => {
    const { received } = await pair.b.sink(9000, 900, 400, () =>
      pair.a.gsoSend('10.42.0.2', 9000, 900, 400, 40),
    );
    expect(received).toBe(400);
  };

  /** The length of the largest frame of what `work` sends. */
  const largest = async (
    namespace: Namespace,
    direction: 'in' | 'out',
    filter: string,
    work: () => Promise<unknown>,
  ) => {
    const capture = await Capture.start(namespace, { direction, filter });
    try {
      await work();
      // tcpdump may lose some of a transfer that is over within a millisecond; an eighth shows how its frames are made.
      const seen = await until('enough of it was captured', () => {
        const lengths = frameLengths(capture.pcap);
        return lengths.reduce((sum, length) => sum + length, 0) > bytes / 8 && lengths;
      });
      return Math.max(...seen);
    } finally {
      await capture.stop();
    }
  };

  it('are all tried at start, and found good', async () => {
    await use({});
    expect(await pair.h1.weft('status')).toContain(
      [
        'Offloads: tso on, uso on, coalesce_tcp on, coalesce_udp on',
        '          udp_gso on, udp_gro on, carry_checksum on',
      ].join('\n'),
    );
    const { a, b, h1 } = pair;
    expect(await largest(a.namespace, 'out', 'tcp', tcp)).toBeGreaterThan(single);
    expect(await largest(b.namespace, 'in', 'tcp', tcp)).toBeGreaterThan(single);
    expect(await largest(b.namespace, 'in', 'udp port 9000', udp)).toBeGreaterThan(datagramsARound * 950);
    expect(await largest(h1.namespace, 'out', 'udp port 4789', udp)).toBeGreaterThan(single);
  });

  it('coalesce_tcp: off writes every TCP frame by itself, and leaves UDP alone', async () => {
    await use({ coalesce_tcp: 'off' });
    const { a, b, h2 } = pair;
    expect(await h2.weft('status')).toContain('coalesce_tcp off (configured), coalesce_udp on');
    expect(await largest(b.namespace, 'in', 'tcp', tcp)).toBeLessThanOrEqual(single);
    expect(await largest(a.namespace, 'out', 'tcp', tcp)).toBeGreaterThan(single);
    expect(await largest(b.namespace, 'in', 'udp port 9000', udp)).toBeGreaterThan(single);
  });

  it('coalesce_udp: off writes every UDP frame by itself, and leaves TCP alone', async () => {
    await use({ coalesce_udp: 'off' });
    const { b } = pair;
    expect(await largest(b.namespace, 'in', 'udp port 9000', udp)).toBeLessThanOrEqual(single);
    expect(await largest(b.namespace, 'in', 'tcp', tcp)).toBeGreaterThan(single);
  });

  it('tso: off and uso: off take the offload from guests that run, and give it back', async () => {
    await use({ tso: 'off', uso: 'off' });
    const { a, b, h1 } = pair;
    expect(await h1.weft('status')).toContain(
      'tso off (configured), uso off (configured), coalesce_tcp off: tso is off, coalesce_udp off: uso is off',
    );
    const features = async () => a.namespace.run(['ethtool', '-k', 'eth0']);
    expect(await features()).toMatch(/tx-tcp-segmentation: off[\s\S]*tx-udp-segmentation: off/);
    expect(await largest(b.namespace, 'in', 'tcp', tcp)).toBeLessThanOrEqual(single);
    expect(await largest(b.namespace, 'in', 'udp port 9000', udp)).toBeLessThanOrEqual(single);
    const superFrames = async () => (await h1.ports())[0]?.counters?.rxSuperFrames ?? -1;
    const before = await superFrames();
    await tcp();
    await udp();
    expect(await superFrames()).toBe(before);
    await use({});
    expect(await features()).toMatch(/tx-tcp-segmentation: on[\s\S]*tx-udp-segmentation: on/);
    await tcp();
    expect(await superFrames()).toBeGreaterThan(before);
  });

  it('udp_gso: off sends every datagram by itself', async () => {
    await use({ udp_gso: 'off' });
    const { h1 } = pair;
    expect(await h1.weft('status')).toContain('udp_gso off (configured), udp_gro on');
    expect(await largest(h1.namespace, 'out', 'udp port 4789', udp)).toBeLessThanOrEqual(single);
    expect(await largest(h1.namespace, 'out', 'udp port 4789', tcp)).toBeLessThanOrEqual(single);
  });

  it('udp_gro: off receives no burst as one', async () => {
    await use({ udp_gro: 'off' });
    const { b } = pair;
    // What is joined then is what one round receives.
    const joined = datagramsARound * 900 + 42;
    expect(await largest(b.namespace, 'in', 'udp port 9000', udp)).toBeLessThanOrEqual(joined);
    await use({});
    expect(await largest(b.namespace, 'in', 'udp port 9000', udp)).toBeGreaterThan(joined);
  });

  it('a guest whose peer has a tiny MSS sends super-frames of no more segments than weft takes', async () => {
    const { a, b, h1 } = pair;
    expect(await a.namespace.run(['ip', '-d', 'link', 'show', 'eth0'])).toContain('gso_max_segs 128');
    const before = await h1.dropped('bad_gso');
    await a.iperf(b, '10.42.0.2', '-M', '100', '-n', '500K');
    expect(await h1.dropped('bad_gso')).toBe(before);
  });
});

/** Of the frames as they were, not of what was kept of them. */
function frameLengths(pcap: Buffer): number[] {
  const lengths: number[] = [];
  for (let at = 24; at + 16 <= pcap.length; at += 16 + pcap.readUInt32LE(at + 8)) {
    lengths.push(pcap.readUInt32LE(at + 12));
  }
  return lengths;
}

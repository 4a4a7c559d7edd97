/** What segmentation sends, read by Wireshark's dissectors: an implementation that shares nothing with weft, and nothing with the lab. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { Capture, type Datagram, parseIp } from '../../lab/capture.js';
import { run } from '../../lab/command.js';
import { type Family, openPair } from './pair.js';

const families: Family[] = ['ipv4', 'ipv6'];
/** Of UDP_SEGMENT datagrams, for each family inside. */
const datagrams = 640;

describe.each(families)('what leaves a host over %s, as tshark reads it', (family) => {
  let file: string;

  beforeAll(async () => {
    // As to any VTEP: what goes to one that takes unfinished checksums is in carry-checksum.test.ts.
    const config = { underlay: { offloads: { carry_checksum: 'off' } } };
    const { lab, h1, h2, a, b } = await openPair({ underlay: family, config });
    try {
      // Without the offloads the kernel completes what it otherwise leaves to a card.
      await h1.namespace.run(['ethtool', '-K', 'eth0', 'tx', 'off', 'tx-udp-segmentation', 'off']);
      const capture = await Capture.start(h2.namespace, { direction: 'in', filter: 'udp port 4789' });
      const isInnerUdp = ({ payload }: Datagram) =>
        payload.length > 900 && parseIp(payload.subarray(8))?.protocol === 17;
      for (const [index, address] of ['10.42.0.2', 'fd42::2'].entries()) {
        // No faster than tcpdump gets its turns.
        await a.iperf(b, address, '-n', '4M', '-b', '100M');
        const { received } = await b.sink(9000, 900, datagrams, () =>
          a.gsoSend(address, 9000, 900, datagrams, 40),
        );
        expect(received).toBe(datagrams);
        // Before more comes: tcpdump's buffer has room for one of the two.
        await capture.until('the segments were captured', (index + 1) * datagrams, isInnerUdp);
      }
      await capture.stop();
      file = join(lab.dir, 'wire.pcap');
      writeFileSync(file, capture.pcap);
    } catch (error) {
      await lab.close();
      throw error;
    }
    return () => lab.close();
  });

  /** The numbers of the frames that tshark finds. */
  const frames = async (filter: string) => {
    const checks = ['ip', 'udp', 'tcp'].flatMap((name) => ['-o', `${name}.check_checksum:TRUE`]);
    const argv = ['tshark', '-n', '-r', file, ...checks, '-Y', filter, '-T', 'fields', '-e', 'frame.number'];
    return (await run(argv, { timeout: 55 })).split('\n').filter(Boolean);
  };

  it('no header and no checksum is wrong', async () => {
    const bad = ['ip', 'udp', 'tcp'].map((name) => `${name}.checksum.status == 0`);
    const reserved = ['flags_reserved', 'flag_g', 'flag_d', 'flag_a', 'gbp', 'reserved8'];
    // The offload check is among them, on the VNI of control frames.
    const wrong = [
      '!(vxlan.flag_i == 1)',
      '!(vxlan.vni in {42, 16777215})',
      ...reserved.map((name) => `vxlan.${name} != 0`),
    ];
    expect(await frames(['_ws.malformed', ...bad, ...wrong].join(' || '))).toEqual([]);
  });

  // Status 1 is good; 2 and 3 mean that there was nothing to see. Of UDP there are two checksums, the outer and the inner one.
  it.each([
    ['TCP over IPv4', 'tcp', 1, 'ip.dst == 10.42.0.2'],
    ['TCP over IPv6', 'tcp', 1, 'ipv6.dst == fd42::2'],
    ['UDP_SEGMENT over IPv4', 'udp', 2, 'ip.dst == 10.42.0.2'],
    ['UDP_SEGMENT over IPv6', 'udp', 2, 'ipv6.dst == fd42::2'],
  ])('%s is there, with checksums that were looked at', async (_, protocol, count, to) => {
    const status = `${protocol}.checksum.status`;
    const found = await frames(
      `${to} && count(${status}) == ${count} && !(${status} > 1) && frame.len > 900`,
    );
    expect(found.length).toBeGreaterThanOrEqual(datagrams);
  });
});

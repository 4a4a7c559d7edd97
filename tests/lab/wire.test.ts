/** What segmentation sends, read by Wireshark's dissectors: an implementation that shares nothing with weft, and nothing with the lab. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { Capture } from '../../lab/capture.js';
import { run } from '../../lab/command.js';
import { until } from '../../lab/wait.js';
import { type Family, openPair, type Pair } from './pair.js';

const families: Family[] = ['ipv4', 'ipv6'];

describe.each(families)('what leaves a host over %s, as tshark reads it', (family) => {
  let pair: Pair;

  beforeAll(async () => {
    pair = await openPair({ underlay: family });
    // Without the offloads the kernel completes what it otherwise leaves to a card.
    await pair.h1.namespace.run(['ethtool', '-K', 'eth0', 'tx', 'off', 'tx-udp-segmentation', 'off']);
    return () => pair.lab.close();
  });

  it.each([
    ['TCP over IPv4', 'tcp', () => pair.a.iperf(pair.b, '10.42.0.2', '-n', '2M')],
    ['TCP over IPv6', 'tcp', () => pair.a.iperf(pair.b, 'fd42::2', '-n', '2M')],
    ['UDP_SEGMENT over IPv4', 'udp', () => pair.b.sink(9000, 900, 640, () => gsoSend('10.42.0.2'))],
    ['UDP_SEGMENT over IPv6', 'udp', () => pair.b.sink(9000, 900, 640, () => gsoSend('fd42::2'))],
  ])('%s: every header and checksum is right', async (_, protocol, send) => {
    const capture = await Capture.start(pair.h2.namespace, { direction: 'in', filter: 'udp port 4789' });
    await send();
    await until('the segments were captured', () => capture.frames().length >= 640);
    await capture.stop();
    const file = join(pair.lab.dir, `${protocol}.pcap`);
    writeFileSync(file, capture.pcap);
    const frames = async (filter: string) => {
      const checks = ['ip', 'udp', 'tcp'].flatMap((name) => ['-o', `${name}.check_checksum:TRUE`]);
      const output = await run([
        'tshark',
        '-n',
        '-r',
        file,
        ...checks,
        '-Y',
        filter,
        '-T',
        'fields',
        '-e',
        'frame.number',
      ]);
      return output.split('\n').filter(Boolean);
    };
    const bad = ['ip', 'udp', 'tcp'].map((name) => `${name}.checksum.status == 0`).join(' || ');
    const reserved = ['flags_reserved', 'flag_g', 'flag_d', 'flag_a', 'gbp', 'reserved8'];
    const wrong = [
      '!(vxlan.flag_i == 1)',
      'vxlan.vni != 42',
      ...reserved.map((name) => `vxlan.${name} != 0`),
    ].join(' || ');
    expect(await frames(`_ws.malformed || ${bad} || ${wrong}`)).toEqual([]);
    // 0 is bad, 1 good; 2 and 3 mean that there was nothing to see. Of UDP there are two, the outer and the inner one.
    const count = protocol === 'tcp' ? 1 : 2;
    const good = `count(${protocol}.checksum.status) >= ${count} && !(${protocol}.checksum.status > 1)`;
    expect((await frames(good)).length).toBeGreaterThanOrEqual(640);
  });

  const gsoSend = (address: string) => pair.a.gsoSend(address, 9000, 900, 640, 40);
});

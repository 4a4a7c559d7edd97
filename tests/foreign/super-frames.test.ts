import { beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../lab/wait.js';
import { type Bench, families, openBench } from './bench.js';
import { variants } from './peers.js';

/** Where no frame of blue may arrive. */
const red = { vni: 43 };

describe.each(families)('a Linux vxlan device over %s that hands on whole super-frames', (underlay) => {
  let bench: Bench;

  beforeAll(async () => {
    const variant = variants.find((one) => one.make === 'Linux' && one.underlay === underlay);
    if (variant === undefined) throw new Error(`peers.ts has no Linux over ${underlay}`);
    bench = await openBench(variant, { red });
    return () => bench.lab.close();
  });

  it('does not take the payload of a UDP super-frame for VXLAN of another network', async () => {
    const { lab, host, inside, outside } = bench;
    const victim = await lab.guest('victim');
    await host.attach(victim, 'red');
    const size = 1000;
    // Where the kernel's segment size cuts the encapsulated super-frame: behind outer VXLAN, Ethernet, IPv4 and UDP of the first frame.
    const cut = size - (8 + 14 + 20 + 8);
    const vxlanOfRed = `0800000000${red.vni.toString(16).padStart(4, '0')}00`.padStart(16, '0');
    const ethernet = `ffffffffffff${'020000000001'}88b5`;
    const number = 4;
    const forged = `${'00'.repeat(cut - number)}${vxlanOfRed}${ethernet}`;
    const before = await victim.sys('statistics/rx_packets');
    const taken = async () => (await host.status()).frames.received + (await host.dropped('ambiguous_gso'));
    const takenBefore = await taken();
    const [receiver, sender] = [inside[0], outside[0]];
    const result = await receiver.guest.sink(9000, size, 320, () =>
      sender.guest.gsoSend(receiver.ipv4, 9000, size, 320, 32, forged),
    );
    expect(result).toEqual({ received: 320, wrongSize: 0, reordered: 0 });
    await until('weftd has counted the bursts', async () => (await taken()) >= takenBefore + 320);
    expect(await victim.sys('statistics/rx_packets')).toBe(before);
  });
});

import { expect, it } from 'vitest';
import { Lab } from '../../lab/lab.js';
import { until } from '../../lab/wait.js';
import { network } from './bench.js';
import { forAfPacket } from './peers.js';
import { speaksTo } from './speaks-to.js';

speaksTo('ovs4');
speaksTo('ovs4-checksum');
speaksTo('ovs6');

it('known: Open vSwitch by AF_PACKET drops datagrams whose outer checksum weft left to a veth, and counts them as `datapath_drop_tunnel_pop_error`; `checksum: zero, offload: off` for the peer cures it', async () => {
  const lab = await Lab.open();
  try {
    const host = await lab.host('h1');
    const ovs = await lab.ovsHost('o');
    const inside = await lab.guest('a');
    const outside = await lab.guest('x');
    const networks = { blue: network };
    await host.start({ peers: [ovs.ipv4], networks });
    await host.attach(inside, 'blue', { addresses: ['10.42.0.1/24'] });
    await ovs.peer({ vni: network.vni, vtep: host.ipv4 });
    await ovs.attach(outside, Number(await inside.sys('mtu')), ['10.42.0.11/24']);
    const dropped = () => ovs.counted('datapath_drop_tunnel_pop_error');
    await until('vswitchd has dropped a datagram', async () => {
      expect(await inside.ping('10.42.0.11', { count: 1 })).toBe(false);
      return (await dropped()) > 0;
    });
    host.configure({ peers: [{ address: ovs.ipv4, ...forAfPacket }], networks });
    await host.weft('reload');
    await inside.reach('10.42.0.11');
    // vswitchd's threads add up what they have counted once a second, when there is something to do.
    expect(await inside.ping('10.42.0.11', { count: 50 })).toBe(true);
    const before = await dropped();
    expect(await inside.ping('10.42.0.11', { count: 20 })).toBe(true);
    expect(await dropped()).toBe(before);
  } finally {
    await lab.close();
  }
});

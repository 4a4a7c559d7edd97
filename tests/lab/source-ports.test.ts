import { expect, it } from 'vitest';
import { Capture, type Datagram } from '../../lab/capture.js';
import { until } from '../../lab/wait.js';
import { openPair } from './pair.js';

it('sends from as many UDP ports as underlay.source_ports says, once weftd is started with it', async () => {
  const { lab, h1, h2, a, b } = await openPair({ config: { underlay: { source_ports: 1 } } });
  const flows = 200;
  /** VXLAN, Ethernet, IPv4, UDP, and what echo says. */
  const bytes = 8 + 14 + 20 + 8 + 2;
  /** Of the network: control frames have another VNI. */
  const fromA = ({ ip, payload }: Datagram) => ip.source === h1.ipv4 && payload.readUIntBE(4, 3) === 42;
  const portsOf = async () => {
    const capture = await Capture.start(h2.namespace, { direction: 'in', filter: 'udp dst port 4789' });
    // One datagram of each flow: each is sent from another port of the guest.
    await a.namespace.run(['bash', '-c', `for i in $(seq ${flows}); do echo x > /dev/udp/10.42.0.2/7; done`]);
    // A burst of UDP_SEGMENT is one long datagram here.
    const datagrams = await until('every flow arrives', () => {
      const found = capture.datagrams().filter(fromA);
      return found.reduce((sum, { payload }) => sum + payload.length, 0) >= flows * bytes && found;
    });
    await capture.stop();
    return new Set(datagrams.map(({ sourcePort }) => sourcePort)).size;
  };
  try {
    await b.reach('10.42.0.1');
    expect(await portsOf()).toBe(1);
    h1.configure({ peers: [h2.ipv4], networks: { blue: { vni: 42 } }, underlay: { source_ports: 16 } });
    expect(await h1.weft('reload')).toContain(
      'underlay.source_ports changed from 1 to 16: takes effect when weftd is started again',
    );
    expect(await portsOf()).toBe(1);
    await h1.stop();
    await h1.start();
    await a.reach('10.42.0.2');
    const ports = await portsOf();
    expect(ports).toBeGreaterThan(8);
    expect(ports).toBeLessThanOrEqual(16);
    h1.configure({ underlay: { source_ports: 65 } });
    expect((await h1.tryWeft(['reload'])).stderr).toContain(
      'underlay.source_ports: expected a number of source ports, a whole number 1-64; got 65',
    );
  } finally {
    await lab.close();
  }
});

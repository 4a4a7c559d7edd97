import type { Guest } from '../lab/guest.js';
import type { Lab } from '../lab/lab.js';

const VNI = 42;
const CLIENT_ADDRESS = '10.42.0.1';
const SERVER_ADDRESS = '10.42.0.2';

/** What the underlay's 1500 bytes leave inside VXLAN over IPv4. weft finds it by itself. */
const GUEST_MTU = 1450;

/** Two guests on two hosts that reach each other through the system under test. */
export interface Pair {
  /** As in the table's head. */
  readonly name: string;
  readonly client: Guest;
  readonly server: Guest;
  readonly serverAddress: string;
}

/**
 * What people use without weft: on each host a Linux bridge with a vxlan device to the other host and a veth into the guest.
 * All offloads are at the kernel's defaults.
 */
export async function kernelPair(lab: Lab): Promise<Pair> {
  const hosts = [await lab.kernelHost('kernel1'), await lab.kernelHost('kernel2')] as const;
  const client = await lab.guest('kernel-client');
  const server = await lab.guest('kernel-server');
  const plan = [
    { host: hosts[0], other: hosts[1], guest: client, address: CLIENT_ADDRESS },
    { host: hosts[1], other: hosts[0], guest: server, address: SERVER_ADDRESS },
  ];
  for (const { host, other, guest, address } of plan) {
    const segment = { vni: VNI, local: host.ipv4, remote: other.ipv4, mtu: GUEST_MTU };
    await host.segment(segment);
    await host.attach(guest, segment, [`${address}/24`]);
  }
  return { name: 'kernel', client, server, serverAddress: SERVER_ADDRESS };
}

/** On each host a weftd with its defaults, the other host as its peer, and one guest port. */
export async function weftPair(lab: Lab): Promise<Pair> {
  const hosts = [await lab.host('weft1'), await lab.host('weft2')] as const;
  const client = await lab.guest('weft-client');
  const server = await lab.guest('weft-server');
  const plan = [
    { host: hosts[0], other: hosts[1], guest: client, address: CLIENT_ADDRESS },
    { host: hosts[1], other: hosts[0], guest: server, address: SERVER_ADDRESS },
  ];
  for (const { host, other, guest, address } of plan) {
    await host.start({
      underlay: { addresses: [host.ipv4] },
      peers: [other.ipv4],
      networks: { bench: { vni: VNI } },
    });
    await host.attach(guest, 'bench', { addresses: [`${address}/24`] });
  }
  return { name: 'weft', client, server, serverAddress: SERVER_ADDRESS };
}

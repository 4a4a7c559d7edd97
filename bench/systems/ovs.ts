import type { Guest } from '../../lab/guest.js';
import type { Lab } from '../../lab/lab.js';
import type { OvsHost } from '../../lab/ovs-host.js';
import { type GuestPlace, plan, vxlanMtu } from './addresses.js';
import { reached, segment } from './beds.js';
import { once } from './once.js';
import { packageVersion } from './packages.js';
import type { Bed, System } from './system.js';

const VNI = 42;

/**
 * Open vSwitch without its kernel module: the userspace datapath, without DPDK, with a VXLAN port to the other host and guests by veth. The
 * guests have the MTU that the underlay leaves, because Open vSwitch does not fragment, and complete their checksums themselves, because it
 * reads frames as they are; everything else is at its defaults.
 */
export const ovs: System = {
  key: 'ovs',
  title: 'Open vSwitch, userspace',
  layer: 2,
  packages: ['openvswitch-switch', 'ethtool'],
  version: () => packageVersion('openvswitch-switch'),
  open,
};

async function open(lab: Lab): Promise<Bed> {
  const hosts = [await lab.ovsHost('ovs1'), await lab.ovsHost('ovs2')] as const;
  await hosts[0].peer({ vni: VNI, vtep: hosts[1].ipv4 });
  await hosts[1].peer({ vni: VNI, vtep: hosts[0].ipv4 });
  const join = async (name: string, host: OvsHost, place: GuestPlace): Promise<Guest> => {
    const guest = await lab.guest(name);
    await host.attach(guest, vxlanMtu, place.prefixes);
    return guest;
  };
  const client = await join('ovs-client', hosts[0], plan.client);
  const server = await join('ovs-server', hosts[1], plan.server);
  const neighbour = once(async () => ({
    guest: await join('ovs-neighbour', hosts[0], plan.neighbour),
    address: plan.neighbour.ipv4,
  }));
  const serverNeighbour = once(async () => ({
    guest: await join('ovs-server-neighbour', hosts[1], plan.serverNeighbour),
    address: plan.serverNeighbour.ipv4,
  }));
  const bed = segment(client, server, 'eth0', hosts);
  return reached({ ...bed, serverAddress6: plan.server.ipv6, neighbour, serverNeighbour });
}

import { release } from 'node:os';
import type { Lab } from '../../lab/lab.js';
import { plan, vxlanMtu } from './addresses.js';
import { reached } from './beds.js';
import { once } from './once.js';
import type { Bed, System } from './system.js';

const VNI = 42;

/**
 * What people use without weft: on each host a Linux bridge with a vxlan device to the other host and a veth into the guest.
 * All offloads are at the kernel's defaults.
 */
export const kernel: System = {
  key: 'kernel',
  title: 'Linux bridge + VXLAN',
  layer: 2,
  packages: [],
  version: () => Promise.resolve(`Linux ${release()}`),
  open: openKernel,
};

async function openKernel(lab: Lab): Promise<Bed> {
  const hosts = [await lab.kernelHost('kernel1'), await lab.kernelHost('kernel2')] as const;
  const client = await lab.guest('kernel-client');
  const server = await lab.guest('kernel-server');
  const near = { vni: VNI, local: hosts[0].ipv4, remote: hosts[1].ipv4, mtu: vxlanMtu };
  const far = { vni: VNI, local: hosts[1].ipv4, remote: hosts[0].ipv4, mtu: vxlanMtu };
  await hosts[0].segment(near);
  await hosts[1].segment(far);
  await hosts[0].attach(client, near, plan.client.prefixes);
  await hosts[1].attach(server, far, plan.server.prefixes);
  const neighbour = once(async () => {
    const guest = await lab.guest('kernel-neighbour');
    await hosts[0].attach(guest, near, plan.neighbour.prefixes);
    return { guest, address: plan.neighbour.ipv4 };
  });
  const serverNeighbour = once(async () => {
    const guest = await lab.guest('kernel-server-neighbour');
    await hosts[1].attach(guest, far, plan.serverNeighbour.prefixes);
    return { guest, address: plan.serverNeighbour.ipv4 };
  });
  return reached({
    client,
    server,
    serverAddress: plan.server.ipv4,
    serverAddress6: plan.server.ipv6,
    clientAddress: plan.client.ipv4,
    interface: 'eth0',
    daemons: () => [],
    neighbour,
    serverNeighbour,
  });
}

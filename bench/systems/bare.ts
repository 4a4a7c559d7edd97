import { release } from 'node:os';
import { Guest } from '../../lab/guest.js';
import type { Lab } from '../../lab/lab.js';
import { reached } from './beds.js';
import type { Bed, System } from './system.js';

/**
 * The underlay alone, as the ceiling: the guests are the hosts themselves. Their eth0 is a veth on the bridge that all hosts of the lab are
 * on, with the kernel's offloads, so that one super-frame passes from socket to socket.
 */
export const bare: System = {
  key: 'bare',
  title: 'bare underlay',
  layer: 2,
  packages: [],
  version: () => Promise.resolve(`Linux ${release()}`),
  open,
};

async function open(lab: Lab): Promise<Bed> {
  const hosts = [await lab.kernelHost('bare1'), await lab.kernelHost('bare2')] as const;
  return reached({
    client: new Guest(hosts[0].namespace),
    server: new Guest(hosts[1].namespace),
    serverAddress: hosts[1].ipv4,
    serverAddress6: hosts[1].ipv6,
    clientAddress: hosts[0].ipv4,
    interface: 'eth0',
    daemons: () => [],
  });
}

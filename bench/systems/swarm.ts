import { run } from '../../lab/command.js';
import type { DockerHost } from '../../lab/docker-host.js';
import type { Guest } from '../../lab/guest.js';
import type { Lab } from '../../lab/lab.js';
import { reached } from './beds.js';
import { once } from './once.js';
import type { Bed, System } from './system.js';

const NETWORK = 'bench';

/**
 * Docker Swarm's overlay, not encrypted, with its defaults: two engines, one the manager, and containers on an attachable network. Frames are
 * carried by the kernel's bridge and VXLAN, and the MTU is 1450. Overlays of Debian 12's Docker have no IPv6.
 */
export const swarm: System = {
  key: 'swarm',
  title: 'Docker Swarm overlay',
  layer: 2,
  packages: ['docker.io', 'iptables', 'tini', 'busybox-static'],
  version,
  open,
};

/** Such as `Docker 20.10.24+dfsg1`, whoever has built it. */
async function version(): Promise<string> {
  return `Docker ${/version ([^ ,]+)/.exec(await run(['dockerd', '--version']))?.[1]}`;
}

interface Member {
  guest: Guest;
  address: string;
}

async function open(lab: Lab): Promise<Bed> {
  const hosts = [await lab.dockerHost('swarm1'), await lab.dockerHost('swarm2')] as const;
  const [manager, worker] = hosts;
  await Promise.all(hosts.map((host) => host.startDockerd()));
  await manager.docker('swarm', 'init', '--advertise-addr', manager.ipv4);
  const token = await manager.docker('swarm', 'join-token', '--quiet', 'worker');
  const advertise = ['--advertise-addr', worker.ipv4];
  await worker.docker('swarm', 'join', '--token', token, ...advertise, `${manager.ipv4}:2377`);
  const subnet = ['--subnet', '10.42.0.0/24'];
  await manager.docker('network', 'create', '--driver', 'overlay', '--attachable', ...subnet, NETWORK);
  const client = await join(lab, manager, 'swarm-client');
  const server = await join(lab, worker, 'swarm-server');
  return reached({
    client: client.guest,
    server: server.guest,
    serverAddress: server.address,
    serverAddress6: null,
    clientAddress: client.address,
    interface: 'eth0',
    daemons: () => hosts.map(({ dockerdPid }) => dockerdPid),
    neighbour: once(() => join(lab, manager, 'swarm-neighbour')),
    serverNeighbour: once(() => join(lab, worker, 'swarm-server-neighbour')),
  });
}

/** Runs a container on the network; Docker chooses its address. */
async function join(lab: Lab, host: DockerHost, name: string): Promise<Member> {
  const container = await host.run(name, '--network', NETWORK);
  return {
    guest: await lab.container(name, container),
    address: (await container.attachment(NETWORK)).ipv4,
  };
}

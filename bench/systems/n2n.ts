import type { Guest } from '../../lab/guest.js';
import type { Lab } from '../../lab/lab.js';
import { type GuestPlace, plan } from './addresses.js';
import { reached, segment, twoHosts } from './beds.js';
import type { Daemon, DaemonHost } from './daemon-host.js';
import { packageVersion } from './packages.js';
import type { Bed, System } from './system.js';

const TAP = 'tap0';
const SUPERNODE_PORT = 7654;

/**
 * n2n with its defaults: Twofish, which Debian's release cannot do without, and an MTU of 1400. The supernode is on the server's host. An edge
 * knows other edges by the MAC of their TAP, so a bridge behind one would make it send everything by the supernode: the TAPs are moved into
 * the guests instead.
 */
export const n2n: System = {
  key: 'n2n',
  title: 'n2n',
  layer: 2,
  packages: ['n2n'],
  version: () => packageVersion('n2n'),
  open,
};

async function open(lab: Lab): Promise<Bed> {
  const hosts = await twoHosts(lab, 'n2n');
  const [client, server] = hosts;
  const supernode = server.start('supernode', ['supernode', '-l', `${SUPERNODE_PORT}`]);
  const listening = ['ss', '-Hlnu', 'sport', '=', `:${SUPERNODE_PORT}`];
  await supernode.ready('listens', async () => (await server.namespace.run(listening)) !== '');
  const guests = [await lab.guest('n2n-client'), await lab.guest('n2n-server')] as const;
  const edges = [
    await start(client, guests[0], plan.client, server),
    await start(server, guests[1], plan.server, server),
  ];
  const bed = await reached({ ...segment(...guests, TAP, hosts), serverAddress6: plan.server.ipv6 });
  const direct = 'Operational peers list size=1';
  for (const edge of edges) await edge.ready('knows the other edge', () => edge.log().includes(direct));
  return bed;
}

/** Starts an edge and moves its TAP into the guest, where it needs its addresses again. */
async function start(
  host: DaemonHost,
  guest: Guest,
  place: GuestPlace,
  supernode: DaemonHost,
): Promise<Daemon> {
  const segmentOf = ['-a', place.ipv4, '-s', '255.255.255.0', '-c', 'bench', '-k', 'secret'];
  const argv = ['edge', '-d', TAP, ...segmentOf, '-l', `${supernode.ipv4}:${SUPERNODE_PORT}`];
  const edge = host.start('edge', argv);
  await edge.ready('registers', () => edge.log().includes('Received REGISTER_ACK'));
  await host.namespace.ip('link', 'set', TAP, 'netns', guest.name);
  for (const prefix of place.prefixes) await guest.namespace.ip('address', 'add', prefix, 'dev', TAP);
  await guest.namespace.ip('link', 'set', TAP, 'up');
  return edge;
}

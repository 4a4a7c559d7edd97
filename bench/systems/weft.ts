import { readVersion } from '../../daemon/version.js';
import type { Lab } from '../../lab/lab.js';
import { plan } from './addresses.js';
import { once } from './once.js';
import type { Bed, System } from './system.js';

const VNI = 42;
const NETWORK = 'bench';

/** On each host a weftd with its defaults, the other host as its peer, and one guest port. */
export const weft: System = {
  key: 'weft',
  title: 'weft',
  layer: 2,
  packages: [],
  version: () => Promise.resolve(`weft ${readVersion()}`),
  open: openWeft,
};

async function openWeft(lab: Lab): Promise<Bed> {
  const hosts = [await lab.host('weft1'), await lab.host('weft2')] as const;
  const client = await lab.guest('weft-client');
  const server = await lab.guest('weft-server');
  const ends = [
    { host: hosts[0], other: hosts[1], guest: client, place: plan.client },
    { host: hosts[1], other: hosts[0], guest: server, place: plan.server },
  ];
  for (const { host, other, guest, place } of ends) {
    await host.start({
      underlay: { addresses: [host.ipv4] },
      peers: [other.ipv4],
      networks: { [NETWORK]: { vni: VNI } },
    });
    await host.attach(guest, NETWORK, { addresses: place.prefixes });
  }
  const neighbour = once(async () => {
    const guest = await lab.guest('weft-neighbour');
    await hosts[0].attach(guest, NETWORK, { addresses: plan.neighbour.prefixes });
    return { guest, address: plan.neighbour.ipv4 };
  });
  const serverNeighbour = once(async () => {
    const guest = await lab.guest('weft-server-neighbour');
    await hosts[1].attach(guest, NETWORK, { addresses: plan.serverNeighbour.prefixes });
    return { guest, address: plan.serverNeighbour.ipv4 };
  });
  return {
    client,
    server,
    serverAddress: plan.server.ipv4,
    serverAddress6: plan.server.ipv6,
    clientAddress: plan.client.ipv4,
    interface: 'eth0',
    daemons: () => hosts.map(({ pid }) => pid),
    neighbour,
    serverNeighbour,
  };
}

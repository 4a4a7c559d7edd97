/** The tests of one mesh of peers.ts: three hosts of different make, a guest on each, and one that roams. */
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Guest } from '../../lab/guest.js';
import type { KernelHost } from '../../lab/kernel-host.js';
import { Lab } from '../../lab/lab.js';
import { until } from '../../lab/wait.js';
import { expectInvariants } from '../lab/invariants.js';
import type { Family } from '../lab/pair.js';
import { addressesOf, network, nobodySilent, type Party, party, routeGroups, silent } from './bench.js';
import { onceEach } from './once-each.js';
import { forAfPacket, type Make, type Mesh, type MeshBehaviour, meshBehaviours, meshes } from './peers.js';

/** A host of the mesh. */
interface Site {
  make: Mesh['makes'][number];
  ipv4: string;
  ipv6: string;
  /** Makes its segment, whose MTU is the same everywhere. */
  connect(others: readonly Site[], mtu: number): Promise<void>;
  /** Gives a guest an eth0, and what takes it away again. */
  plug(guest: Guest, addresses: string[], mac: string): Promise<() => Promise<unknown>>;
}

interface OpenMesh {
  lab: Lab;
  sites: readonly Site[];
  /** One on each site, in their order: 10.42.0.1 to 10.42.0.3. */
  residents: readonly Party[];
  /** 10.42.0.4, on the first site. */
  roamer: Party;
  /** Takes the roamer from where he is to another site. */
  move(site: Site): Promise<void>;
}

/** Where nobody is: everybody has it in his neighbour table. */
const nobody = { ipv4: '10.42.0.99', mac: '02:42:00:00:00:99' };
const overhead = { ipv4: 50, ipv6: 70 };

const checks: Record<MeshBehaviour, (mesh: OpenMesh) => Promise<void>> = {
  reach: async ({ residents, roamer }) => expect(await silent([...residents, roamer])).toEqual([]),

  once: async ({ residents, roamer }) => {
    const all = [...residents, roamer];
    await onceEach(all, () => '10.42.0.255');
    await onceEach(all, () => '239.1.2.3');
    await onceEach(all, ({ ifname }) => `ff02::4242%${ifname}`);
    await onceEach(all, () => nobody.ipv4);
  },

  move: async ({ sites, residents, roamer, move }) => {
    const [home, ...abroad] = sites as [Site, ...Site[]];
    const all = [...residents, roamer];
    for (const site of [...abroad, home]) {
      await move(site);
      await until('everybody reaches everybody', () => nobodySilent(all), 30);
    }
    expect(await silent(all)).toEqual([]);
  },
};

/** Makes the tests of a mesh of peers.ts. */
export function meshOf(id: string): void {
  const mesh = meshes.find((one) => one.id === id);
  if (mesh === undefined) throw new Error(`peers.ts has no mesh ${id}`);

  describe(`${mesh.makes.join(', ')} over ${mesh.underlay} (${id})`, () => {
    let open: OpenMesh;

    beforeAll(async () => {
      open = await openMesh(mesh);
      return () => open.lab.close();
    });

    for (const [behaviour, title] of Object.entries(meshBehaviours) as [MeshBehaviour, string][]) {
      it(title, () => checks[behaviour](open));
    }

    // For a while, a frame for a guest who has moved may come from where he is thought to be.
    const drops = ['same_port', 'split_horizon'];
    afterEach(() => expectInvariants(open.lab, { drops, otherMacs: true, unequalEnds: true }));
  });
}

async function openMesh({ makes, underlay }: Mesh): Promise<OpenMesh> {
  const lab = await Lab.open();
  try {
    const mtu = 1500 - overhead[underlay];
    const sites: Site[] = [];
    for (const [index, make] of makes.entries()) {
      sites.push(await siteMakers[make](lab, `h${index + 1}`, underlay, makes));
    }
    for (const site of sites) {
      await site.connect(
        sites.filter((other) => other !== site),
        mtu,
      );
    }
    const enter = async (site: Site, one: Party, number: number) => {
      const leave = await site.plug(one.guest, addressesOf(one), `02:42:00:00:00:0${number}`);
      await routeGroups(one);
      const neighbour = ['neigh', 'replace', nobody.ipv4, 'lladdr', nobody.mac, 'dev', one.ifname];
      await one.guest.namespace.ip(...neighbour, 'nud', 'permanent');
      return leave;
    };
    const residents: Party[] = [];
    for (const [index, site] of sites.entries()) {
      const one = party(await lab.guest(`g${index + 1}`), index + 1);
      await enter(site, one, index + 1);
      residents.push(one);
    }
    const roamer = party(await lab.guest('roamer'), 4);
    let leave = await enter(sites[0] as Site, roamer, 4);
    await until('everybody reaches everybody', () => nobodySilent([...residents, roamer]), 30);
    const move = async (site: Site) => {
      await leave();
      leave = await enter(site, roamer, 4);
    };
    return { lab, sites, residents, roamer, move };
  } catch (error) {
    await lab.close();
    throw error;
  }
}

type SiteMaker = (lab: Lab, name: string, underlay: Family, makes: Mesh['makes']) => Promise<Site>;

const siteMakers: Record<'weft' | Make, SiteMaker> = {
  weft: async (lab, name, underlay) => {
    const host = await lab.host(name);
    return {
      make: 'weft',
      ipv4: host.ipv4,
      ipv6: host.ipv6,
      connect: async (others) => {
        const peers = others.map((other) => ({
          address: other[underlay],
          ...(other.make === 'Open vSwitch' ? forAfPacket : {}),
        }));
        await host.start({ peers, networks: { blue: network } });
      },
      plug: async (guest, addresses, mac) => {
        const { id } = await host.attach(guest, 'blue', { addresses, mac });
        return () => host.weft('port', 'rm', id);
      },
    };
  },

  Linux: async (lab, name, underlay, makes) => {
    const kernel = await lab.kernelHost(name);
    // Otherwise checksums stay unfinished on veth, and Open vSwitch, reading by AF_PACKET, drops them.
    if (makes.includes('Open vSwitch')) await kernel.offloads('tx', 'off');
    return deviceSite('Linux', kernel, underlay);
  },

  FRR: async (lab, name, underlay) => {
    const frr = await lab.frrHost(name);
    const site = deviceSite('FRR', frr, underlay);
    return {
      ...site,
      connect: async (others, mtu) => {
        await site.connect(others, mtu);
        await frr.start(others.filter(({ make }) => make === 'FRR').map(({ ipv4 }) => ipv4));
      },
    };
  },

  'Open vSwitch': async (lab, name, underlay) => {
    const ovs = await lab.ovsHost(name);
    let mtu = 0;
    return {
      make: 'Open vSwitch',
      ipv4: ovs.ipv4,
      ipv6: ovs.ipv6,
      connect: async (others, ofSegment) => {
        mtu = ofSegment;
        for (const other of others) await ovs.peer({ vni: network.vni, vtep: other[underlay] });
      },
      plug: async (guest, addresses, mac) => {
        const veth = await ovs.attach(guest, mtu, addresses, mac);
        return () => ovs.detach(veth);
      },
    };
  },
};

/** A vxlan device that learns. Hosts with FRR hear of each other by EVPN, and are told of the others. */
function deviceSite(make: 'Linux' | 'FRR', kernel: KernelHost, underlay: Family): Site {
  let mtu = 0;
  const segment = () => ({ vni: network.vni, local: kernel[underlay], mtu });
  return {
    make,
    ipv4: kernel.ipv4,
    ipv6: kernel.ipv6,
    connect: async (others, ofSegment) => {
      mtu = ofSegment;
      await kernel.segment(segment());
      for (const other of others) {
        if (make !== 'FRR' || other.make !== 'FRR') await kernel.flood(segment(), other[underlay]);
      }
    },
    plug: async (guest, addresses, mac) => {
      const veth = await kernel.attach(guest, segment(), addresses, mac);
      return () => kernel.namespace.ip('link', 'del', veth);
    },
  };
}

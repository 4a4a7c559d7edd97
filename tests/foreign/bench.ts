/** One weft host and one foreign host, peers of each other, with two guests each. */
import { Guest } from '../../lab/guest.js';
import type { Host } from '../../lab/host.js';
import type { KernelHost, KernelSegment } from '../../lab/kernel-host.js';
import { Lab } from '../../lab/lab.js';
import type { Namespace } from '../../lab/namespace.js';
import type { Family } from '../lab/pair.js';
import type { Variant } from './peers.js';

export const families: readonly Family[] = ['ipv4', 'ipv6'];

export const network = { vni: 42, subnets: ['10.42.0.0/24', 'fd42::/64'] };

/** Somebody on the network. */
export interface Party {
  guest: Guest;
  ifname: string;
  ipv4: string;
  ipv6: string;
}

interface BenchParts {
  variant: Variant;
  lab: Lab;
  host: Host;
  /** Where the foreign VTEP runs. */
  foreign: Namespace;
  /** Behind weft: 10.42.0.1 and 10.42.0.2. */
  inside: [Party, Party];
  /** Behind the foreign peer: 10.42.0.11 and 10.42.0.12. */
  outside: [Party, Party];
  /** Bytes of IP on the network. */
  mtu: number;
}

export interface Bench extends BenchParts {
  /** Wrong checksums that anybody has counted since everybody reached everybody. */
  wrongChecksums(): Promise<number>;
}

export const everybody = ({ inside, outside }: Pick<BenchParts, 'inside' | 'outside'>) => [
  ...inside,
  ...outside,
];

export const party = (guest: Guest, number: number, ifname = 'eth0'): Party => ({
  guest,
  ifname,
  ipv4: `10.42.0.${number}`,
  ipv6: `fd42::${number.toString(16)}`,
});

export const addressesOf = ({ ipv4, ipv6 }: Pick<Party, 'ipv4' | 'ipv6'>) => [`${ipv4}/24`, `${ipv6}/64`];

/** Resolves when everybody has reached everybody. `networks` are further ones, on the weft host only. */
export async function openBench(variant: Variant, networks: Record<string, unknown> = {}): Promise<Bench> {
  const lab = await Lab.open({ underlayMtu: variant.underlayMtu ?? 1500 });
  try {
    const host = await lab.host('h1');
    const foreign = await foreignHost(lab, variant);
    const inside = [party(await lab.guest('a'), 1), party(await lab.guest('b'), 2)] as const;
    const { port, peer, underlay } = variant;
    const address = foreign[underlay];
    await host.start({
      peers: [{ address, ...(port === undefined ? {} : { port }), ...peer }],
      networks: { blue: network, ...networks },
    });
    for (const one of inside) await host.attach(one.guest, 'blue', { addresses: addressesOf(one) });
    const mtu = Number(await inside[0].guest.sys('mtu'));
    const outside = await foreign.populate(host, mtu, [...inside]);
    const bench: BenchParts = {
      ...{ variant, lab, host, mtu, outside },
      foreign: foreign.namespace,
      inside: [...inside],
    };
    for (const one of everybody(bench)) await routeGroups(one);
    for (const from of inside) {
      for (const to of outside) {
        await from.guest.reach(to.ipv4, 30);
        await to.guest.reach(from.ipv6, 30);
      }
    }
    // A kernel without a VXLAN socket yet takes datagrams of IPv6 without a checksum for wrong ones.
    const before = await wrongChecksums(bench);
    return { ...bench, wrongChecksums: async () => (await wrongChecksums(bench)) - before };
  } catch (error) {
    await lab.close();
    throw error;
  }
}

/** Lets somebody send to IPv4 groups. */
export async function routeGroups({ guest, ifname }: Party): Promise<void> {
  await guest.namespace.ip('route', 'add', '239.0.0.0/8', 'dev', ifname);
}

async function wrongChecksums(bench: BenchParts): Promise<number> {
  const guests = [
    ...everybody(bench).map(({ guest }) => guest),
    ...[bench.host.namespace, bench.foreign].map((one) => new Guest(one)),
  ];
  const counts = await Promise.all(guests.map((guest) => guest.counter('InCsumErrors')));
  return counts.reduce((sum, one) => sum + one, 0);
}

interface ForeignHost {
  namespace: Namespace;
  ipv4: string;
  ipv6: string;
  /** Makes the segment and the guests of it. */
  populate(host: Host, mtu: number, inside: readonly Party[]): Promise<[Party, Party]>;
}

async function foreignHost(lab: Lab, variant: Variant): Promise<ForeignHost> {
  return variant.make === 'Open vSwitch' ? ovs(lab, variant) : device(lab, variant);
}

async function device(lab: Lab, { make, underlay, port, device = {} }: Variant): Promise<ForeignHost> {
  const { options = [], offloads = [], fdb = 'point-to-point' } = device;
  const frr = make === 'FRR' ? await lab.frrHost('f1') : undefined;
  const kernel = frr ?? (await lab.kernelHost('k'));
  const second = frr && (await lab.frrHost('f2'));
  if (offloads.length > 0) await kernel.offloads(...offloads);
  const segmentOf = (local: KernelHost, host: Host, mtu: number): KernelSegment => ({
    ...{ vni: network.vni, local: local[underlay], mtu, ...(port === undefined ? {} : { port }) },
    ...(fdb === 'point-to-point' ? { remote: host[underlay] } : {}),
    options: [...options, ...(fdb === 'static' ? ['nolearning'] : [])],
  });
  return {
    namespace: kernel.namespace,
    ipv4: kernel.ipv4,
    ipv6: kernel.ipv6,
    populate: async (host, mtu, inside) => {
      const segment = segmentOf(kernel, host, mtu);
      await kernel.segment(segment);
      if (fdb !== 'point-to-point') await kernel.flood(segment, host[underlay]);
      if (fdb === 'static') {
        for (const { guest } of inside) {
          await kernel.declare(segment, await guest.sys('address'), host[underlay]);
        }
      }
      if (frr !== undefined && second !== undefined) {
        const there = segmentOf(second, host, mtu);
        await second.segment(there);
        await frr.start([second.ipv4]);
        await second.start([frr.ipv4]);
        await frr.learned(segment, second.ipv4, []);
      }
      const outside: [Party, Party] = [party(await lab.guest('x'), 11), party(await lab.guest('y'), 12)];
      for (const one of outside) await kernel.attach(one.guest, segment, addressesOf(one));
      return outside;
    },
  };
}

async function ovs(lab: Lab, { underlay, port, checksum }: Variant): Promise<ForeignHost> {
  const host = await lab.ovsHost('o');
  return {
    namespace: host.namespace,
    ipv4: host.ipv4,
    ipv6: host.ipv6,
    populate: async (weft, mtu) => {
      await host.peer({
        ...{ vni: network.vni, vtep: weft[underlay] },
        ...(port === undefined ? {} : { port }),
        ...(checksum === undefined ? {} : { checksum }),
      });
      const byVeth = party(await lab.guest('x'), 11);
      await host.attach(byVeth.guest, mtu, addressesOf(byVeth));
      const byTap = party(new Guest(host.namespace), 12, 'tap0');
      await host.tap(byTap.ifname, mtu, addressesOf(byTap));
      return [byVeth, byTap];
    },
  };
}

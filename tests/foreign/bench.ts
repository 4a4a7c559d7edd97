/** One weft host and one foreign host, peers of each other, with two guests each. */
import { expect } from 'vitest';
import { maxMtu, overhead } from '../../daemon/model/mtu.js';
import { Guest } from '../../lab/guest.js';
import type { Host } from '../../lab/host.js';
import type { KernelHost, KernelSegment } from '../../lab/kernel-host.js';
import { Lab } from '../../lab/lab.js';
import { until } from '../../lab/wait.js';
import type { Family } from '../lab/pair.js';
import type { Variant } from './peers.js';

export const families: readonly Family[] = ['ipv4', 'ipv6'];

export const network = { vni: 42, subnets: ['10.42.0.0/24', 'fd42::/64'] };

/** Of the guests behind weft. */
const insideMacs = ['02:42:00:00:00:01', '02:42:00:00:00:02'] as const;

/** Of a guest of the second FRR host, which weft does not know. */
const macBeyond = '02:42:00:00:00:03';

/** Somebody on the network. */
export interface Party {
  guest: Guest;
  ifname: string;
  ipv4: string;
  ipv6: string;
}

export interface Bench {
  variant: Variant;
  lab: Lab;
  host: Host;
  /** Behind weft: 10.42.0.1 and 10.42.0.2. */
  inside: [Party, Party];
  /** Behind the foreign peer: 10.42.0.11 and 10.42.0.12. */
  outside: [Party, Party];
  /** Bytes of IP on the network. */
  mtu: number;
}

export const everybody = ({ inside, outside }: Pick<Bench, 'inside' | 'outside'>) => [...inside, ...outside];

export const party = (guest: Guest, number: number, ifname = 'eth0'): Party => ({
  guest,
  ifname,
  ipv4: `10.42.0.${number}`,
  ipv6: `fd42::${number.toString(16)}`,
});

export const addressesOf = ({ ipv4, ipv6 }: Pick<Party, 'ipv4' | 'ipv6'>) => [`${ipv4}/24`, `${ipv6}/64`];

/** Resolves when everybody has reached everybody. `networks` are further ones, on the weft host only. */
export async function openBench(variant: Variant, networks: Record<string, unknown> = {}): Promise<Bench> {
  const { underlay, port } = variant;
  const lab = await Lab.open({ underlayMtu: variant.underlayMtu ?? 1500 });
  try {
    const host = await lab.host('h1');
    const foreign = await foreignHost(lab, variant);
    const inside: [Party, Party] = [party(await lab.guest('a'), 1), party(await lab.guest('b'), 2)];
    const mtu = Math.min(maxMtu, (variant.underlayMtu ?? 1500) - overhead(host[underlay]));
    // First the peer, and guests last, so that nothing is sent to a VTEP that is not there yet.
    await foreign.connect(host, mtu);
    const peer = { address: foreign[underlay], ...(port === undefined ? {} : { port }), ...variant.peer };
    await host.start({ peers: [peer], networks: { blue: network, ...networks } });
    const enter = (one: Party, mac: string) =>
      host.attach(one.guest, 'blue', { addresses: addressesOf(one), mac });
    await enter(inside[0], insideMacs[0]);
    await enter(inside[1], insideMacs[1]);
    for (const { guest } of inside) expect(Number(await guest.sys('mtu'))).toBe(mtu);
    const outside = await foreign.guests(mtu);
    const bench: Bench = { variant, lab, host, inside, outside, mtu };
    for (const one of everybody(bench)) await routeGroups(one);
    await until('everybody reaches everybody', () => nobodySilent(everybody(bench)), 30);
    return bench;
  } catch (error) {
    await lab.close();
    throw error;
  }
}

/** Pings everybody from everybody, by IPv4 and IPv6, once, and gives what was not answered. */
export async function silent(all: readonly Party[]): Promise<string[]> {
  const script = 'for a; do ping -q -n -c1 -W3 "$a" >/dev/null || echo "$a"; done';
  const from = async (one: Party) => {
    const targets = all.filter((other) => other !== one).flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]);
    const output = await one.guest.namespace.run(['sh', '-c', script, 'sh', ...targets]);
    return output.split('\n').flatMap((to) => (to === '' ? [] : `${one.ipv4} to ${to}`));
  };
  return (await Promise.all(all.map(from))).flat();
}

export const nobodySilent = async (all: readonly Party[]) => (await silent(all)).length === 0;

/** Lets somebody send to IPv4 groups. */
export async function routeGroups({ guest, ifname }: Party): Promise<void> {
  await guest.namespace.ip('route', 'add', '239.0.0.0/8', 'dev', ifname);
}

interface ForeignHost {
  ipv4: string;
  ipv6: string;
  /** Makes the segment, with weft as its peer. */
  connect(host: Host, mtu: number): Promise<void>;
  guests(mtu: number): Promise<[Party, Party]>;
}

async function foreignHost(lab: Lab, variant: Variant): Promise<ForeignHost> {
  return variant.make === 'Open vSwitch' ? ovs(lab, variant) : device(lab, variant);
}

async function device(lab: Lab, { make, underlay, port, device = {} }: Variant): Promise<ForeignHost> {
  const { options = [], offloads = [], fdb = 'point-to-point' } = device;
  const frr = make === 'FRR' ? await lab.frrHost('f1') : undefined;
  const kernel = frr ?? (await lab.kernelHost('k'));
  const segmentOf = (local: KernelHost, mtu: number): KernelSegment => ({
    ...{ vni: network.vni, local: local[underlay], mtu, ...(port === undefined ? {} : { port }) },
    options: [...options, ...(fdb === 'static' ? ['nolearning'] : [])],
  });
  return {
    ipv4: kernel.ipv4,
    ipv6: kernel.ipv6,
    connect: async (host, mtu) => {
      const remote = host[underlay];
      const segment = segmentOf(kernel, mtu);
      await kernel.offloads(...offloads);
      await kernel.segment(fdb === 'point-to-point' ? { ...segment, remote } : segment);
      if (fdb !== 'point-to-point') await kernel.flood(segment, remote);
      if (fdb === 'static') for (const mac of insideMacs) await kernel.declare(segment, mac, remote);
      if (frr === undefined) return;
      const second = await lab.frrHost('f2');
      await second.segment(segmentOf(second, mtu));
      await frr.start([second.ipv4]);
      await second.start([frr.ipv4]);
      // FRR's part of it: the device learns nothing itself, so only EVPN can say where this one is.
      const beyond = await lab.guest('beyond');
      await second.attach(beyond, segmentOf(second, mtu), [], macBeyond);
      await frr.learned(segment, second.ipv4, [macBeyond]);
    },
    guests: async (mtu) => {
      const outside: [Party, Party] = [party(await lab.guest('x'), 11), party(await lab.guest('y'), 12)];
      for (const one of outside) await kernel.attach(one.guest, segmentOf(kernel, mtu), addressesOf(one));
      return outside;
    },
  };
}

async function ovs(lab: Lab, { underlay, port, checksum }: Variant): Promise<ForeignHost> {
  const host = await lab.ovsHost('o');
  return {
    ipv4: host.ipv4,
    ipv6: host.ipv6,
    connect: (weft) =>
      host.peer({
        ...{ vni: network.vni, vtep: weft[underlay] },
        ...(port === undefined ? {} : { port }),
        ...(checksum === undefined ? {} : { checksum }),
      }),
    guests: async (mtu) => {
      const byVeth = party(await lab.guest('x'), 11);
      await host.attach(byVeth.guest, mtu, addressesOf(byVeth));
      const byTap = party(new Guest(host.namespace), 12, 'tap0');
      await host.tap(byTap.ifname, mtu, addressesOf(byTap));
      return [byVeth, byTap];
    },
  };
}

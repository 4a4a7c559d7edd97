/** Two hosts with a router between them: h1 and the router are on the underlay, and a link of its own leads from the router to h2. */
import type { Guest } from '../../lab/guest.js';
import type { Host } from '../../lab/host.js';
import type { KernelHost } from '../../lab/kernel-host.js';
import { Lab } from '../../lab/lab.js';
import type { Family } from './pair.js';

/** What the underlay may be, with the bytes of IP that VXLAN takes of it. */
export const families: readonly [Family, number][] = [
  ['ipv4', 50],
  ['ipv6', 70],
];

/** Bytes of IP that fit the underlay, and the link while nothing else is said. */
export const wide = 1500;

export interface Routed {
  lab: Lab;
  h1: Host;
  h2: Host;
  router: KernelHost;
  a: Guest;
  b: Guest;
  /** The address of h2. */
  far: string;
  /** Sets the MTU of the link between the router and h2. */
  setLink: (bytes: number) => Promise<void>;
  /** Starts weftd on both hosts, each with the other as its peer. */
  start: (config: Record<string, unknown>) => Promise<void>;
}

const links = {
  ipv4: { router: '10.78.0.1', host: '10.78.0.2', prefix: 24 },
  ipv6: { router: 'fd78::1', host: 'fd78::2', prefix: 64 },
};

/** Resolves when the hosts have routes to each other. The guests are on no network yet. */
export async function openRouted(family: Family): Promise<Routed> {
  const link = links[family];
  const lab = await Lab.open({ underlayMtu: wide });
  try {
    const h1 = await lab.host('h1');
    const h2 = await lab.host('h2');
    const router = await lab.kernelHost('router');
    const a = await lab.guest('a');
    const b = await lab.guest('b');
    const setLink = async (bytes: number) => {
      for (const { namespace } of [router, h2])
        await namespace.ip('link', 'set', 'far', 'mtu', `${bytes}`, 'up');
    };
    const forwarding = ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'];
    await router.namespace.run(['sysctl', '-qw', ...forwarding]);
    const peer = ['peer', 'name', 'far', 'netns', h2.namespace.name];
    await router.namespace.ip('link', 'add', 'far', 'type', 'veth', ...peer);
    await setLink(wide);
    const nodad = family === 'ipv6' ? ['nodad'] : [];
    const address = ({ namespace }: Host | KernelHost, own: string) =>
      namespace.ip('address', 'add', `${own}/${link.prefix}`, 'dev', 'far', ...nodad);
    await address(router, link.router);
    await address(h2, link.host);
    await h1.namespace.ip('route', 'add', link.host, 'via', router[family]);
    await h2.namespace.ip('route', 'add', h1[family], 'via', link.router);
    const start = async (config: Record<string, unknown>) => {
      await h1.start({ peers: [link.host], ...config });
      await h2.start({ peers: [h1[family]], underlay: { addresses: [link.host] }, ...config });
    };
    return { lab, h1, h2, router, a, b, far: link.host, setLink, start };
  } catch (error) {
    await lab.close();
    throw error;
  }
}

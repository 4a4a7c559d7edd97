/** A router between the hosts whose far link is narrow: only it knows, and tells the host that sends. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { Guest } from '../../lab/guest.js';
import type { Host } from '../../lab/host.js';
import type { KernelHost } from '../../lab/kernel-host.js';
import { Lab } from '../../lab/lab.js';
import { until } from '../../lab/wait.js';
import { type Family, networks } from './pair.js';

const families: [Family, number, { router: string; host: string; prefix: number }][] = [
  ['ipv4', 50, { router: '10.78.0.1', host: '10.78.0.2', prefix: 24 }],
  ['ipv6', 70, { router: 'fd78::1', host: 'fd78::2', prefix: 64 }],
];

const wide = 1500;
const narrow = 1400;
/** Of IP in the guests: more than fits the narrow link in either family. */
const mtu = 1430;

describe.each(families)('a router on an underlay of %s', (family, overhead, link) => {
  let lab: Lab;
  let h1: Host;
  let h2: Host;
  let router: KernelHost;
  let a: Guest;
  let b: Guest;

  /** The link between the router and h2. */
  const setLink = async (bytes: number) => {
    for (const { namespace } of [router, h2])
      await namespace.ip('link', 'set', 'far', 'mtu', `${bytes}`, 'up');
  };
  const seenPath = (bytes: number) =>
    until(`h1 sees a path of ${bytes}`, async () => (await h1.peers())[0]?.pathMtu === bytes);
  const flush = async ({ namespace }: Host | Guest) => {
    for (const version of ['-4', '-6']) await namespace.ip(version, 'route', 'flush', 'cache');
  };

  beforeAll(async () => {
    lab = await Lab.open({ underlayMtu: wide });
    h1 = await lab.host('h1');
    h2 = await lab.host('h2');
    router = await lab.kernelHost('router');
    a = await lab.guest('a');
    b = await lab.guest('b');
    await router.namespace.run(['sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1']);
    const far = ['peer', 'name', 'far', 'netns', h2.namespace.name];
    await router.namespace.ip('link', 'add', 'far', 'type', 'veth', ...far);
    await setLink(narrow);
    const nodad = family === 'ipv6' ? ['nodad'] : [];
    const address = async ({ namespace }: Host | KernelHost, own: string) =>
      namespace.ip('address', 'add', `${own}/${link.prefix}`, 'dev', 'far', ...nodad);
    await address(router, link.router);
    await address(h2, link.host);
    await h1.namespace.ip('route', 'add', link.host, 'via', router[family]);
    await h2.namespace.ip('route', 'add', h1[family], 'via', link.router);

    const config = { networks: { blue: { ...networks.blue, mtu } } };
    await h1.start({ peers: [link.host], ...config });
    await h2.start({ peers: [h1[family]], underlay: { addresses: [link.host] }, ...config });
    await h1.attach(a, 'blue', { addresses: ['10.42.0.1/24', 'fd42::1/64'] });
    await h2.attach(b, 'blue', { addresses: ['10.42.0.2/24', 'fd42::2/64'] });
    await a.reach('10.42.0.2');
    await a.reach('fd42::2');
    return () => lab.close();
  });

  it('tells the host what fits, which tells its guests, and TCP goes on', async () => {
    // What makes the router speak is whatever fills the path first: this, or a burst of the offload check.
    expect((await a.iperf(b, '10.42.0.2', '-n', '20M')).gbitPerSecond).toBeGreaterThan(0);
    await seenPath(narrow);
    expect((await a.iperf(b, 'fd42::2', '-n', '20M')).gbitPerSecond).toBeGreaterThan(0);
    for (const target of ['10.42.0.2', 'fd42::2'])
      expect(await a.namespace.ip('route', 'get', target)).toContain(`mtu ${narrow - overhead}`);
    expect((await h1.status()).pathMtu.answered).toBeGreaterThan(0);
    expect((await a.counter('InCsumErrors')) + (await b.counter('InCsumErrors'))).toBe(0);
  });

  it('is followed when its link widens, once the kernel has forgotten what it said', async () => {
    const full = () => a.ping('10.42.0.2', { count: 1, size: mtu - 28 });
    await flush(a);
    expect(await full()).toBe(false);
    await setLink(wide);
    await flush(h1);
    await seenPath(wide);
    await flush(a);
    expect(await full()).toBe(true);
    await seenPath(wide);
  });
});

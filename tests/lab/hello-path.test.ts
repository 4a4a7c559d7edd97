/** A router between the hosts whose far link is narrow, and which does not say so: only what is tried tells what fits. */
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

describe.each(families)(
  'a router on an underlay of %s that drops without a word',
  (family, overhead, link) => {
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
      until(`h1 has a path of ${bytes}`, async () => (await h1.peers())[0]?.pathMtu === bytes, 60);

    beforeAll(async () => {
      lab = await Lab.open({ underlayMtu: wide });
      h1 = await lab.host('h1');
      h2 = await lab.host('h2');
      router = await lab.kernelHost('router');
      a = await lab.guest('a');
      b = await lab.guest('b');
      const { namespace } = router;
      await namespace.run(['sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1']);
      await namespace.run(['iptables', '-w', '-A', 'OUTPUT', '-p', 'icmp', '-j', 'DROP']);
      const tooBig = ['-p', 'icmpv6', '--icmpv6-type', 'packet-too-big', '-j', 'DROP'];
      await namespace.run(['ip6tables', '-w', '-A', 'OUTPUT', ...tooBig]);
      await namespace.ip(
        'link',
        'add',
        'far',
        'type',
        'veth',
        'peer',
        'name',
        'far',
        'netns',
        h2.namespace.name,
      );
      await setLink(wide);
      const nodad = family === 'ipv6' ? ['nodad'] : [];
      for (const [host, own] of [
        [router, link.router],
        [h2, link.host],
      ] as const)
        await host.namespace.ip('address', 'add', `${own}/${link.prefix}`, 'dev', 'far', ...nodad);
      await h1.namespace.ip('route', 'add', link.host, 'via', router[family]);
      await h2.namespace.ip('route', 'add', h1[family], 'via', link.router);

      await h1.start({ peers: [link.host], networks });
      await h2.start({ peers: [h1[family]], underlay: { addresses: [link.host] }, networks });
      await h1.attach(a, 'blue', { addresses: ['10.42.0.1/24'] });
      await h2.attach(b, 'blue', { addresses: ['10.42.0.2/24'] });
      await a.reach('10.42.0.2');
      await seenPath(wide);
      return () => lab.close();
    });

    it('is found out, to the byte, and what fits is used by guests', async () => {
      expect((await a.sys('mtu')).trim()).toBe(`${wide - overhead}`);
      await setLink(narrow);
      await seenPath(narrow);
      await until(
        'the guest has the MTU',
        async () => (await a.sys('mtu')).trim() === `${narrow - overhead}`,
      );
      const [peer] = await h1.peers();
      expect(peer).toMatchObject({ routeMtu: wide, hello: { state: 'alive' } });
      // A check of bursts that went while the path narrowed found them lost, and is made again with what fits.
      const found = await until('h1 complains of the path alone', async () => {
        const { findings } = await h1.status();
        return findings.length === 1 && findings[0];
      });
      expect(found.code).toBe('PATH_MTU_BLACK_HOLE');
      expect(found.message).toContain(`more than ${narrow} bytes do not arrive`);
      expect((await a.iperf(b, '10.42.0.2', '-n', '5M')).gbitPerSecond).toBeGreaterThan(0);
      expect(await h1.weft('peer', 'inspect', link.host)).toContain(
        `${narrow} bytes; the kernel knows only of ${wide}`,
      );
    });

    it('is lowered once more, and raised when it widens', async () => {
      const less = narrow - 33;
      await setLink(less);
      await seenPath(less);
      await setLink(wide);
      await until('a try finds more', async () => {
        await h1.weft('peer', 'check', link.host);
        return (await h1.peers())[0]?.pathMtu === wide;
      });
      await until('the guest has the MTU', async () => (await a.sys('mtu')).trim() === `${wide - overhead}`);
      await until('it is over', async () => (await h1.status()).findings.length === 0);
    });
  },
);

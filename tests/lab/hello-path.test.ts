/** A router between the hosts whose far link is narrow, and which does not say so: only what is tried tells what fits. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../lab/wait.js';
import { networks } from './pair.js';
import { families, openRouted, type Routed, wide } from './routed.js';

const narrow = 1400;

describe.each(families)('a router on an underlay of %s that drops without a word', (family, overhead) => {
  let routed: Routed;

  const seenPath = (bytes: number) =>
    until(`h1 has a path of ${bytes}`, async () => (await routed.h1.peers())[0]?.pathMtu === bytes, 60);

  beforeAll(async () => {
    routed = await openRouted(family);
    const { h1, h2, a, b } = routed;
    const { namespace } = routed.router;
    await namespace.run(['iptables', '-w', '-A', 'OUTPUT', '-p', 'icmp', '-j', 'DROP']);
    const tooBig = ['-p', 'icmpv6', '--icmpv6-type', 'packet-too-big', '-j', 'DROP'];
    await namespace.run(['ip6tables', '-w', '-A', 'OUTPUT', ...tooBig]);
    await routed.start({ networks });
    await h1.attach(a, 'blue', { addresses: ['10.42.0.1/24'] });
    await h2.attach(b, 'blue', { addresses: ['10.42.0.2/24'] });
    await a.reach('10.42.0.2');
    await seenPath(wide);
  });
  afterAll(() => routed?.lab.close());

  it('is found out, to the byte, and what fits is used by guests', async () => {
    const { h1, a, b, far, setLink } = routed;
    expect((await a.sys('mtu')).trim()).toBe(`${wide - overhead}`);
    await setLink(narrow);
    await seenPath(narrow);
    await until('the guest has the MTU', async () => (await a.sys('mtu')).trim() === `${narrow - overhead}`);
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
    expect(await h1.weft('peer', 'inspect', far)).toContain(
      `${narrow} bytes; the kernel knows only of ${wide}`,
    );
  });

  it('is lowered once more, and raised when it widens', async () => {
    const { h1, a, far, setLink } = routed;
    const less = narrow - 33;
    await setLink(less);
    await seenPath(less);
    await setLink(wide);
    await until('a try finds more', async () => {
      await h1.weft('peer', 'check', far);
      return (await h1.peers())[0]?.pathMtu === wide;
    });
    await until('the guest has the MTU', async () => (await a.sys('mtu')).trim() === `${wide - overhead}`);
    await until('it is over', async () => (await h1.status()).findings.length === 0);
  });
});

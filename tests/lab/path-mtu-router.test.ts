/** A router between the hosts whose far link is narrow: only it knows, and tells the host that sends. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Guest } from '../../lab/guest.js';
import type { Host } from '../../lab/host.js';
import { until } from '../../lab/wait.js';
import { networks } from './pair.js';
import { families, openRouted, type Routed, wide } from './routed.js';

const narrow = 1400;
/** Of IP in the guests: more than fits the narrow link in either family. */
const mtu = 1430;

describe.each(families)('a router on an underlay of %s', (family, overhead) => {
  let routed: Routed;

  const seenPath = (bytes: number) =>
    until(`h1 sees a path of ${bytes}`, async () => (await routed.h1.peers())[0]?.pathMtu === bytes);
  const flush = async ({ namespace }: Host | Guest) => {
    for (const version of ['-4', '-6']) await namespace.ip(version, 'route', 'flush', 'cache');
  };

  beforeAll(async () => {
    routed = await openRouted(family);
    const { h1, h2, a, b, setLink } = routed;
    await setLink(narrow);
    await routed.start({ networks: { blue: { ...networks.blue, mtu } } });
    await h1.attach(a, 'blue', { addresses: ['10.42.0.1/24', 'fd42::1/64'] });
    await h2.attach(b, 'blue', { addresses: ['10.42.0.2/24', 'fd42::2/64'] });
    await a.reach('10.42.0.2');
    await a.reach('fd42::2');
  });
  afterAll(() => routed?.lab.close());

  it('tells the host what fits, which tells its guests, and TCP goes on', async () => {
    const { h1, a, b } = routed;
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
    const { h1, a, setLink } = routed;
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

import { beforeAll, expect, it } from 'vitest';
import type { Container } from '../../lab/container.js';
import { createNetwork, inShare, removeContainers, twoEngines, untilUp, untilWell } from './engines.js';

const engines = twoEngines();
const each = 30;

beforeAll(() => createNetwork([engines.h1, engines.h2], 'blue', '--subnet', '10.32.0.0/16'));

it(`starts ${each} containers at once on each host`, async () => {
  const { h1, h2 } = engines;
  const hosts = [h1, h2];
  const crowds = await Promise.all(
    hosts.map((host) =>
      Promise.all(Array.from({ length: each }, (_, i) => host.run(`c${i}`, '--network', 'blue'))),
    ),
  );
  const addresses: string[] = [];
  for (const [index, host] of hosts.entries()) {
    expect((await host.docker('ps', '-q')).split('\n')).toHaveLength(each);
    const names = await host.containerNames();
    const format = '{{.NetworkSettings.Networks.blue.IPAddress}}';
    const own = (await host.docker('inspect', '--format', format, ...names)).split('\n');
    for (const address of own) expect(inShare(address, index), address).toBe(true);
    addresses.push(...own);
    await untilUp(host, each);
  }
  expect(new Set(addresses).size).toBe(2 * each);

  const [left = [], right = []] = crowds;
  for (const [a, b] of [
    [left[0], right[0]],
    [left[each - 1], right[each - 1]],
    [right[7], left[23]],
    [left[3], left[4]],
  ] as [Container, Container][]) {
    await a.reach((await b.attachment('blue')).ipv4);
  }
});

it('leaves no link, lease, or port of them when they are removed', async () => {
  const { h1, h2 } = engines;
  // Not the network: when many containers start at once, dockerd 20.10 may count its endpoints wrong until it is started again.
  await Promise.all([removeContainers(h1), removeContainers(h2)]);
  for (const host of [h1, h2]) await untilWell(host);
});

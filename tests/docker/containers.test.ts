import { beforeAll, expect, it } from 'vitest';
import type { Container } from '../../lab/container.js';
import { until } from '../../lab/wait.js';
import { clear, createNetwork, twoEngines, untilWell } from './engines.js';

const engines = twoEngines();
let far: Container;

beforeAll(async () => {
  const { h1, h2 } = engines;
  await createNetwork([h1, h2], 'blue', '--subnet', '10.32.0.0/16', '--ipv6', '--subnet', 'fd32::/64');
  await createNetwork([h1], 'red', '--subnet', '10.35.0.0/16', '--ip-range', '10.35.16.0/20');
  await createNetwork([h2], 'red', '--subnet', '10.35.0.0/16', '--ip-range', '10.35.80.0/20');
  far = await h2.run('far', '--network', 'blue');
  await h2.docker('network', 'connect', 'red', 'far');
});

it('gives the addresses and the MAC that were asked for, also outside the share of the host', async () => {
  const { h1 } = engines;
  const wanted = ['--ip', '10.32.200.9', '--ip6', 'fd32::beef', '--mac-address', '02:42:aa:bb:cc:dd'];
  const chosen = await h1.run('chosen', '--network', 'blue', ...wanted);
  const { ipv4, ipv6, mac } = await chosen.attachment('blue');
  expect([ipv4, ipv6, mac]).toEqual(['10.32.200.9', 'fd32::beef', '02:42:aa:bb:cc:dd']);
  expect(await chosen.sys('address')).toBe(mac);
  await far.reach('10.32.200.9');
  await far.reach('fd32::beef');
  await chosen.remove();
});

it('gives addresses of the range that was asked for', async () => {
  const { ipv4 } = await far.attachment('red');
  const [, second, third] = ipv4.split('.').map(Number);
  expect(second).toBe(35);
  expect(third).toBeGreaterThanOrEqual(80);
  expect(third).toBeLessThan(96);
});

it('connects a running container to more networks, and disconnects it', async () => {
  const { h1 } = engines;
  const addresses = { blue: (await far.attachment('blue')).ipv4, red: (await far.attachment('red')).ipv4 };
  const roaming = await h1.run('roaming', '--network', 'blue');
  await roaming.reach(addresses.blue);
  expect(await roaming.hears(addresses.red)).toBe(false);
  await h1.docker('network', 'connect', '--alias', 'rover', 'red', 'roaming');
  await roaming.reach(addresses.red);
  await far.reach((await roaming.attachment('red')).ipv4);
  expect(await roaming.ping(addresses.blue)).toBe(true);

  const { ipv4 } = await roaming.attachment('red');
  await h1.docker('network', 'disconnect', 'red', 'roaming');
  expect(await far.hears(ipv4)).toBe(false);
  expect(await roaming.ping(addresses.blue)).toBe(true);
  expect((await h1.ports()).map(({ network }) => network)).toEqual(['10.32.0.0/16']);
  await roaming.remove();
});

it('keeps the address over a restart of the container', async () => {
  const { h1 } = engines;
  const fixed = await h1.run('fixed', '--network', 'blue', '--ip', '10.32.0.77');
  await far.reach('10.32.0.77');
  await h1.docker('restart', '-t', '1', 'fixed');
  expect((await fixed.attachment('blue')).ipv4).toBe('10.32.0.77');
  await far.reach('10.32.0.77');
  await h1.docker('pause', 'fixed');
  await h1.docker('unpause', 'fixed');
  await far.reach('10.32.0.77');
  await fixed.remove();
});

it('does what a compose file leads to', async () => {
  const { h1 } = engines;
  const label = (what: string) => ['--label', `com.docker.compose.${what}`];
  const project = [...label('project=shop'), ...label('version=2.18.1')];
  await createNetwork(
    [h1],
    'shop_default',
    ...[...project, ...label('network=default')],
    ...['--subnet', '10.36.0.0/16', '-o', 'com.docker.network.driver.mtu=1400', '--attachable'],
  );
  const service = async (name: string) => {
    const options = ['--network', 'shop_default', '--network-alias', name];
    await h1.docker(
      ...['create', '--name', `shop-${name}-1`, ...project, ...label(`service=${name}`)],
      ...[...options, '--restart', 'unless-stopped', 'weft-lab:1'],
    );
    await h1.docker('start', `shop-${name}-1`);
    return h1.container(`shop-${name}-1`);
  };
  const db = await service('db');
  const app = await service('app');
  await db.serveHttp('rows');
  expect(await app.fetch('http://db/')).toBe('rows');
  expect(await app.sys('mtu')).toBe('1400');
  const labels = await until(
    'weft has learned the labels',
    async () => (await h1.containers()).find(({ name }) => name === 'shop-db-1')?.labels,
    30,
  );
  expect(labels).toMatchObject({ 'com.docker.compose.service': 'db' });
  await h1.docker('stop', '-t', '1', 'shop-app-1', 'shop-db-1');
  await h1.docker('rm', 'shop-app-1', 'shop-db-1');
  await h1.docker('network', 'rm', 'shop_default');
});

it('leaves nothing behind when all is removed', async () => {
  const { h1, h2 } = engines;
  await clear(h1, h2);
  for (const host of [h1, h2]) {
    expect(await host.pools()).toEqual([]);
    expect(await host.networks()).toEqual([]);
    await untilWell(host);
  }
});

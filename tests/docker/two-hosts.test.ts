import { beforeAll, describe, expect, it } from 'vitest';
import type { Why } from '../../daemon/api/schema.js';
import type { Container } from '../../lab/container.js';
import { until } from '../../lab/wait.js';
import { createNetwork, inShare, twoEngines } from './engines.js';

const engines = twoEngines({ config: { networks: { green: { vni: 77, subnets: ['10.44.0.0/16'] } } } });

describe('containers on one network of two hosts', () => {
  let web: Container;
  let client: Container;

  beforeAll(async () => {
    const { h1, h2 } = engines;
    const subnets = ['--subnet', '10.32.0.0/16', '--ipv6', '--subnet', 'fd32::/64'];
    await createNetwork([h1, h2], 'blue', ...subnets);
    [web, client] = await Promise.all([
      h1.run('web', '--network', 'blue', '--network-alias', 'www'),
      h2.run('client', '--network', 'blue'),
    ]);
  });

  it('have addresses of the share of their host', async () => {
    const { ipv4, ipv6 } = await web.attachment('blue');
    const other = await client.attachment('blue');
    expect(inShare(ipv4, 0), ipv4).toBe(true);
    expect(inShare(other.ipv4, 1), other.ipv4).toBe(true);
    expect(ipv6).not.toBe(other.ipv6);
    expect([ipv6, other.ipv6].every((address) => address.startsWith('fd32::'))).toBe(true);
  });

  it.each(['ipv4', 'ipv6'] as const)('reach each other over %s: ping, HTTP, iperf3', async (family) => {
    const address = (await web.attachment('blue'))[family];
    const host = family === 'ipv6' ? `[${address}]` : address;
    await client.reach(address);
    expect(await client.ping(address, { count: 10 })).toBe(true);
    if (family === 'ipv4') {
      await web.serveHttp('hello');
      await web.serve(5201, 'iperf3', '-s');
    }
    expect(await client.fetch(`http://${host}/`)).toBe('hello');
    for (const direction of [[], ['-R']]) {
      const report = JSON.parse(await client.exec('iperf3', '-J', '-t', '1', '-c', address, ...direction));
      expect(report.end.sum_received.bytes).toBeGreaterThan(0);
    }
  });

  it('find each other by name on one host, also by alias', async () => {
    const { h1 } = engines;
    const beside = await h1.run('beside', '--network', 'blue');
    for (const name of ['web', 'www']) expect(await beside.fetch(`http://${name}/`)).toBe('hello');
    await beside.remove();
  });

  it('have the MTU that the underlay leaves, and can fill it', async () => {
    expect([await web.sys('mtu'), await client.sys('mtu')]).toEqual(['1450', '1450']);
    const { ipv4, ipv6 } = await web.attachment('blue');
    expect(await client.ping(ipv4, { size: 1450 - 28 })).toBe(true);
    expect(await client.ping(ipv6, { size: 1450 - 48 })).toBe(true);
    expect(await client.ping(ipv4, { size: 1450 - 27 })).toBe(false);
  });

  it('are known on the other host before they have spoken', async () => {
    const { h1, h2 } = engines;
    const quiet = await h2.run('quiet', '--network', 'blue');
    const { mac } = await quiet.attachment('blue');
    await until(
      'the other host has heard the announcement',
      async () => (await h1.fdb()).some((entry) => entry.mac === mac && entry.kind === 'peer'),
      30,
    );
    await quiet.remove();
  });

  it('are found by weft why by their names, also on the other host', async () => {
    const { h1, h2 } = engines;
    const { ipv4, mac } = await client.attachment('blue');
    await until('the way is clear', async () => (await h1.tryWeft(['why', 'web', 'client'])).status === 0);
    const way = await h1.weftJson<Why>('why', 'web', 'client');
    expect(way).toMatchObject({
      network: '10.32.0.0/16',
      destination: { given: 'client', address: ipv4, mac },
    });
    expect(way.conclusion).toMatch(
      new RegExp(`^Frames go from web .* by peer ${h2.ipv4} to client .*; nothing is in the way`),
    );
    expect(way.steps.find(({ what }) => what === 'guard')?.facts).toMatchObject({ spoof: 'deny' });
    const back = await h1.weftJson<Why>('why', '--network', 'blue', ipv4, 'web');
    expect(back).toMatchObject({ backwards: true, state: 'ok' });
  });

  it('publish ports and reach the world by the gateway of Docker', async () => {
    const { h1, h2 } = engines;
    const published = await h1.run('published', '--network', 'blue', '-p', '8081:80');
    await published.serveHttp('published');
    const fetch = ['/bin/busybox', 'wget', '-q', '-O', '-', `http://${h1.ipv4}:8081/`];
    const fetched = await h2.attempt(fetch);
    expect(fetched.stdout, fetched.stderr).toBe('published\n');
    await published.reach(h2.ipv4);
    await published.remove();
  });

  it('are shown by weft with the names that Docker has for them', async () => {
    const { h1 } = engines;
    const { ipv4, mac } = await web.attachment('blue');
    await until(
      'weft has learned the names',
      async () =>
        (await h1.containers()).some(
          ({ name, engineNetwork }) => name === 'web' && engineNetwork.name === 'blue',
        ),
      30,
    );
    const shown = (await h1.containers()).find(({ name }) => name === 'web');
    expect(shown).toMatchObject({ mac, network: '10.32.0.0/16', ifname: 'eth0', state: 'up' });
    expect(shown?.addresses).toContain(`${ipv4}/16`);
    expect(shown?.aliases).toContain('www');
    expect(shown?.counters?.rxFrames).toBeGreaterThan(0);
    const ps = await h1.weft('ps');
    for (const text of ['web', '10.32.0.0/16', ipv4, mac]) expect(ps).toContain(text);
    expect(await h1.weft('ps', '--wide')).toContain('blue');
    expect(await h1.weft('network', 'inspect', '10.32.0.0/16')).toContain('blue');
    const { docker, findings } = await h1.status();
    expect(docker).toMatchObject({ state: 'listening', networks: 1, endpoints: 1 });
    expect(docker.engine).toMatch(/^\d+\.\d+/);
    expect(docker.activated).not.toBeNull();
    expect(findings).toEqual([]);
    expect(await h1.weft('status')).toContain(docker.engine);
  });
});

describe('networks', () => {
  it('that the configuration declares are joined by name', async () => {
    const { h1, h2 } = engines;
    await createNetwork([h1, h2], 'shop', '--ipam-opt', 'weft.network=green', '-o', 'weft.network=green');
    const [a, b] = await Promise.all([
      h1.run('shop1', '--network', 'shop'),
      h2.run('shop2', '--network', 'shop'),
    ]);
    const { ipv4 } = await b.attachment('shop');
    expect(inShare(ipv4, 1) && ipv4.startsWith('10.44.'), ipv4).toBe(true);
    await a.reach(ipv4);
    await until(
      'weft has learned the name',
      async () => (await h1.weft('network', 'inspect', 'green')).includes('shop'),
      30,
    );
    const green = (await h1.networks()).find(({ name }) => name === 'green');
    expect(green).toMatchObject({ vni: 77, owner: { kind: 'file' }, ports: 1 });
    await Promise.all([a.remove(), b.remove()]);
  });

  it('may choose their MTU and VNI', async () => {
    const { h1, h2 } = engines;
    const options = ['-o', 'com.docker.network.driver.mtu=1300', '-o', 'weft.vni=4711'];
    await createNetwork([h1, h2], 'narrow', '--subnet', '10.33.0.0/16', ...options);
    const [a, b] = await Promise.all([
      h1.run('narrow1', '--network', 'narrow'),
      h2.run('narrow2', '--network', 'narrow'),
    ]);
    expect([await a.sys('mtu'), await b.sys('mtu')]).toEqual(['1300', '1300']);
    await a.reach((await b.attachment('narrow')).ipv4);
    expect((await h2.networks()).find(({ name }) => name === '10.33.0.0/16')?.vni).toBe(4711);
    await Promise.all([a.remove(), b.remove()]);
  });

  it('that are internal have no way out, but reach the other host', async () => {
    const { h1, h2 } = engines;
    await createNetwork([h1, h2], 'vault', '--internal', '--subnet', '10.34.0.0/16');
    const [a, b] = await Promise.all([
      h1.run('vault1', '--network', 'vault'),
      h2.run('vault2', '--network', 'vault'),
    ]);
    await a.reach((await b.attachment('vault')).ipv4);
    const links = (await a.exec('/bin/ip', '-br', 'link')).split('\n').map((line) => line.split(/[\s@]/)[0]);
    expect(links).toEqual(['lo', 'eth0']);
    expect(await a.exec('/bin/ip', 'route', 'show', 'default')).toBe('');
    expect(await a.hears(h2.ipv4)).toBe(false);
    await Promise.all([a.remove(), b.remove()]);
  });
});

import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Container } from '../../lab/container.js';
import { until } from '../../lab/wait.js';
import { clear, createNetwork, twoEngines, untilTraces, untilUp, untilWell } from './engines.js';

const fixedAddress = '10.32.0.50';

describe('dockerd', () => {
  const engines = twoEngines();
  let fixed: Container;
  let loose: Container;
  let far: Container;

  beforeAll(async () => {
    const { h1, h2 } = engines;
    await createNetwork([h1, h2], 'blue', '--subnet', '10.32.0.0/16', '--ipv6', '--subnet', 'fd32::/64');
    const options = ['--network', 'blue', '--restart', 'always'];
    fixed = await h1.run('fixed', ...options, '--ip', fixedAddress, '--ip6', 'fd32::50');
    loose = await h1.run('loose', ...options);
    far = await h2.run('far', '--network', 'blue');
    await far.reach(fixedAddress);
  });

  /** Both containers run again, reached from the other host, and nothing is left of their former endpoints. */
  async function allIsBack(): Promise<void> {
    const { h1 } = engines;
    for (const container of [fixed, loose]) {
      await until(`${container.name} runs`, async () => (await container.tryExec(['true'])).status === 0, 30);
    }
    expect((await fixed.attachment('blue')).ipv4).toBe(fixedAddress);
    await far.reach(fixedAddress);
    await far.reach('fd32::50');
    await far.reach((await loose.attachment('blue')).ipv4);
    await loose.reach((await far.attachment('blue')).ipv4);
    // Two containers with an IPv4 and an IPv6 address each.
    await untilTraces(h1, { ports: 2, leases: 4, links: 0, sandboxes: 2 }, 30);
    await untilWell(h1);
  }

  it('is restarted, and every container is back', async () => {
    const { h1 } = engines;
    await h1.stopDockerd();
    await h1.startDockerd();
    await allIsBack();
  });

  it('is killed and started, and every container is back', async () => {
    const { h1 } = engines;
    await h1.killDockerd();
    await h1.startDockerd();
    await allIsBack();
  });

  it('is killed together with weftd', async () => {
    const { h1 } = engines;
    await Promise.all([h1.killDockerd(), h1.killWeftd()]);
    await h1.startWeftd();
    await h1.startDockerd();
    await allIsBack();
  });

  it('loses its power with the host, twice', async () => {
    const { h1 } = engines;
    for (let round = 0; round < 2; round++) {
      await h1.powerOff();
      await h1.powerOn();
      await h1.startWeftd();
      await h1.startDockerd();
      await allIsBack();
    }
  });

  it('lets everything be removed after all that', async () => {
    const { h1, h2 } = engines;
    await clear(h1, h2);
    expect(await h1.networks()).toEqual([]);
  });
});

describe('dockerd with live-restore', () => {
  const engines = twoEngines({ dockerd: ['--live-restore'] });
  let near: Container;
  let far: Container;

  beforeEach(async () => {
    const { h1, h2 } = engines;
    await createNetwork([h1, h2], 'blue', '--subnet', '10.32.0.0/16');
    near = await h1.run('near', '--network', 'blue');
    far = await h2.run('far', '--network', 'blue');
    await far.reach((await near.attachment('blue')).ipv4);
    return () => clear(h1, h2);
  });

  it.each([
    ['stopped', 'stopDockerd'],
    ['killed', 'killDockerd'],
  ] as const)('is %s and started while traffic goes on', async (_, end) => {
    const { h1 } = engines;
    const { ipv4 } = await near.attachment('blue');
    const received = await far.pingWhile(ipv4, async () => {
      await h1[end]();
      await h1.startDockerd('--live-restore');
    });
    expect(received).toBe(1);
    expect((await near.attachment('blue')).ipv4).toBe(ipv4);
    await untilUp(h1, 1);
    await near.remove();
    await until('its port is gone', async () => (await h1.ports()).length === 0, 30);
  });

  it('is away while weftd is killed and started', async () => {
    const { h1 } = engines;
    const { ipv4 } = await near.attachment('blue');
    await h1.killDockerd();
    await h1.killWeftd();
    await h1.startWeftd();
    await far.reach(ipv4);
    await h1.startDockerd('--live-restore');
    await far.reach(ipv4);
    await untilUp(h1, 1);
  });
});

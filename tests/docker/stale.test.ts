import { afterEach, beforeEach, expect, it } from 'vitest';
import { until } from '../../lab/wait.js';
import { createNetwork, twoEngines, untilTraces } from './engines.js';

const engines = twoEngines();
const count = 20;

beforeEach(async () => {
  const { h1 } = engines;
  await createNetwork([h1], 'blue', '--subnet', '10.32.0.0/16');
  const names = Array.from({ length: count }, (_, i) => `c${i}`);
  await Promise.all(names.map((name) => h1.run(name, '--network', 'blue')));
  await h1.run('steady', '--network', 'blue', '--restart', 'always');
  await h1.powerOff();
  await h1.powerOn();
});

afterEach(async () => {
  const { h1 } = engines;
  await h1.docker('rm', '-f', ...(await h1.containerNames()));
  await h1.docker('network', 'rm', 'blue');
});

async function onlyTheSteadyOneIsLeft(): Promise<void> {
  const { h1 } = engines;
  await until('the one that restarts runs', async () => {
    return (await h1.container('steady').tryExec(['true'])).status === 0;
  });
  await untilTraces(h1, { ports: 1, leases: 1, links: 0, sandboxes: 1 }, 60);
}

it(`starts in less than 5 s with ${count} stale endpoints`, async () => {
  const { h1 } = engines;
  await h1.startWeftd();
  expect(await h1.startDockerd()).toBeLessThan(5);
  await onlyTheSteadyOneIsLeft();
});

it('starts as fast while weftd is not there yet, but its socket is', async () => {
  const { h1 } = engines;
  await h1.activateWeftd();
  expect(await h1.startDockerd()).toBeLessThan(5);
  await h1.weftdIsReady();
  await onlyTheSteadyOneIsLeft();
});

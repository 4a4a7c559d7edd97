import { beforeAll, beforeEach, expect, it } from 'vitest';
import type { DockerHost } from '../../lab/docker-host.js';
import { until } from '../../lab/wait.js';
import { createNetwork, twoEngines, untilTraces } from './engines.js';

const engines = twoEngines();
const count = 20;

/** Runs containers, and takes the power away from under them: Docker finds their endpoints when it starts again. */
async function leaveStale(host: DockerHost, network: string): Promise<void> {
  const names = Array.from({ length: count }, (_, i) => `c${i}`);
  await Promise.all(names.map((name) => host.run(name, '--network', network)));
  await host.powerOff();
  await host.powerOn();
}

async function removeAll(host: DockerHost): Promise<void> {
  await host.docker('rm', '-f', ...(await host.containerNames()));
}

/** Seconds that dockerd may take: 10, or on a busy machine five times what it took with a network of its own, when that was less busy. */
let allowed: number;

beforeAll(async () => {
  const { h1 } = engines;
  await createNetwork([h1], 'blue', '--subnet', '10.32.0.0/16');
  await h1.docker('network', 'create', '-d', 'bridge', 'plain');
  await leaveStale(h1, 'plain');
  await h1.startWeftd();
  allowed = Math.max(10, 5 * (await h1.startDockerd()));
  await removeAll(h1);
});

beforeEach(async () => {
  const { h1 } = engines;
  await h1.run('steady', '--network', 'blue', '--restart', 'always');
  await leaveStale(h1, 'blue');
  return () => removeAll(h1);
});

/** A request that Docker has to repeat costs it a second at least, and 15 when nobody comes. */
async function dockerdStartsAtOnce(): Promise<void> {
  const { h1 } = engines;
  const before = h1.dockerdLog.length;
  expect(await h1.startDockerd()).toBeLessThan(allowed);
  expect(h1.dockerdLog.slice(before)).not.toContain('Unable to connect to plugin');
}

async function onlyTheSteadyOneIsLeft(): Promise<void> {
  const { h1 } = engines;
  await until(
    'the one that restarts runs',
    async () => (await h1.container('steady').tryExec(['true'])).status === 0,
    30,
  );
  await untilTraces(h1, { ports: 1, leases: 1, links: 0, sandboxes: 1 });
}

it(`starts at once with ${count} stale endpoints`, async () => {
  const { h1 } = engines;
  await h1.startWeftd();
  await dockerdStartsAtOnce();
  await onlyTheSteadyOneIsLeft();
});

it('starts as fast while weftd is not there yet, but its socket is', async () => {
  const { h1 } = engines;
  await h1.activateWeftd();
  await dockerdStartsAtOnce();
  await h1.weftdIsReady();
  await onlyTheSteadyOneIsLeft();
});

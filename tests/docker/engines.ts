/** What most Docker tests begin with: two hosts that are peers, each with a dockerd, a weftd, and its share of every subnet. */
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, afterEach, beforeAll } from 'vitest';
import type { DockerHost } from '../../lab/docker-host.js';
import { Lab } from '../../lab/lab.js';
import { until } from '../../lab/wait.js';

export interface Engines {
  lab: Lab;
  h1: DockerHost;
  h2: DockerHost;
}

export interface EngineOptions {
  /** Added to the configuration of both. */
  config?: Record<string, unknown>;
  /** Flags of both dockerd. */
  dockerd?: string[];
}

/** The configuration of host number `index` (from 0), whose peer has this address. */
export function meshConfig(index: number, peer: string): Record<string, unknown> {
  return { peers: [peer], ipam: { share: { of: 4, index } } };
}

/** Two engines for all tests of a file. What the daemons logged is shown when one fails. */
export function twoEngines({ config = {}, dockerd = [] }: EngineOptions = {}): Engines {
  const engines = {} as Engines;
  beforeAll(async () => {
    const lab = await Lab.open();
    engines.lab = lab;
    engines.h1 = await lab.dockerHost('h1');
    engines.h2 = await lab.dockerHost('h2');
    const { h1, h2 } = engines;
    await Promise.all([
      h1.startWeftd({ ...meshConfig(0, h2.ipv4), ...config }),
      h2.startWeftd({ ...meshConfig(1, h1.ipv4), ...config }),
    ]);
    await Promise.all([h1.startDockerd(...dockerd), h2.startDockerd(...dockerd)]);
  });
  afterEach(({ task }) => {
    if (task.result?.state !== 'fail') return;
    process.stderr.write(`\n${task.name}:\n${engines.h1?.logs}\n${engines.h2?.logs}\n`);
  });
  afterAll(() => engines.lab?.close());
  return engines;
}

/** `docker network create -d weft --ipam-driver weft OPTIONS NAME` on each host. */
export async function createNetwork(
  hosts: readonly DockerHost[],
  name: string,
  ...options: string[]
): Promise<void> {
  await Promise.all(
    hosts.map((host) =>
      host.docker('network', 'create', '-d', 'weft', '--ipam-driver', 'weft', ...options, name),
    ),
  );
}

/** Removes all containers, and waits until weft has nothing left of them. */
export async function removeContainers(host: DockerHost): Promise<void> {
  const containers = await host.containerNames();
  if (containers.length > 0) await host.docker('rm', '-f', ...containers);
  await untilTraces(host, nothing);
}

/** Removes the networks of weft, too. */
export async function clear(...hosts: DockerHost[]): Promise<void> {
  for (const host of hosts) {
    await removeContainers(host);
    const networks = await host.docker('network', 'ls', '-q', '-f', 'driver=weft');
    for (const network of networks.split('\n').filter(Boolean)) {
      // Docker answers before it has taken the last endpoint from the count of the network.
      await until(
        `Docker on ${host.name} lets the network go`,
        () => host.docker('network', 'rm', network),
        30,
      );
    }
  }
}

/** What containers leave traces in: 0 of each when there is none. */
export interface Traces {
  ports: number;
  leases: number;
  /** Links of endpoints in the host's own namespace, where they are only before and after their time in a container. */
  links: number;
  /** Namespaces of containers. */
  sandboxes: number;
}

export const nothing: Traces = { ports: 0, leases: 0, links: 0, sandboxes: 0 };

/** Waits until weft finds nothing wrong: what a container leaves for a moment when it ends is seen until the next look at it. */
export async function untilWell(host: DockerHost): Promise<void> {
  await until(
    `all is well on ${host.name}`,
    async () => {
      const { findings } = await host.status();
      if (findings.length > 0) throw new Error(findings.map(({ message }) => message).join('; '));
      return true;
    },
    30,
  );
}

/** Waits until a host has so many ports, and all are up. What is told of a link is what the last round of weftd saw. */
export async function untilUp(host: DockerHost, count: number): Promise<void> {
  await until(
    `${host.name} has ${count} ports, and all are up`,
    async () => {
      const states = (await host.ports()).map(({ state }) => state);
      if (states.length !== count || states.some((state) => state !== 'up'))
        throw new Error(states.join(', '));
      return true;
    },
    60,
  );
}

export async function traces(host: DockerHost): Promise<Traces> {
  const leases = (await host.pools()).flatMap((pool) => pool.leases);
  const links = (await host.attempt(['ip', '-br', 'link'])).stdout.match(/^weft/gm);
  // Docker removes the files a minute later than the mounts.
  const mounts = readFileSync(`/proc/${host.init}/mountinfo`, 'utf8');
  const sandboxes = mounts.match(/ \S+\/docker\/netns\/[0-9a-f]{12} /g);
  return {
    ports: (await host.ports()).length,
    leases: leases.filter(({ kind }) => kind === 'endpoint').length,
    links: links?.length ?? 0,
    sandboxes: sandboxes?.length ?? 0,
  };
}

/** Waits until a host has these and no more. */
export async function untilTraces(host: DockerHost, wanted: Traces, seconds = 30): Promise<void> {
  await until(
    `${host.name} has ${JSON.stringify(wanted)}`,
    async () => {
      const found = await traces(host);
      if (!isDeepStrictEqual(found, wanted)) throw new Error(`it has ${JSON.stringify(found)}`);
      return true;
    },
    seconds,
  );
}

/** Whether an address is in host `index`'s quarter of 10.x.0.0/16, as {@link meshConfig} gives it. */
export function inShare(address: string, index: number): boolean {
  const third = Number(address.split('.')[2]);
  return third >= index * 64 && third < (index + 1) * 64;
}

import { readdirSync, readFileSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import { createNetwork, nothing, twoEngines, untilTraces, untilWell } from './engines.js';

/** WEFT_DOCKER_CYCLES makes it more in `npm run soak`. */
const cycles = Number(process.env.WEFT_DOCKER_CYCLES ?? 200);
const engines = twoEngines();

beforeAll(() =>
  createNetwork([engines.h1], 'blue', '--subnet', '10.32.0.0/16', '--ipv6', '--subnet', 'fd32::/64'),
);

/** Runs and removes this many containers, three at a time. */
async function cycle(count: number): Promise<void> {
  const { h1 } = engines;
  let left = count;
  const worker = async () => {
    while (left-- > 0) await h1.docker('run', '--rm', '--network', 'blue', 'weft-lab:1', 'true');
  };
  await Promise.all([worker(), worker(), worker()]);
  await untilTraces(h1, nothing);
}

const descriptors = () => readdirSync(`/proc/${engines.h1.weftdPid}/fd`).length;
const resident = () =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${engines.h1.weftdPid}/status`, 'utf8'))?.[1]);

it(`leaks nothing in ${cycles} containers`, { timeout: 120_000 + cycles * 2000 }, async () => {
  const { h1 } = engines;
  await cycle(15);
  const before = { descriptors: descriptors(), resident: resident() };
  await cycle(cycles);
  // A connection of Docker or of the CLI may come and go.
  expect(descriptors()).toBeLessThan(before.descriptors + 10);
  // V8 lets its heap grow by some 75 MiB before it collects it whole; over 2,000 containers (`npm run soak`) the bound is the same.
  expect(resident() - before.resident).toBeLessThan(128 * 1024);
  expect((await h1.networks()).map(({ ports, fdb }) => ({ ports, fdb }))).toEqual([
    { ports: 0, fdb: { learned: 0, declared: 0 } },
  ]);
  await untilWell(h1);
});

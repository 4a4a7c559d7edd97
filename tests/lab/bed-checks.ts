/** What every system of the benchmarks must be, before its figures mean anything. */
import { readdirSync } from 'node:fs';
import { expect } from 'vitest';
import type { Bed, System } from '../../bench/systems/system.js';
import { Lab } from '../../lab/lab.js';

const ipv4Header = 20;
const ipv6Header = 40;
const icmpHeader = 8;

/** Makes a system, sends packets of every kind through it, and looks whether anything of it is left when its lab has closed. */
export async function checkSystem(system: System): Promise<void> {
  expect(await system.version()).toMatch(/\S \S*\d/);
  const lab = await Lab.open();
  let daemons: readonly number[] = [];
  let namespaces: string[] = [];
  try {
    const bed = await system.open(lab);
    namespaces = lab.namespaces.map(({ name }) => name);
    daemons = [...bed.daemons()];
    expect(daemons.filter((pid) => !isAlive(pid))).toEqual([]);
    await checkPaths(bed);
    await checkNeighbours(bed);
  } finally {
    await lab.close();
  }
  expect(daemons.filter(isAlive)).toEqual([]);
  const left = readdirSync('/run/netns');
  expect(namespaces.filter((name) => left.includes(name))).toEqual([]);
}

/** Whole packets of the guests' MTU pass, and larger ones do not. */
async function checkPaths(bed: Bed): Promise<void> {
  const { client, server, serverAddress, serverAddress6 } = bed;
  const mtu = Number(await client.sys('mtu', bed.interface));
  expect(Number(await server.sys('mtu', bed.interface))).toBe(mtu);
  const whole = mtu - ipv4Header - icmpHeader;
  expect(await client.ping(serverAddress, { size: whole })).toBe(true);
  expect(await client.ping(serverAddress, { size: whole + 1, count: 1 })).toBe(false);
  expect(await server.ping(bed.clientAddress, { size: whole })).toBe(true);
  if (serverAddress6 !== null) {
    expect(await client.ping(serverAddress6, { size: mtu - ipv6Header - icmpHeader })).toBe(true);
  }
}

/** Second guests of both hosts are on the same segment. */
async function checkNeighbours({ client, server, neighbour, serverNeighbour }: Bed): Promise<void> {
  for (const near of [await neighbour?.(), await serverNeighbour?.()]) {
    if (near === undefined) continue;
    for (const guest of [client, server]) await guest.reach(near.address, 30);
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

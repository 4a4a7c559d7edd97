import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Guest } from '../../lab/guest.js';
import type { Host } from '../../lab/host.js';
import { expectInvariants } from './invariants.js';
import { openPair, type Pair } from './pair.js';

const million = 1_000_000;
const mebibyte = 1024;

function residentKilobytes(host: Host): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${host.pid}/status`, 'utf8'))?.[1]);
}

describe('a million random source MACs from one guest', () => {
  let pair: Pair;
  let bystander: Guest;

  beforeAll(async () => {
    pair = await openPair();
    bystander = await pair.lab.guest('bystander');
    await pair.h1.attach(bystander, 'blue', { name: 'bystander', addresses: ['10.42.0.3/24'] });
    await bystander.reach('10.42.0.2');
    return () => pair.lab.close();
  });

  it('takes bounded memory, and an existing pair keeps its unicast', { timeout: 180_000 }, async () => {
    const { h1, h2, a, b } = pair;
    const before = [h1, h2].map(residentKilobytes);
    const flood = a.floodMacs(million, await b.sys('address'), 50_000);
    expect(await bystander.pingWhile('10.42.0.2', flood)).toBeGreaterThan(0.95);

    for (const [index, host] of [h1, h2].entries()) {
      expect(residentKilobytes(host) - (before[index] ?? 0)).toBeLessThan(96 * mebibyte);
      const known = (await host.fdb()).map(({ mac }) => mac);
      expect(known).toContain(await bystander.sys('address'));
      expect(known).toContain(await b.sys('address'));
      expect((await host.status()).fdb.learned).toBeLessThanOrEqual(65536);
    }
    const fromFlooder = (await h1.fdb()).filter(({ label }) => label === 'a' || label.includes(a.name));
    expect(fromFlooder.length).toBeLessThanOrEqual(1024);
    expect((await h1.status()).frames.received).toBeGreaterThanOrEqual(million / 2);
    await expectInvariants(pair.lab, {
      otherMacs: true,
      unequalEnds: true,
      drops: ['port_full', 'underlay_full'],
    });
  });
});

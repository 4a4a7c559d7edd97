import { beforeAll, describe, expect, it } from 'vitest';
import type { Guest } from '../../lab/guest.js';
import { until } from '../../lab/wait.js';
import { expectInvariants } from './invariants.js';
import { openPair, type Pair } from './pair.js';

describe('a port that takes nothing', () => {
  let pair: Pair;
  let dead: Guest;
  let flooder: Guest;

  beforeAll(async () => {
    pair = await openPair();
    dead = await pair.lab.guest('dead');
    await pair.h1.attach(dead, 'blue', { addresses: ['10.42.0.3/24'] });
    flooder = await pair.lab.guest('flooder');
    await pair.h2.attach(flooder, 'blue');
    await pair.a.reach('10.42.0.3');
    return () => pair.lab.close();
  });

  it('does not stall the others, though frames for it keep coming', async () => {
    const { h1, a } = pair;
    const mac = await dead.sys('address');
    await dead.namespace.ip('link', 'set', 'eth0', 'down');
    const work = flooder.floodMacs(40_000, mac, 20_000);
    expect(await a.pingWhile('10.42.0.2', work)).toBeGreaterThan(0.95);
    expect(await h1.dropped('port_down')).toBeGreaterThan(0);
    await until('weftd has seen it', async () =>
      (await h1.ports()).some(({ netns, state }) => netns === dead.name && state === 'down'),
    );
    await dead.namespace.ip('link', 'set', 'eth0', 'up');
    await a.reach('10.42.0.3');
    await until('the port is up', async () => (await h1.status()).findings.length === 0);
    await expectInvariants(pair.lab, {
      otherMacs: true,
      unequalEnds: true,
      drops: ['port_down', 'port_full'],
    });
  });
});

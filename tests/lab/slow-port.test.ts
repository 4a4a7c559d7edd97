import { beforeAll, describe, expect, it } from 'vitest';
import type { Guest } from '../../lab/guest.js';
import { openPair, type Pair } from './pair.js';

describe('a port that takes nothing', () => {
  let pair: Pair;
  let dead: Guest;

  beforeAll(async () => {
    pair = await openPair();
    dead = await pair.lab.guest('dead');
    await pair.h1.attach(dead, 'blue', { addresses: ['10.42.0.3/24'] });
    await pair.a.reach('10.42.0.3');
    return () => pair.lab.close();
  });

  it('does not stall the others, whether its link is down or it is flooded', async () => {
    const { h1, a, b } = pair;
    const mac = await dead.sys('address');
    await dead.namespace.ip('link', 'set', 'eth0', 'down');
    const flood = b.floodMacs(200_000, mac);
    expect(await a.ping('10.42.0.2', { count: 50, interval: 0.02 })).toBe(true);
    await flood;
    expect(await h1.dropped('port_down')).toBeGreaterThan(0);
    expect((await h1.ports()).find(({ netns }) => netns === dead.name)?.state).toBe('down');
    await dead.namespace.ip('link', 'set', 'eth0', 'up');
    await a.reach('10.42.0.3');
  });
});

import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../lab/wait.js';
import { expectInvariants, settled } from './invariants.js';
import { openPair, type Pair } from './pair.js';

describe('counters', () => {
  let pair: Pair;

  beforeAll(async () => {
    pair = await openPair();
    return () => pair.lab.close();
  });

  afterEach(() =>
    expectInvariants(pair.lab, {
      otherMacs: true,
      unequalEnds: true,
      drops: ['port_down', 'port_full', 'reserved_group'],
      findings: ['PORT_DOWN'],
    }),
  );

  it('balance to the frame after TCP, UDP, broadcast, floods and drops', async () => {
    const { lab, h1, h2, a, b } = pair;
    const third = await lab.guest('third');
    await h1.attach(third, 'blue', { addresses: ['10.42.0.3/24'] });
    await a.iperf(b, '10.42.0.2', '-n', '50M');
    await a.iperf(b, '10.42.0.2', '-n', '50M', '-R');
    await a.iperf(third, '10.42.0.3', '-n', '50M');
    await b.sink(9000, 1000, 200, () => a.gsoSend('10.42.0.2', 9000, 1000, 200, 20));
    await a.floodMacs(5000, 'ff:ff:ff:ff:ff:ff', 20_000);
    await third.namespace.ip('link', 'set', 'eth0', 'down');
    await a.floodMacs(100, 'ff:ff:ff:ff:ff:ff', 20_000);
    await a.floodMacs(100, '01:80:c2:00:00:00', 20_000);

    for (const host of [h1, h2]) {
      const { frames } = await settled(host);
      expect(frames.received).toBe(frames.unicast + frames.flooded + frames.consumed + frames.dropped);
      expect(frames.queued).toBe(frames.sent + frames.droppedEgress);
      expect(frames.received).toBeGreaterThan(5000);
    }
    expect(await h1.dropped('port_down')).toBeGreaterThanOrEqual(100);
    expect(await h1.dropped('reserved_group')).toBe(100);
  });

  it('agree between the two ends of the underlay', async () => {
    const { h1, h2, a } = pair;
    // The hosts speak to each other at any time, also between two readings: only what stands still is of one moment.
    const counters = () => {
      let last = '';
      return until('nothing is under way', async () => {
        const [there] = await h1.peers();
        const [here] = await h2.peers();
        const now = { sent: there?.counters?.txFrames ?? 0, received: here?.counters?.rxFrames ?? 0 };
        const still = JSON.stringify(now) === last;
        last = JSON.stringify(now);
        return still && now;
      });
    };
    const before = await counters();
    expect(await a.ping('10.42.0.2', { count: 50 })).toBe(true);
    const after = await counters();
    expect(after.sent - before.sent).toBeGreaterThanOrEqual(50);
    expect(after.received - before.received).toBe(after.sent - before.sent);
  });
});

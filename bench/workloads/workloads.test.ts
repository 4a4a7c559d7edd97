import { describe, expect, it } from 'vitest';
import { Meter } from '../meter.js';
import { parseConnections } from './connections.js';
import { workloads } from './index.js';
import { parseRoundTrips } from './round-trips.js';

describe('the workloads', () => {
  const all = workloads(new Meter());

  it('have keys of their own, none of which is a group', () => {
    const keys = all.map(({ key }) => key);
    const groups = new Set(all.map(({ group }) => group));
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys.filter((key) => groups.has(key))).toEqual([]);
  });

  it('are measured in weft, whatever else takes part', () => {
    expect(all.filter(({ systems }) => systems !== undefined && !systems.includes('weft'))).toEqual([]);
  });

  it('ask every system only for what a whole run has the time for', () => {
    expect(all.filter(({ systems }) => systems === undefined).length).toBeLessThanOrEqual(20);
  });
});

describe('what round trips and connections end with', () => {
  it('is read', () => {
    const trips = { requests: 10, lost: 0, mean: 30, p50: 28, p90: 40, p99: 90, p999: 100, max: 120 };
    expect(parseRoundTrips(`${JSON.stringify(trips)}\n`)).toMatchObject({ requests: 10, p50: 28 });
    const connections = { connections: 9, seconds: 1, perSecond: 9, failed: 0, p50: 1, p99: 2, p999: 3 };
    expect(parseConnections(JSON.stringify(connections)).perSecond).toBe(9);
    expect(() => parseConnections('')).toThrow();
  });
});

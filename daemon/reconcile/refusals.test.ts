import { expect, it } from 'vitest';
import type { NamedCounters } from '../datapath/datapath.js';
import { Refusals } from './refusals.js';

const counters = (ports: Record<string, [number, number, number]>) =>
  ({
    ports: new Map(Object.entries(ports).map(([id, refused]) => [id, { refused }])),
  }) as unknown as NamedCounters;

it('names the ports of which something was refused in the last minute', () => {
  let now = 0;
  const refusals = new Refusals(() => now);
  expect([...refusals.current(counters({ a: [0, 0, 0], b: [0, 1, 0] }))]).toEqual(['b']);
  now = 59_000;
  expect([...refusals.current(counters({ a: [1, 0, 0], b: [0, 1, 0] }))].sort()).toEqual(['a', 'b']);
  now = 61_000;
  expect([...refusals.current(counters({ a: [1, 0, 0], b: [0, 1, 0] }))]).toEqual(['a']);
  now = 200_000;
  expect([...refusals.current(counters({ a: [1, 0, 0], b: [0, 1, 0] }))]).toEqual([]);
});

it('knows a port that counts from zero again, and forgets one that is gone', () => {
  const refusals = new Refusals(() => 100_000);
  refusals.current(counters({ a: [0, 0, 5] }));
  expect([...refusals.current(counters({ a: [0, 0, 1] }))]).toEqual(['a']);
  expect([...refusals.current(counters({}))]).toEqual([]);
  expect([...refusals.current(counters({ a: [0, 0, 0] }))]).toEqual([]);
});

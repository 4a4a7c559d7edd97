/** A round that throws: told of once, and over with the first one that does not. */
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { FakeNative } from '../datapath/fake_native.js';
import { buildWorld } from './testing/world.js';

it('is in the log when it comes and when it is over, and not at every round', async () => {
  const native = new FakeNative();
  const lines: string[] = [];
  const log = pino({}, { write: (line: string) => lines.push((JSON.parse(line) as { msg: string }).msg) });
  const { reconciler } = buildWorld({ native, config: '', log });
  const round = () => reconciler.settle().catch(() => undefined);
  await round();
  lines.length = 0;

  const { counters } = native.engine;
  native.engine.counters = () => {
    throw new Error('no counters');
  };
  for (let rounds = 0; rounds < 3; rounds++) await round();
  const sentence = 'what should be could not be compared with what is: no counters';
  expect(lines).toEqual(['a reconcile round failed', sentence]);
  expect(reconciler.findings.map(({ code }) => code)).toEqual(['ROUND_FAILED']);

  native.engine.counters = counters;
  for (let rounds = 0; rounds < 3; rounds++) await round();
  expect(lines.slice(2)).toEqual([`over: ${sentence}`]);
  await reconciler.stop();
});

import { describe, expect, it } from 'vitest';
import type { Measurement, Reading } from './measurements.js';
import type { Pair } from './pair.js';
import { MAX_REPEATS, runRounds, STEAL_LIMIT, type Step } from './rounds.js';

const pairs: Pair[] = ['kernel', 'weft'].map((name) => ({
  name,
  client: 'a',
  server: 'b',
  serverAddress: '::1',
}));

function measure(steal: (pair: Pair) => number, log: string[]): Measurement {
  return {
    key: 'tcp',
    title: 'TCP',
    unit: 'Gbit/s',
    higherIsBetter: true,
    costUnit: null,
    run: (pair): Promise<Reading> => {
      log.push(pair.name);
      const cpu = { busyCpus: 1, stealShare: steal(pair) };
      return Promise.resolve({ value: log.length, cost: null, cpu, details: {} });
    },
  };
}

describe('runRounds', () => {
  it('interleaves the pairs and goes backwards every other round', async () => {
    const log: string[] = [];
    const steps: Step[] = [];
    const series = await runRounds(pairs, [measure(() => 0, log)], {
      rounds: 3,
      seconds: 1,
      onStep: (step) => steps.push(step),
    });
    expect(log).toEqual(['kernel', 'weft', 'weft', 'kernel', 'kernel', 'weft']);
    expect(series[0]?.rounds).toHaveLength(3);
    expect(series[0]?.discarded).toBe(0);
    expect(steps.at(-1)?.done).toBe(1);
  });

  it('takes a reading again that steal has spoilt, and keeps the clean one', async () => {
    const log: string[] = [];
    const stealOnce = () => (log.length === 1 ? STEAL_LIMIT * 2 : 0);
    const series = await runRounds(pairs, [measure(stealOnce, log)], {
      rounds: 1,
      seconds: 1,
      onStep: () => undefined,
    });
    expect(log).toEqual(['kernel', 'kernel', 'weft']);
    expect(series[0]?.discarded).toBe(1);
    expect(series[0]?.rounds[0]?.kernel?.value).toBe(2);
  });

  it('gives a reading up after a bounded number of attempts and goes on', async () => {
    const log: string[] = [];
    const stolen = (pair: Pair) => (pair.name === 'kernel' ? 0.5 : 0);
    const series = await runRounds(pairs, [measure(stolen, log)], {
      rounds: 1,
      seconds: 1,
      onStep: () => undefined,
    });
    expect(log.filter((name) => name === 'kernel')).toHaveLength(MAX_REPEATS + 1);
    expect(series[0]?.rounds[0]?.kernel).toBeNull();
    expect(series[0]?.rounds[0]?.weft).not.toBeNull();
  });
});

import { describe, expect, it } from 'vitest';
import type { Measurement, Reading } from './measurements.js';
import { disturbance, MAX_REPEATS, runRounds, type Step } from './rounds.js';

interface Named {
  name: string;
}

const pairs: Named[] = [{ name: 'kernel' }, { name: 'weft' }];

function measure(steal: (pair: Named) => number, log: string[]): Measurement<Named> {
  return {
    key: 'tcp',
    title: 'TCP',
    unit: 'Gbit/s',
    higherIsBetter: true,
    costUnit: 'CPU s',
    run: (pair): Promise<Reading> => {
      log.push(pair.name);
      const cpu = { busyCpus: 1, stealShare: steal(pair), otherCpus: 0 };
      return Promise.resolve({ value: log.length, cost: 1, cpu, details: {} });
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
      keepDisturbed: false,
      onStep: (step) => steps.push(step),
    });
    expect(log).toEqual(['kernel', 'weft', 'weft', 'kernel', 'kernel', 'weft']);
    expect(series[0]?.rounds).toHaveLength(3);
    expect(series[0]?.discarded).toBe(0);
    expect(steps.at(-1)?.done).toBe(1);
  });

  it('takes a reading again that steal has spoilt, and keeps the clean one', async () => {
    const log: string[] = [];
    const stealOnce = () => (log.length === 1 ? 0.02 : 0);
    const series = await runRounds(pairs, [measure(stealOnce, log)], {
      rounds: 1,
      seconds: 1,
      keepDisturbed: false,
      onStep: () => undefined,
    });
    expect(log).toEqual(['kernel', 'kernel', 'weft']);
    expect(series[0]?.discarded).toBe(1);
    expect(series[0]?.rounds[0]?.kernel?.value).toBe(2);
  });

  it('gives a reading up after a bounded number of attempts and goes on', async () => {
    const log: string[] = [];
    const stolen = (pair: Named) => (pair.name === 'kernel' ? 0.5 : 0);
    const series = await runRounds(pairs, [measure(stolen, log)], {
      rounds: 1,
      seconds: 1,
      keepDisturbed: false,
      onStep: () => undefined,
    });
    expect(log.filter((name) => name === 'kernel')).toHaveLength(MAX_REPEATS + 1);
    expect(series[0]?.rounds[0]?.kernel).toBeNull();
    expect(series[0]?.rounds[0]?.weft).not.toBeNull();
  });
});

describe('runRounds with keepDisturbed', () => {
  it('counts the first reading, whatever happened meanwhile', async () => {
    const log: string[] = [];
    const series = await runRounds(pairs, [measure(() => 0.5, log)], {
      rounds: 1,
      seconds: 1,
      keepDisturbed: true,
      onStep: () => undefined,
    });
    expect(log).toEqual(['kernel', 'weft']);
    expect(series[0]?.discarded).toBe(0);
  });
});

describe('disturbance', () => {
  it.each([
    [{ stealShare: 0.02, otherCpus: 0 }, '2.0 % steal'],
    [{ stealShare: 0, otherCpus: 0.25 }, 'other programs on 0.25 CPUs'],
    [{ stealShare: 0.01, otherCpus: 0.1 }, null],
  ])('of %j', (cpu, reason) => {
    expect(disturbance({ busyCpus: 2, ...cpu })).toBe(reason);
  });
});

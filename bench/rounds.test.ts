import { describe, expect, it } from 'vitest';
import {
  disturbance,
  MAX_FAILURES,
  MAX_REPEATS,
  type RoundOptions,
  runRounds,
  type Step,
  type Trial,
} from './rounds.js';
import type { Figure, Reading } from './workloads/workload.js';

const tcp: Figure = {
  key: 'tcp-1',
  group: 'tcp',
  title: 'TCP',
  unit: 'Gbit/s',
  higherIsBetter: true,
  costUnit: 'CPU s',
};
const rr: Figure = { ...tcp, key: 'tcp-rr', group: 'latency' };

function reading(value: number, stealShare = 0): Reading {
  const cpu = { busyCpus: 1, stealShare, otherCpus: 0, workCpus: 1, daemonCpus: 0 };
  return { value, cost: 1, cpu, details: {} };
}

/** Trials that note who was measured, and give the number of readings so far as their value. */
function trials(
  log: string[],
  figures: readonly Figure[],
  run: (system: string) => Reading | Error,
): Trial[] {
  return figures.flatMap((figure) =>
    ['weft', 'kernel'].map((system) => ({
      figure,
      system,
      reason: null,
      run: () => {
        log.push(`${figure.key} ${system}`);
        const result = run(system);
        if (result instanceof Error) return Promise.reject(result);
        return Promise.resolve({ reading: result, during: result.cpu });
      },
    })),
  );
}

function options(changes: Partial<RoundOptions>): RoundOptions {
  return { rounds: 1, seconds: 1, keepDisturbed: false, onStep: () => undefined, ...changes };
}

describe('runRounds', () => {
  it('interleaves the systems and goes backwards every other round', async () => {
    const log: string[] = [];
    const steps: Step[] = [];
    const series = await runRounds(
      trials(log, [tcp, rr], () => reading(log.length)),
      options({ rounds: 2, onStep: (step) => steps.push(step) }),
    );
    expect(log).toEqual([
      ...['tcp-1 weft', 'tcp-1 kernel', 'tcp-rr weft', 'tcp-rr kernel'],
      ...['tcp-1 kernel', 'tcp-1 weft', 'tcp-rr kernel', 'tcp-rr weft'],
    ]);
    expect(series.map((one) => [one.figure, one.system])).toEqual([
      ...[
        ['tcp-1', 'weft'],
        ['tcp-1', 'kernel'],
      ],
      ...[
        ['tcp-rr', 'weft'],
        ['tcp-rr', 'kernel'],
      ],
    ]);
    expect(series[0]?.readings.map((one) => one?.value)).toEqual([1, 6]);
    expect(series[0]).toMatchObject({ discarded: 0, reason: null });
    expect(steps.at(-1)).toMatchObject({ done: 1, millisecondsLeft: 0 });
  });

  it('takes a reading again that steal has spoilt, and keeps the clean one', async () => {
    const log: string[] = [];
    const series = await runRounds(
      trials(log, [tcp], () => reading(log.length, log.length === 1 ? 0.02 : 0)),
      options({}),
    );
    expect(log).toEqual(['tcp-1 weft', 'tcp-1 weft', 'tcp-1 kernel']);
    expect(series[0]).toMatchObject({ discarded: 1, readings: [{ value: 2 }] });
  });

  it('gives a reading up after a bounded number of attempts, says why, and goes on', async () => {
    const log: string[] = [];
    const series = await runRounds(
      trials(log, [tcp], (system) => reading(1, system === 'kernel' ? 0.5 : 0)),
      options({}),
    );
    expect(log.filter((name) => name === 'tcp-1 kernel')).toHaveLength(MAX_REPEATS + 1);
    expect(series[1]).toMatchObject({ readings: [null], reason: 'disturbed: 50.0 % steal' });
    expect(series[0]).toMatchObject({ readings: [{ value: 1 }], reason: null });
  });

  it('judges a reading by what the machine did while it was taken, not by what it tells', async () => {
    const spoilt = reading(1, 0.5);
    const plan = trials([], [tcp], () => new Error('not asked')).map(
      (trial, index): Trial => ({
        ...trial,
        run: () =>
          Promise.resolve(
            index === 0
              ? { reading: { ...spoilt, cpu: null }, during: spoilt.cpu }
              : { reading: spoilt, during: null },
          ),
      }),
    );
    const series = await runRounds(plan, options({}));
    expect(series[0]).toMatchObject({ readings: [null], reason: 'disturbed: 50.0 % steal' });
    expect(series[1]).toMatchObject({ readings: [{ value: 1 }], reason: null });
  });

  it('counts the first reading, whatever happened meanwhile, where it is told to', async () => {
    const log: string[] = [];
    const series = await runRounds(
      trials(log, [tcp], () => reading(1, 0.5)),
      options({ keepDisturbed: true }),
    );
    expect(log).toEqual(['tcp-1 weft', 'tcp-1 kernel']);
    expect(series[0]?.discarded).toBe(0);
  });

  it('notes a system that fails, tries it no further than it must, and goes on with the others', async () => {
    const log: string[] = [];
    const steps: Step[] = [];
    const run = (system: string) => (system === 'kernel' ? new Error('no route\nto host') : reading(1));
    const series = await runRounds(
      trials(log, [tcp], run),
      options({ rounds: 5, onStep: (step) => steps.push(step) }),
    );
    expect(log.filter((name) => name === 'tcp-1 kernel')).toHaveLength(MAX_FAILURES);
    expect(series[1]?.readings).toEqual([null, null, null, null, null]);
    expect(series[1]?.reason).toBe('failed: no route / to host');
    expect(series[0]?.readings.every((one) => one?.value === 1)).toBe(true);
    expect(steps).toContainEqual(
      expect.objectContaining({ reading: null, trouble: 'failed: no route / to host' }),
    );
  });

  it('ends with the failure that comes from an interruption', async () => {
    const run = () => new Error('killed');
    await expect(runRounds(trials([], [tcp], run), options({ interrupted: () => true }))).rejects.toThrow(
      'killed',
    );
  });

  it('leaves out what cannot be measured, and limits the rounds of what is slow', async () => {
    const log: string[] = [];
    const [weft, kernel] = trials(log, [tcp], () => reading(1)) as [Trial, Trial];
    const plan = [
      { ...weft, maxRounds: 2 },
      { ...kernel, run: null, reason: 'carries IP packets only' },
    ];
    const series = await runRounds(plan, options({ rounds: 4 }));
    expect(log).toHaveLength(2);
    expect(series[0]?.readings).toHaveLength(2);
    expect(series[1]).toMatchObject({ readings: [], reason: 'carries IP packets only' });
  });

  it('knows the time that is left by what each reading took before', async () => {
    let clock = 0;
    const left: number[] = [];
    const run = (system: string) => {
      clock += system === 'weft' ? 1000 : 3000;
      return reading(1);
    };
    const onStep = (step: Step) => left.push(step.millisecondsLeft);
    const plan: number[][] = [];
    const onPlan = (...told: number[]) => plan.push(told);
    await runRounds(trials([], [tcp], run), options({ rounds: 2, onStep, onPlan, now: () => clock }));
    expect(plan).toEqual([[4, 12_000]]);
    expect(left).toEqual([3000, 4000, 1000, 0]);
  });
});

describe('a reading', () => {
  it('fails when it is no number, and has no cost when that is none', async () => {
    const none = await runRounds(
      trials([], [tcp], () => reading(Number.NaN)),
      options({}),
    );
    expect(none[0]).toMatchObject({ readings: [null], reason: 'failed: the reading is no number' });
    const free = await runRounds(
      trials([], [tcp], () => ({ ...reading(1), cost: 0 })),
      options({}),
    );
    expect(free[0]?.readings).toMatchObject([{ value: 1, cost: null }]);
  });
});

describe('disturbance', () => {
  it.each([
    [{ stealShare: 0.02, otherCpus: 0 }, '2.0 % steal'],
    [{ stealShare: 0, otherCpus: 0.25 }, 'other programs on 0.25 CPUs'],
    [{ stealShare: 0.01, otherCpus: 0.1 }, null],
  ])('of %j', (cpu, reason) => {
    expect(disturbance({ busyCpus: 2, workCpus: 1, daemonCpus: 0, ...cpu })).toBe(reason);
  });
});

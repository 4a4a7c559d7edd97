import type { CpuUse } from './machine.js';
import type { Measurement, MeasurementKey, Reading } from './measurements.js';

/** Above this share of stolen time a reading says more about the hypervisor than about what was measured. */
const STEAL_LIMIT = 0.01;
/** Above this, CPUs of programs that are not ours take part in what is measured. */
const OTHER_CPUS_LIMIT = 0.1;
/** How often one reading is taken again when it was disturbed, before its round goes without. */
export const MAX_REPEATS = 3;

/** Why a reading should not count; null when it should. */
export function disturbance({ stealShare, otherCpus }: CpuUse): string | null {
  if (stealShare > STEAL_LIMIT) return `${(stealShare * 100).toFixed(1)} % steal`;
  if (otherCpus > OTHER_CPUS_LIMIT) return `other programs on ${otherCpus.toFixed(2)} CPUs`;
  return null;
}

export interface Series {
  measurement: MeasurementKey;
  /** A reading a round for each pair by its name; null where every attempt was disturbed. */
  rounds: Record<string, Reading | null>[];
  /** Readings thrown away because they were disturbed. */
  discarded: number;
}

export interface Step {
  pair: string;
  measurement: Pick<Measurement, 'title' | 'unit'>;
  reading: Reading;
  disturbance: string | null;
  kept: boolean;
  /** 0 to 1, of the planned readings. */
  done: number;
}

/**
 * Takes every measurement of every pair in turn, round by round, so that what changes on the machine meanwhile meets all of them.
 * Every other round goes through the pairs backwards.
 */
export async function runRounds<P extends { readonly name: string }>(
  pairs: readonly P[],
  measurements: readonly Measurement<P>[],
  options: { rounds: number; seconds: number; keepDisturbed: boolean; onStep: (step: Step) => void },
): Promise<Series[]> {
  const plan = measurements.map((measurement) => {
    const series: Series = { measurement: measurement.key, rounds: [], discarded: 0 };
    return { measurement, series };
  });
  const planned = options.rounds * measurements.length * pairs.length;
  let taken = 0;
  for (let round = 0; round < options.rounds; round += 1) {
    const order = round % 2 === 0 ? pairs : pairs.toReversed();
    for (const { measurement, series } of plan) {
      const readings: Record<string, Reading | null> = {};
      for (const pair of order) {
        taken += 1;
        readings[pair.name] = await undisturbed(pair, measurement, series, taken / planned);
      }
      series.rounds.push(readings);
    }
  }
  return plan.map(({ series }) => series);

  async function undisturbed(pair: P, measurement: Measurement<P>, series: Series, done: number) {
    for (let attempt = 0; attempt <= MAX_REPEATS; attempt += 1) {
      const reading = await measurement.run(pair, options.seconds);
      const spoilt = disturbance(reading.cpu);
      const kept = spoilt === null || options.keepDisturbed;
      options.onStep({ pair: pair.name, measurement, reading, disturbance: spoilt, kept, done });
      if (kept) return reading;
      series.discarded += 1;
    }
    return null;
  }
}

import type { Measurement, MeasurementKey, Reading } from './measurements.js';
import type { Pair } from './pair.js';

/** Above this share of stolen time a reading says more about the hypervisor than about what was measured. */
export const STEAL_LIMIT = 0.01;
/** How often one reading is taken again because of steal, before its round goes without. */
export const MAX_REPEATS = 3;

export interface Series {
  measurement: MeasurementKey;
  /** A reading a round for each pair by its name; null where steal spoilt every attempt. */
  rounds: Record<string, Reading | null>[];
  /** Readings thrown away because of steal. */
  discarded: number;
}

export interface Step {
  pair: string;
  measurement: Measurement;
  reading: Reading;
  kept: boolean;
  /** 0 to 1, of the planned readings. */
  done: number;
}

/**
 * Takes every measurement of every pair in turn, round by round, so that what changes on the machine meanwhile meets all of them.
 * Every other round goes through the pairs backwards.
 */
export async function runRounds(
  pairs: readonly Pair[],
  measurements: readonly Measurement[],
  options: { rounds: number; seconds: number; onStep: (step: Step) => void },
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

  async function undisturbed(pair: Pair, measurement: Measurement, series: Series, done: number) {
    for (let attempt = 0; attempt <= MAX_REPEATS; attempt += 1) {
      const reading = await measurement.run(pair, options.seconds);
      const kept = reading.cpu.stealShare <= STEAL_LIMIT;
      options.onStep({ pair: pair.name, measurement, reading, kept, done });
      if (kept) return reading;
      series.discarded += 1;
    }
    return null;
  }
}

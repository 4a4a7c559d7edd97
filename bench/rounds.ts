import type { CpuUse } from './machine.js';
import { reasonOf } from './reason.js';
import type { Figure, Reading } from './workloads/workload.js';

/** Above this share of stolen time a reading says more about the hypervisor than about what was measured. */
const STEAL_LIMIT = 0.01;
/** Above this, CPUs of programs that are not ours take part in what is measured. */
const OTHER_CPUS_LIMIT = 0.1;
/** How often one reading is taken again when it was disturbed, before its round goes without. */
export const MAX_REPEATS = 3;
/** A trial that has failed so often without a reading in between is not tried again. */
export const MAX_FAILURES = 2;
/** What a reading takes besides its seconds, as long as none has been seen. */
const OVERHEAD_SECONDS = 2;

/** Why a reading should not count; null when it should. */
export function disturbance({ stealShare, otherCpus }: CpuUse): string | null {
  if (stealShare > STEAL_LIMIT) return `${(stealShare * 100).toFixed(1)} % steal`;
  if (otherCpus > OTHER_CPUS_LIMIT) return `other programs on ${otherCpus.toFixed(2)} CPUs`;
  return null;
}

/** A reading, and what the machine did while it was taken; null where that makes no difference to it. */
export interface Taken {
  reading: Reading;
  during: CpuUse | null;
}

/** One figure of one system. */
export interface Trial {
  figure: Figure;
  system: string;
  /** Null where the system cannot be measured so; `reason` says why. */
  run: ((seconds: number) => Promise<Taken>) | null;
  reason: string | null;
  /** Rounds after this many go without; all where it is absent. */
  maxRounds?: number;
}

/** What the rounds gave of one trial. */
export interface Series {
  figure: string;
  system: string;
  /** One a round; null where it was disturbed, failed, or was not taken. */
  readings: (Reading | null)[];
  /** Readings thrown away because they were disturbed. */
  discarded: number;
  /** Why readings are missing, the last reason of several; null where none is. */
  reason: string | null;
}

/** What has just been measured, for whoever watches. */
export interface Step {
  system: string;
  figure: Pick<Figure, 'title' | 'unit'>;
  /** Null where it failed. */
  reading: Reading | null;
  /** What disturbed or stopped it. */
  trouble: string | null;
  kept: boolean;
  /** 0 to 1, of the planned readings. */
  done: number;
  /** What the rest will take, at the pace so far. */
  millisecondsLeft: number;
}

export interface RoundOptions {
  rounds: number;
  seconds: number;
  keepDisturbed: boolean;
  onStep: (step: Step) => void;
  /** Told before the first reading how many there will be, and what they will take if none is disturbed. */
  onPlan?: (readings: number, milliseconds: number) => void;
  /** Asked after a failure: true where the run is being ended and the failure comes from that. */
  interrupted?: () => boolean;
  now?: () => number;
}

interface Track {
  trial: Trial;
  series: Series;
  failures: number;
  /** How long its last reading took; null before the first. */
  lastMilliseconds: number | null;
}

/**
 * Takes every figure of every system in turn, round by round, so that what changes on the machine meanwhile meets all of them.
 * Every other round goes through the systems backwards. A trial that fails is noted, and the rest goes on.
 */
export async function runRounds(trials: readonly Trial[], options: RoundOptions): Promise<Series[]> {
  const now = options.now ?? Date.now;
  const tracks = trials.map((trial): Track => {
    const { figure, system, reason } = trial;
    const series: Series = { figure: figure.key, system, readings: [], discarded: 0, reason };
    return { trial, series, failures: 0, lastMilliseconds: null };
  });
  const figures = [...new Set(trials.map(({ figure }) => figure))];
  const plan = Array.from({ length: options.rounds }, (_, round) =>
    figures.flatMap((figure) => {
      const systems = tracks.filter(({ trial }) => trial.figure === figure && wanted(trial, round));
      return round % 2 === 0 ? systems : systems.toReversed();
    }),
  );
  const planned = plan.flat();
  let taken = 0;
  options.onPlan?.(
    planned.length,
    planned.reduce((sum, track) => sum + expected(track), 0),
  );
  for (const round of plan) {
    for (const track of round) {
      taken += 1;
      track.series.readings.push(track.failures < MAX_FAILURES ? await take(track) : null);
    }
  }
  return tracks.map(({ series }) => series);

  async function take(track: Track): Promise<Reading | null> {
    const { trial, series } = track;
    for (let attempt = 0; attempt <= MAX_REPEATS; attempt += 1) {
      const start = now();
      let reading: Reading;
      let during: CpuUse | null;
      try {
        if (trial.run === null) return null;
        const taken = await trial.run(options.seconds);
        reading = checked(taken.reading);
        during = taken.during;
      } catch (error) {
        if (options.interrupted?.() === true) throw error;
        track.failures += 1;
        series.reason = `failed: ${reasonOf(error)}`;
        tell(trial, null, series.reason, false);
        return null;
      }
      track.failures = 0;
      track.lastMilliseconds = now() - start;
      const spoilt = during === null ? null : disturbance(during);
      const kept = spoilt === null || options.keepDisturbed;
      tell(trial, reading, spoilt, kept);
      if (kept) return reading;
      series.discarded += 1;
      series.reason = `disturbed: ${spoilt}`;
    }
    return null;
  }

  function tell(trial: Trial, reading: Reading | null, trouble: string | null, kept: boolean): void {
    const { figure, system } = trial;
    const millisecondsLeft = planned.slice(taken).reduce((sum, track) => sum + expected(track), 0);
    options.onStep({
      system,
      figure,
      reading,
      trouble,
      kept,
      done: taken / planned.length,
      millisecondsLeft,
    });
  }

  /** What the next reading of a trial will take: as long as its last, or as that of another system. */
  function expected(track: Track): number {
    if (track.failures >= MAX_FAILURES) return 0;
    if (track.lastMilliseconds !== null) return track.lastMilliseconds;
    const other = tracks.find(
      ({ trial, lastMilliseconds }) => trial.figure === track.trial.figure && lastMilliseconds !== null,
    );
    return other?.lastMilliseconds ?? (options.seconds + OVERHEAD_SECONDS) * 1000;
  }
}

function wanted({ run, maxRounds }: Trial, round: number): boolean {
  return run !== null && (maxRounds === undefined || round < maxRounds);
}

/** A cost of nothing is one that could not be told: others took all of the CPUs, by the estimate of what they use. */
function checked(reading: Reading): Reading {
  if (!Number.isFinite(reading.value)) throw new Error('the reading is no number');
  const { cost } = reading;
  return { ...reading, cost: cost !== null && Number.isFinite(cost) && cost > 0 ? cost : null };
}

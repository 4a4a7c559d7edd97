import type { Lab } from '../lab/lab.js';
import { bridgeFirewall, describeMachine } from './machine.js';
import { machineName } from './machine-name.js';
import type { Meter } from './meter.js';
import type { BenchOptions } from './options.js';
import { duration, progress } from './progress.js';
import { RESULT_FORMAT, type Result } from './results.js';
import { runRounds } from './rounds.js';
import type { System } from './systems/system.js';
import { experimentTrials, type Participant, participate, workloadTrials } from './trials.js';
import type { Experiment, Workload } from './workloads/workload.js';

const IDLE_SECONDS = 3;

/** Everything that can be measured. */
export interface Equipment {
  /** The first is the one that the others are compared with. */
  systems: readonly System[];
  workloads: readonly Workload[];
  experiments: readonly Experiment[];
  meter: Meter;
  /** What the checkout is at now, as a result tells it. */
  commit: () => string | null;
}

/** Makes the systems that were asked for, measures them, and tells how it goes on `out`. */
export async function measure(
  lab: Lab,
  { systems, workloads, experiments, meter, ...equipment }: Equipment,
  options: BenchOptions,
  out: NodeJS.WritableStream,
): Promise<Result> {
  const start = Date.now();
  // What was built, not what others commit during two hours.
  const commit = equipment.commit();
  const traffic = workloads.filter(({ key }) => options.only.includes(key));
  const chosen = experiments.filter(({ key }) => options.only.includes(key));
  const participants: Participant[] = [];
  for (const system of systems.filter(({ key }) => options.systems.includes(key))) {
    const participant = await participate(lab, system, meter, traffic.length > 0);
    participants.push(participant);
    const { failure, version } = participant;
    out.write(`${system.key.padEnd(12)} ${failure === null ? version : `cannot be measured: ${failure}`}\n`);
    if (failure !== null && system === systems[0]) {
      throw new Error(`${system.key} cannot be measured: ${failure}`);
    }
  }
  await meter.calibrate(IDLE_SECONDS);
  const trials = [
    ...workloadTrials(traffic, participants),
    ...experimentTrials(chosen, options.systems, meter),
  ];
  const { rounds, seconds, keepDisturbed } = options;
  const series = await runRounds(trials, {
    ...{ rounds, seconds, keepDisturbed },
    onStep: progress(out),
    onPlan: (readings, milliseconds) =>
      out.write(`${readings} readings, ${duration(milliseconds)} if none is disturbed\n`),
    interrupted: () => lab.interrupted,
  });
  out.write(`measured in ${duration(Date.now() - start)}\n`);
  const spoilt = series.filter(
    ({ readings, discarded }) => discarded > 0 && readings.every((one) => one === null),
  );
  if (spoilt.length > 0) {
    out.write(
      `${spoilt.length} of ${series.length} rows have no reading that was left alone: end other programs, or count disturbed ` +
        'ones by --keep-disturbed\n',
    );
  }
  const machine = { ...describeMachine(), bridgeFirewall: await bridgeFirewall(lab.namespaces[0]) };
  return {
    format: RESULT_FORMAT,
    date: new Date().toISOString(),
    commit,
    machine: { name: options.machine ?? machineName(machine.cpus, machine.model), ...machine },
    ...{ rounds, seconds, keepDisturbed },
    idleCpus: meter.idleCpus,
    subject: systems[0]?.key ?? '',
    systems: participants.map(({ system: { key, title, layer }, version, guestMtu, failure }) => ({
      ...{ key, title, layer, version, guestMtu, failure },
    })),
    figures: [...traffic, ...chosen].map(({ key, group, title, unit, higherIsBetter, costUnit }) => ({
      ...{ key, group, title, unit, higherIsBetter, costUnit },
    })),
    series,
  };
}

import { Lab } from '../lab/lab.js';
import type { Meter } from './meter.js';
import { reasonOf } from './reason.js';
import type { Trial } from './rounds.js';
import type { Bed, System } from './systems/system.js';
import type { Experiment, Workload } from './workloads/workload.js';

const OPEN_SECONDS = 180;
const REACH_SECONDS = 30;

/** A system that takes part in a run, and how it is there. */
export interface Participant {
  system: System;
  version: string;
  /** Null where it could not be made, or where no workload asked for it. */
  bed: Bed | null;
  /** Bytes of IP in the guests' packets; null without a bed. */
  guestMtu: number | null;
  /** Why it has no bed although one was asked for. */
  failure: string | null;
}

/**
 * Makes the bed of a system, where one is wanted, and checks that its guests reach each other. A failure is told, and ends nothing else.
 */
export async function participate(
  lab: Lab,
  system: System,
  meter: Meter,
  wanted: boolean,
): Promise<Participant> {
  let version = 'unknown version';
  try {
    version = await system.version();
    if (!wanted) return { system, version, bed: null, guestMtu: null, failure: null };
    const bed = await within(OPEN_SECONDS, system.open(lab));
    meter.know(bed);
    await bed.client.reach(bed.serverAddress, REACH_SECONDS);
    await bed.server.reach(bed.clientAddress, REACH_SECONDS);
    if (bed.serverAddress6 !== null) await bed.client.reach(bed.serverAddress6, REACH_SECONDS);
    const guestMtu = Number(await bed.client.sys('mtu', bed.interface));
    return { system, version, bed, guestMtu, failure: null };
  } catch (error) {
    if (lab.interrupted) throw error;
    return { system, version, bed: null, guestMtu: null, failure: reasonOf(error) };
  }
}

/** The trials of workloads: each system in each, in the order of `participants`. */
export function workloadTrials(
  workloads: readonly Workload[],
  participants: readonly Participant[],
): Trial[] {
  return workloads.flatMap((workload) =>
    participants
      .filter(({ system }) => workload.systems?.includes(system.key) ?? true)
      .map((participant): Trial => {
        const { bed, system } = participant;
        const reason = whyNot(workload, participant);
        if (bed === null || reason !== null)
          return { figure: workload, system: system.key, run: null, reason };
        const run = async (seconds: number) => {
          const reading = await workload.run(bed, seconds);
          return { reading, during: reading.cpu };
        };
        return { figure: workload, system: system.key, run, reason, ...atMost(workload.rounds) };
      }),
  );
}

/**
 * The trials of experiments, with each of the systems that it can measure; every reading has a lab of its own. Where an experiment does not
 * tell what the machine did in the time that it measures, all of its time counts: what it starts are children of this process, so that
 * they are no other programs.
 */
export function experimentTrials(
  experiments: readonly Experiment[],
  systems: readonly string[],
  meter: Meter,
  openLab: () => Promise<Lab> = () => Lab.open(),
): Trial[] {
  return experiments.flatMap((experiment) =>
    systems
      .filter((system) => experiment.systems.includes(system))
      .map((system): Trial => {
        const run = async (seconds: number) => {
          const lab = await openLab();
          try {
            const work = () => experiment.run(lab, system, seconds);
            if (experiment.unmoved === true) return { reading: await work(), during: null };
            const { result: reading, cpu } = await meter.timed(null, work);
            return { reading, during: reading.cpu ?? cpu };
          } finally {
            await lab.close();
          }
        };
        return { figure: experiment, system, run, reason: null, ...atMost(experiment.rounds) };
      }),
  );
}

function atMost(rounds: number | undefined): Pick<Trial, 'maxRounds'> {
  return rounds === undefined ? {} : { maxRounds: rounds };
}

/** Why a system cannot be measured by a workload; null where it can. */
function whyNot({ needs }: Workload, { bed, system, failure }: Participant): string | null {
  if (bed === null) return failure ?? 'was not made';
  if (needs.layer2 === true && system.layer !== 2) return 'carries IP packets only';
  if (needs.ipv6 === true && bed.serverAddress6 === null) return 'carries no IPv6 here';
  if (needs.neighbour === true && bed.neighbour === undefined) return 'joins no two guests of one host';
  if (needs.serverNeighbour === true && bed.serverNeighbour === undefined)
    return 'joins no two guests of one host';
  return null;
}

function within<T>(seconds: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not ready after ${seconds} s`)), seconds * 1000);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

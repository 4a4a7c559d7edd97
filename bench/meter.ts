import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CpuSample, type CpuUse, cpuUse, parseCpuTicks } from './machine.js';
import { otherTicks, type ProcessStat, parseProcessStat, readProcesses } from './other-programs.js';

/** What measured work gave, and what it took. */
export interface Timing<T> {
  result: T;
  /** From its begin to its end, by the clock. */
  seconds: number;
  cpu: CpuUse;
  /** CPU seconds of the whole machine above its idle baseline, other programs left out. */
  cpuSeconds: number;
}

/** Something with daemons of its own, such as a bed. */
export interface WithDaemons {
  daemons(): readonly number[];
}

/** Measures CPU time of the whole machine, above what it uses when a run is idle, and that of a system's daemons. */
export class Meter {
  readonly #cpuCount = cpus().length;
  readonly #known: WithDaemons[] = [];
  #idleCpus = 0;

  /** What the machine used when nothing was measured; 0 before {@link calibrate}. */
  get idleCpus(): number {
    return this.#idleCpus;
  }

  /** Counts the daemons of a system as of this run, also where they have left our process tree. */
  know(system: WithDaemons): void {
    this.#known.push(system);
  }

  /** Takes what the machine does now as its idle baseline: every system is ready, and nothing is measured. */
  async calibrate(seconds: number): Promise<void> {
    this.#idleCpus = 0;
    this.#idleCpus = (await this.timed(null, () => sleep(seconds * 1000))).cpu.workCpus;
  }

  /** Runs work of a system; null where no daemon takes part. */
  async timed<T>(system: WithDaemons | null, work: () => Promise<T>): Promise<Timing<T>> {
    const before = this.#sample(system);
    const start = performance.now();
    const result = await work();
    const seconds = (performance.now() - start) / 1000;
    const cpu = cpuUse(before, this.#sample(system), this.#cpuCount, this.#idleCpus);
    return { result, seconds, cpu, cpuSeconds: cpu.workCpus * seconds };
  }

  #sample(system: WithDaemons | null): CpuSample {
    const roots = new Set([process.pid, ...this.#known.flatMap(daemonsOf)]);
    return {
      machine: parseCpuTicks(readFileSync('/proc/stat', 'utf8'), performance.now() / 1000, this.#cpuCount),
      others: otherTicks(readProcesses(), roots),
      daemons: (system?.daemons() ?? []).reduce((sum, pid) => sum + ownTicks(pid), 0),
    };
  }
}

/** None where it cannot tell them any more: what is wrong with one system must not fail the others' readings. */
function daemonsOf(system: WithDaemons): readonly number[] {
  try {
    return system.daemons();
  } catch {
    return [];
  }
}

/** User and system time of all threads of a process; 0 once it has ended. */
function ownTicks(pid: number): number {
  let stat: ProcessStat;
  try {
    stat = parseProcessStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return 0;
  }
  return stat.ownTicks;
}

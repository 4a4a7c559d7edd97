import type { Lab } from '../../lab/lab.js';
import type { CpuUse } from '../machine.js';
import type { Bed } from '../systems/system.js';

/** What one measurement of one system gave. */
export interface Reading {
  /** The figure that is compared, in the workload's unit. */
  value: number;
  /** CPU time of the whole machine above its idle baseline, for one unit of work in the workload's cost unit; null where it has none. */
  cost: number | null;
  /** Null where nothing ran for a time that could be measured, or where CPU time says nothing of the figure. */
  cpu: CpuUse | null;
  /** What else is worth knowing, by the words of the table. */
  details: Record<string, number>;
}

/** What a figure means. */
export interface Figure {
  /** In results; `--only` takes it, and the group. */
  readonly key: string;
  readonly group: string;
  readonly title: string;
  readonly unit: string;
  readonly higherIsBetter: boolean;
  /** Such as `CPU s/GB`; null where CPU time is not compared. */
  readonly costUnit: string | null;
}

/** Traffic between the guests of a bed, the same for every system. */
export interface Workload extends Figure {
  /** What a system must have; the others are shown as not measured. */
  readonly needs: {
    readonly layer2?: boolean;
    readonly ipv6?: boolean;
    readonly neighbour?: boolean;
    readonly serverNeighbour?: boolean;
  };
  /** Keys of the systems that are asked for it, where asking all of them would take too long. */
  readonly systems?: readonly string[];
  /** At most so many rounds, of what is one of many like it; as many as the run has where it is absent. */
  readonly rounds?: number;
  run(bed: Bed, seconds: number): Promise<Reading>;
}

/** What needs hosts of its own, or none: scale, start and recovery, memory, micro-benchmarks. */
export interface Experiment extends Figure {
  /** Keys of the systems that it can measure. */
  readonly systems: readonly string[];
  /** Debian packages that it needs, beside those of the systems. */
  readonly packages?: readonly string[];
  /** True where it comes out the same whoever else is at work, so that no reading is disturbed. */
  readonly unmoved?: boolean;
  /** At most so many rounds, for what takes long and hardly varies; as many as the run has where it is absent. */
  readonly rounds?: number;
  /** Makes what it needs in `lab`, and removes it again. */
  run(lab: Lab, system: string, seconds: number): Promise<Reading>;
}

import { z } from 'zod';
import { benchTool } from '../../lab/checkout.js';
import { run } from '../../lab/command.js';
import type { Experiment, Reading } from './workload.js';

const TIMEOUT_SECONDS = 180;
const Figures = z.record(z.string(), z.number());

/** What the parts of the data plane do in a second of one core's time, without kernel and without Node. */
export function microExperiments(): Experiment[] {
  const figure = { group: 'micro', higherIsBetter: true, costUnit: null, systems: ['weft'], rounds: 3 };
  const fdb = (key: string, title: string, entries: number, name: string): Experiment => ({
    ...{ ...figure, key, title, unit: 'M/s' },
    run: () => figureOf(['fdb_bench', String(entries)], name),
  });
  const offload = (key: string, title: string, name: string): Experiment => ({
    ...{ ...figure, key, title, unit: 'GB/s' },
    run: () => figureOf(['offload_bench'], name),
  });
  return [
    fdb('fdb-1m', 'FDB look-ups, 1 M entries, random hits', 1 << 20, 'find-prefetched'),
    fdb('fdb-16k', 'FDB look-ups, 16 k entries, random hits', 1 << 14, 'find'),
    fdb('fdb-hot', 'FDB look-ups, 256 entries', 1 << 8, 'find'),
    offload('segment', 'Segmenting super-frames of TCP', 'segment, TCP by 1400, GB/s'),
    offload('coalesce', 'Parsing, checking and coalescing TCP', 'parse and coalesce, TCP by 1400, GB/s'),
  ];
}

/** Runs a program that prints all its figures, and gives one as the value, the others as details. */
async function figureOf([program = '', ...args]: readonly string[], name: string): Promise<Reading> {
  const said = await run([benchTool(program), ...args], { timeout: TIMEOUT_SECONDS });
  const { [name]: value, ...details } = Figures.parse(JSON.parse(said));
  if (value === undefined) throw new Error(`${program} does not tell ${name}`);
  return { value, cost: null, cpu: null, details };
}

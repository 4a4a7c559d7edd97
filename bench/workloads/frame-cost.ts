import { z } from 'zod';
import { benchTool } from '../../lab/checkout.js';
import { attempt, CommandError, run } from '../../lab/command.js';
import type { Experiment, Reading } from './workload.js';

const TIMEOUT_SECONDS = 180;
/** Two lengths of a run; what they differ by has nothing of its start in it. */
const SHORT = 50_000;
const LONG = 150_000;
/** For the clock. */
const MANY = 5_000_000;

const Said = z.object({ ns: z.number(), frames: z.number().int().positive() });

const ways = {
  'port-port': 'a 64-byte frame, port to port',
  'port-peer': 'a 64-byte frame, port to peer',
  'peer-port': 'a 64-byte frame, peer to port',
  'port-peer-bulk': 'a TCP segment, port to peer',
  'peer-port-bulk': 'a TCP segment, peer to port',
};

/** What a frame takes of a CPU in weftd's own code, without kernel and without Node. Instructions are the same on every machine. */
export function frameCostExperiments(): Experiment[] {
  return Object.entries(ways).map(([way, what]) => ({
    key: `cost-${way}`,
    group: 'micro',
    title: `Instructions for ${what}`,
    unit: 'instructions',
    higherIsBetter: false,
    costUnit: null,
    systems: ['weft'],
    packages: ['valgrind'],
    unmoved: true,
    rounds: 1,
    run: () => costOf(way),
  }));
}

async function costOf(way: string): Promise<Reading> {
  const short = await counted(way, SHORT);
  const long = await counted(way, LONG);
  const { ns } = Said.parse(JSON.parse(await run(frameCost(way, MANY), { timeout: TIMEOUT_SECONDS })));
  const value = (long.instructions - short.instructions) / (long.frames - short.frames);
  return { value, cost: null, cpu: null, details: { 'ns a frame': ns } };
}

async function counted(way: string, frames: number): Promise<{ instructions: number; frames: number }> {
  const argv = ['valgrind', '--tool=callgrind', '--callgrind-out-file=/dev/null', ...frameCost(way, frames)];
  const output = await attempt(argv, { timeout: TIMEOUT_SECONDS });
  const [, instructions] = /Collected\s*:\s*(\d+)/.exec(output.stderr) ?? [];
  if (output.status !== 0 || instructions === undefined) {
    throw new CommandError(argv, output, 'callgrind counted nothing');
  }
  return { instructions: Number(instructions), frames: Said.parse(JSON.parse(output.stdout)).frames };
}

const frameCost = (way: string, frames: number) => [benchTool('frame_cost'), way, String(frames)];

import yargs from 'yargs';
import { type MeasurementKey, measurementKeys } from './measurements.js';

export interface BenchOptions {
  rounds: number;
  seconds: number;
  only: MeasurementKey[];
  systems: SystemName[];
  keepDisturbed: boolean;
  json: string | null;
}

export const systemNames = ['kernel', 'weft'] as const;
export type SystemName = (typeof systemNames)[number];

/** Parses the command line; prints help or what is wrong, and exits, where that is asked for. */
export async function parseOptions(argv: readonly string[]): Promise<BenchOptions> {
  const parsed = await yargs(argv)
    .scriptName('npm run bench --')
    .usage(
      '$0 [options]\n\nCompares weft with a kernel bridge and vxlan device, side by side, on this machine. Needs root.',
    )
    .option('quick', { type: 'boolean', default: false, describe: '2 rounds of 2 seconds' })
    .option('rounds', { type: 'number', describe: 'Interleaved rounds [5]' })
    .option('seconds', { type: 'number', describe: 'Seconds of one reading [5]' })
    .option('only', {
      type: 'string',
      describe: `Some of ${measurementKeys.join(',')}`,
      coerce: list(measurementKeys),
    })
    .option('systems', {
      type: 'string',
      describe: `Some of ${systemNames.join(',')}`,
      coerce: list(systemNames),
    })
    .option('keep-disturbed', {
      type: 'boolean',
      default: false,
      describe: 'Count readings, too, in which steal or other programs took part',
    })
    .option('json', { type: 'string', describe: 'Also write every reading to this file' })
    .check(({ rounds, seconds }) => {
      if (rounds !== undefined && !(Number.isInteger(rounds) && rounds >= 1))
        throw new Error('--rounds: not a count');
      if (seconds !== undefined && !(seconds >= 1 && seconds <= 3600))
        throw new Error('--seconds: not 1 to 3600');
      return true;
    })
    .version(false)
    .strict()
    .parse();
  return {
    rounds: parsed.rounds ?? (parsed.quick ? 2 : 5),
    seconds: parsed.seconds ?? (parsed.quick ? 2 : 5),
    only: parsed.only ?? [...measurementKeys],
    systems: parsed.systems ?? [...systemNames],
    keepDisturbed: parsed.keepDisturbed,
    json: parsed.json ?? null,
  };
}

function list<T extends string>(known: readonly T[]): (text: string) => T[] {
  return (text) => {
    const asked = text.split(',').filter((item) => item !== '');
    for (const item of asked) {
      if (!known.some((name) => name === item)) throw new Error(`"${item}" is none of ${known.join(', ')}`);
    }
    return known.filter((name) => asked.includes(name));
  };
}

import yargs from 'yargs';

/** What can be chosen, in the order of the tables. */
export interface Catalogue {
  figures: readonly { key: string; group: string }[];
  /** Keys of all systems; the first is the one that the others are compared with, and takes part in every run. */
  systems: readonly string[];
}

export interface BenchOptions {
  rounds: number;
  seconds: number;
  /** Keys of figures. */
  only: string[];
  /** Keys of systems, the subject among them. */
  systems: string[];
  keepDisturbed: boolean;
  json: string | null;
}

/** What a quick run measures: a look at each kind of traffic, beside what is nearest. */
export const quick = {
  rounds: 2,
  seconds: 2,
  only: ['tcp-1', 'tcp-4', 'pps-64b-1f', 'pps-64b-64f', 'tcp-rr'],
  peers: ['kernel', 'fastd'],
};

const full = { rounds: 5, seconds: 5 };

/** Parses the command line; prints help or what is wrong, and exits, where that is asked for. */
export async function parseOptions(argv: readonly string[], catalogue: Catalogue): Promise<BenchOptions> {
  const { figures, systems } = catalogue;
  const keys = figures.map(({ key }) => key);
  const groups = [...new Set(figures.map(({ group }) => group))];
  const [subject = '', ...peers] = systems;
  const choose = (words: readonly string[]) =>
    figures.filter(({ key, group }) => words.includes(key) || words.includes(group)).map(({ key }) => key);
  const parsed = await yargs(argv)
    .scriptName('npm run bench --')
    .usage(
      '$0 [options]\n\nCompares weft with what people would use instead, side by side, on this machine. Needs root.',
    )
    .option('quick', {
      type: 'boolean',
      default: false,
      describe: 'About two minutes: a few figures and peers',
    })
    .option('rounds', { type: 'number', describe: `Interleaved rounds [${full.rounds}]` })
    .option('seconds', { type: 'number', describe: `Seconds of one reading [${full.seconds}]` })
    .option('only', {
      type: 'string',
      describe: `Figures and groups of figures, such as ${groups.join(',')}`,
      coerce: words([...keys, ...groups]),
    })
    .option('peers', {
      type: 'string',
      describe: `Systems beside ${subject}: some of ${peers.join(',')}`,
      coerce: words(peers),
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
  const defaults = parsed.quick ? quick : { ...full, only: keys, peers };
  const chosenPeers = parsed.peers ?? defaults.peers;
  return {
    rounds: parsed.rounds ?? defaults.rounds,
    seconds: parsed.seconds ?? defaults.seconds,
    only: choose(parsed.only ?? defaults.only),
    systems: systems.filter((system) => system === subject || chosenPeers.includes(system)),
    keepDisturbed: parsed.keepDisturbed,
    json: parsed.json ?? null,
  };
}

function words(known: readonly string[]): (text: string) => string[] {
  return (text) => {
    const asked = text.split(',').filter((item) => item !== '');
    for (const item of asked) {
      if (!known.includes(item)) throw new Error(`"${item}" is none of ${known.join(', ')}`);
    }
    return asked;
  };
}

import yargs, { type Argv } from 'yargs';
import { GATE_ROUNDS, GATE_TOLERANCE, gatedFigures, gatePeer } from './gate.js';

/** What can be chosen, in the order of the tables. */
export interface Catalogue {
  figures: readonly { key: string; group: string }[];
  /** Keys of all systems; the first is the one that the others are compared with, and takes part in every run. */
  systems: readonly string[];
}

/** A run. */
export interface BenchOptions {
  rounds: number;
  /** Of one reading. */
  seconds: number;
  /** Keys of figures. */
  only: string[];
  /** Keys of systems, the subject among them. */
  systems: string[];
  keepDisturbed: boolean;
  /** The machine's name; null for one made of its CPUs. */
  machine: string | null;
  /** Whether the result goes to bench/results. */
  save: boolean;
  /** A file that gets the result, too. */
  json: string | null;
  /** Null for a run that is held against no other; its file is null for the newest that is committed. */
  gate: { file: string | null } | null;
}

export type Command =
  | { name: 'run'; options: BenchOptions }
  /** Which packages a run needs. */
  | { name: 'packages'; options: BenchOptions }
  | { name: 'compare'; before: string; after: string; json: boolean }
  | { name: 'report'; file: string; publish: boolean };

/** What a quick run measures: a look at each kind of traffic, beside what is nearest. */
export const quick = {
  rounds: 2,
  seconds: 2,
  only: ['tcp-1', 'tcp-4', 'pps-64b-1f', 'pps-64b-64f', 'tcp-rr'],
  peers: ['kernel', 'fastd'],
};

const full = { rounds: 5, seconds: 3 };
const gate = { ...full, only: gatedFigures, peers: [gatePeer] };

const description = `$0 [OPTION...]
$0 compare A B [--json]
$0 report FILE [--publish]

Measures weft and what people would use instead, side by side on this machine: two hosts of network namespaces for each system, which \
take turns reading by reading. Writes what it found to bench/results as JSON, Markdown and SVG charts, and the Markdown to standard \
output; progress goes to standard error. Measuring needs root; comparing does not.`;

function epilogue({ figures, systems }: Catalogue): string {
  const groups = [...new Set(figures.map(({ group }) => group))];
  const listed = groups.map((group) => {
    const keys = figures.filter((figure) => figure.group === group).map(({ key }) => key);
    return `  ${group.padEnd(10)} ${keys.join(' ')}`;
  });
  return [
    'Figures, by group:',
    ...listed,
    '',
    `Systems: ${systems.join(' ')}`,
    '',
    'Examples:',
    '  sudo npm run bench                  everything',
    '  sudo npm run bench -- --quick       a first look, in about two minutes',
    '  sudo npm run bench -- --gate        is this slower than what is committed?',
    '  sudo npm run bench -- --only tcp,pps-64b-1f --peers kernel,fastd',
    '  npm run bench -- compare bench/results/A.json bench/results/B.json',
    '',
    'Exit status: 0 where something was measured; 1 where nothing could be, or the gate is shut.',
    'docs/performance.md says what the figures mean.',
  ].join('\n');
}

/** Parses the command line; prints help or what is wrong, and exits, where that is asked for. */
export async function parseCommand(argv: readonly string[], catalogue: Catalogue): Promise<Command> {
  let command: Command | undefined;
  await yargs(argv)
    .scriptName('npm run bench --')
    .usage(description)
    .command(
      ['$0', 'run'],
      'Measure (the default)',
      (words) => runOptions(words, catalogue),
      (parsed) => {
        command = { name: 'run', options: toOptions(parsed, catalogue) };
      },
    )
    .command(
      'packages',
      false,
      (words) => runOptions(words, catalogue),
      (parsed) => {
        command = { name: 'packages', options: toOptions(parsed, catalogue) };
      },
    )
    .command(
      'compare <A> <B>',
      'Compare two results: ratios of B to A with 95 % confidence intervals',
      (words) =>
        words
          .positional('A', { type: 'string', demandOption: true, describe: 'The result before' })
          .positional('B', { type: 'string', demandOption: true, describe: 'The result after' })
          .option('json', { type: 'boolean', default: false, describe: 'Print JSON' }),
      ({ A, B, json }) => {
        command = { name: 'compare', before: A, after: B, json };
      },
    )
    .command(
      'report <FILE>',
      'Write the Markdown and the charts of a result anew, beside it',
      (words) =>
        words
          .positional('FILE', { type: 'string', demandOption: true, describe: 'A result' })
          .option('publish', {
            type: 'boolean',
            default: false,
            describe: 'Also show it in docs/performance.md',
          }),
      ({ FILE, publish }) => {
        command = { name: 'report', file: FILE, publish };
      },
    )
    .epilogue(epilogue(catalogue))
    .wrap(100)
    .version(false)
    .strict()
    .parse();
  if (command === undefined) throw new Error('nothing was asked for');
  return command;
}

function runOptions(words: Argv, { figures, systems }: Catalogue) {
  const keys = figures.map(({ key }) => key);
  const groups = [...new Set(figures.map(({ group }) => group))];
  const [subject = '', ...peers] = systems;
  return words
    .option('quick', {
      type: 'boolean',
      default: false,
      describe: `About two minutes: ${quick.rounds} rounds of ${quick.seconds} s, ${quick.only.join(', ')}, beside ${quick.peers.join(' and ')}`,
    })
    .option('only', {
      type: 'string',
      requiresArg: true,
      describe: 'Figures and groups of figures to measure, with commas between them',
      coerce: listOf([...groups, ...keys], 'figure or group'),
    })
    .option('peers', {
      type: 'string',
      requiresArg: true,
      describe: `Systems to measure beside ${subject}, with commas between them; none for ${subject} alone`,
      coerce: (words: string | string[]) => (words === 'none' ? [] : listOf(peers, 'system')(words)),
    })
    .option('rounds', {
      type: 'number',
      requiresArg: true,
      describe: `Interleaved rounds [${full.rounds}]`,
    })
    .option('seconds', {
      type: 'number',
      requiresArg: true,
      describe: `Seconds of one reading [${full.seconds}]`,
    })
    .option('keep-disturbed', {
      type: 'boolean',
      default: false,
      describe: 'Count readings, too, in which other programs or the hypervisor took part',
    })
    .option('gate', {
      type: 'string',
      describe:
        `Measure ${gatedFigures.join(', ')} beside ${gatePeer}, and fail where a ratio is more than ${GATE_TOLERANCE * 100} % ` +
        'below that of FILE [the newest committed result of this machine]',
    })
    .option('machine', {
      type: 'string',
      requiresArg: true,
      describe: "The machine's name in results [made of its CPUs]",
    })
    .option('save', {
      type: 'boolean',
      describe: 'Write the result to bench/results [yes, but for --gate]; --no-save for no',
    })
    .option('json', { type: 'string', requiresArg: true, describe: 'Write the result to this file, too' })
    .check((parsed) => {
      const { rounds, seconds, machine, gate: asked, quick: short } = parsed;
      for (const [name, value] of Object.entries(parsed)) {
        const list = name === '_' || name === 'only' || name === 'peers';
        if (Array.isArray(value) && !list) throw new Error(`--${name}: given more than once`);
      }
      if (rounds !== undefined && !(Number.isInteger(rounds) && rounds >= 1 && rounds <= 1000))
        throw new Error('--rounds: not a count from 1 to 1000');
      // iperf3 takes no fractions.
      if (seconds !== undefined && !(Number.isInteger(seconds) && seconds >= 1 && seconds <= 3600))
        throw new Error('--seconds: not a whole number from 1 to 3600');
      if (machine !== undefined && !/^[a-z0-9][a-z0-9.-]*$/.test(machine))
        throw new Error('--machine: not made of a-z, 0-9, "." and "-"');
      if (asked !== undefined && parsed.peers?.includes(gatePeer) === false)
        throw new Error(`--peers: the gate needs ${gatePeer}`);
      if (asked !== undefined && short) throw new Error('--gate and --quick: choose one');
      if (asked !== undefined && rounds !== undefined && rounds < GATE_ROUNDS)
        throw new Error(`--rounds: the gate needs ${GATE_ROUNDS}`);
      return true;
    });
}

type RunWords = Awaited<ReturnType<typeof runOptions>['argv']>;

function toOptions(parsed: RunWords, { figures, systems }: Catalogue): BenchOptions {
  const [subject = '', ...peers] = systems;
  const everything = { ...full, only: figures.map(({ key }) => key), peers };
  const gated = parsed.gate !== undefined;
  const defaults = gated ? gate : parsed.quick ? quick : everything;
  const asked = parsed.only ?? defaults.only;
  const chosenPeers = parsed.peers ?? defaults.peers;
  return {
    rounds: parsed.rounds ?? defaults.rounds,
    seconds: parsed.seconds ?? defaults.seconds,
    only: figures
      .filter(({ key, group }) => asked.includes(key) || asked.includes(group))
      .map(({ key }) => key),
    systems: systems.filter((system) => system === subject || chosenPeers.includes(system)),
    keepDisturbed: parsed.keepDisturbed,
    machine: parsed.machine ?? null,
    save: parsed.save ?? !gated,
    json: parsed.json ?? null,
    gate: gated ? { file: parsed.gate === '' ? null : (parsed.gate ?? null) } : null,
  };
}

/** Of an option that is given more than once all words count. */
function listOf(known: readonly string[], what: string): (words: string | string[]) => string[] {
  return (words) => {
    const asked = [words].flat().flatMap((text) => text.split(',').filter((item) => item !== ''));
    if (asked.length === 0) throw new Error(`no ${what} is named`);
    for (const item of asked) {
      if (!known.includes(item)) throw new Error(`"${item}" is no ${what}: there are ${known.join(', ')}`);
    }
    return asked;
  };
}

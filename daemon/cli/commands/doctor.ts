/** `weft doctor`. It looks at the host itself, and so also says something when no daemon answers. */
import type { Diagnosis } from '../../doctor/check.js';
import { wholeNumber } from '../arguments.js';
import { clientVersion } from '../client_version.js';
import { defineCommand } from '../command.js';
import type { Context } from '../context.js';
import { plural, printable } from '../text.js';

const usualTime = 120;

export const doctor = defineCommand({
  syntax: 'doctor',
  describe:
    'Examine this host and say what to type. ' +
    'Tries what needs a moment: the ways to the peers and how large packets get there, firewall rules that eat VXLAN, who has the UDP port, offloads, ' +
    'kernel counters, limits, clock, disk, links that were left. It changes nothing, works while weftd is dead, and sees more as root. ' +
    'Exit status 1 when something is wrong, be it a warning.',
  options: {
    config: {
      type: 'string',
      describe: 'The configuration file [default: the one in use, else /etc/weft/weft.yaml]',
    },
    'state-dir': {
      type: 'string',
      describe: 'The state directory [default: the one in use, else /var/lib/weft]',
    },
    timeout: { type: 'string', describe: `Seconds for all checks together [default: ${usualTime}]` },
  },
  examples: [
    ['doctor', 'everything, as root'],
    ['--json doctor | jq \'.[] | select(.result == "error")\'', 'what is broken, for a script'],
  ],
  async run(args, context) {
    const seconds = args.timeout === undefined ? usualTime : wholeNumber('--timeout', args.timeout, 1, 3600);
    const print = context.json ? undefined : (some: Diagnosis[]) => context.io.stdout.write(renderAll(some));
    const diagnoses = await diagnose(
      context,
      { configFile: args.config, stateDir: args['state-dir'] },
      seconds,
      print,
    );
    if (context.json) context.show(diagnoses, () => '');
    else context.io.stdout.write(summary(diagnoses));
    if (diagnoses.some(({ result }) => result === 'error' || result === 'warning')) context.exit = 1;
  },
});

/** Everything, in order; `told` gets each as soon as it is known. */
export async function diagnose(
  context: Pick<Context, 'api' | 'socket'>,
  paths: { configFile: string | undefined; stateDir: string | undefined },
  seconds: number,
  told?: (some: Diagnosis[]) => void,
): Promise<Diagnosis[]> {
  const [{ checklist }, { examine }, { gatherFacts }, { thisMachine }, { loadNative }, { lookup }] =
    await Promise.all([
      import('../../doctor/checklist.js'),
      import('../../doctor/examine.js'),
      import('../../doctor/facts.js'),
      import('../../doctor/machine.js'),
      import('../../datapath/load.js'),
      import('node:dns/promises'),
    ]);
  const { api, socket } = context;
  const facts = await gatherFacts({
    ...{ machine: thisMachine, api, socket, clientVersion: clientVersion(), loadNative, ...paths },
    lookup: async (name) => (await lookup(name, { all: true })).map(({ address }) => address),
  });
  return await examine(checklist(api), facts, seconds, told);
}

export function renderAll(diagnoses: readonly Diagnosis[]): string {
  return diagnoses.map(render).join('');
}

function render(diagnosis: Diagnosis): string {
  const { check, result, message, remedy, details } = printable(diagnosis);
  const more = [...details, ...(remedy === null ? [] : [remedy])];
  return [`${result.padEnd(7)}  ${check}: ${message}`, ...more.map((line) => `           ${line}`)]
    .map((line) => `${line}\n`)
    .join('');
}

export function summary(diagnoses: readonly Diagnosis[]): string {
  const count = (wanted: Diagnosis['result']): number =>
    diagnoses.filter(({ result }) => result === wanted).length;
  const parts = [
    plural(count('error'), 'error'),
    plural(count('warning'), 'warning'),
    `${count('skipped')} skipped`,
    `${count('ok')} ok`,
  ];
  return `\n${parts.join(', ')}\n`;
}

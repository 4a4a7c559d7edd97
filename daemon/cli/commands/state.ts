/** `weft state`. It works on the state directory itself, with or without a daemon. */
import type { Holdings, Tools } from '../../state/backup.js';
import { clientVersion } from '../client_version.js';
import { defineCommand, type Group } from '../command.js';
import { plural } from '../text.js';

const options = {
  'state-dir': { type: 'string', describe: 'The state directory [default: /var/lib/weft]' },
} as const;
const defaultDirectory = '/var/lib/weft';

const backup = defineCommand({
  syntax: 'backup <file>',
  describe:
    'Copy the state to a file, also while weftd runs. ' +
    'The copy is complete, and is verified before it gets its name. Needs no daemon.',
  positionals: { file: { type: 'string', describe: 'Where the copy goes', demandOption: true } },
  options: {
    ...options,
    force: { type: 'boolean', describe: 'Take the place of a file that is there [default: off]' },
  },
  examples: [
    ['state backup /root/weft-h1.state', 'all networks, ports, peers, pools and leases, and the host ID'],
  ],
  async run(args, context) {
    const { backUp } = await import('../../state/backup.js');
    const made = await backUp(args['state-dir'] ?? defaultDirectory, args.file, clientVersion(), {
      overwrite: args.force === true,
    });
    context.show(made, held);
  },
});

const check = defineCommand({
  syntax: 'check [file]',
  describe:
    'Read a backup, or the state itself, and say what it holds. ' +
    'Exit status 6 when it is damaged, or of a newer version. Changes nothing.',
  positionals: { file: { type: 'string', describe: 'A backup [default: the state of --state-dir]' } },
  options,
  examples: [['state check /root/weft-h1.state', 'before it is needed']],
  async run(args, context) {
    const { holdingsOf, holdingsOfState } = await import('../../state/backup.js');
    const version = clientVersion();
    const directory = args['state-dir'] ?? defaultDirectory;
    const found =
      args.file === undefined ? holdingsOfState(directory, version) : holdingsOf(args.file, version);
    context.show(await found, (one) => {
      const where = one.machine === null ? '' : ` on ${one.machine}`;
      const repaired =
        one.repaired === 0 ? '' : `${plural(one.repaired, 'damaged line')}, whose second copy is whole\n`;
      return `${held(one)}written by weft ${one.version} (schema ${one.schema})${where}\n${repaired}`;
    });
  },
});

const restore = defineCommand({
  syntax: 'restore <file>',
  describe:
    'Put a backup in the place of the state. ' +
    'What was there is kept as journal.before-restore. weftd must not run.',
  positionals: { file: { type: 'string', describe: 'The backup', demandOption: true } },
  options,
  examples: [['state restore /root/weft-h1.state', 'after "systemctl stop weftd"']],
  async run(args, context) {
    const { restore } = await import('../../state/backup.js');
    const directory = args['state-dir'] ?? defaultDirectory;
    context.show(await restore(directory, args.file, await tools()), held);
  },
});

const adopt = defineCommand({
  syntax: 'adopt',
  describe:
    'Make the state of another machine that of this one, which takes its place. ' +
    'weftd must not run. Two hosts with one ID disturb each other: never do so with a copy while the other goes on.',
  options,
  examples: [['state adopt', 'after a move to other hardware']],
  async run(args, context) {
    const { adopt } = await import('../../state/backup.js');
    const notes = await adopt(args['state-dir'] ?? defaultDirectory, await tools());
    for (const note of notes.length > 0 ? notes : ['the state is that of this machine already'])
      context.say(note);
  },
});

async function tools(): Promise<Tools> {
  const { loadNative } = await import('../../datapath/load.js');
  return { kernel: loadNative(), version: clientVersion() };
}

function held({ file, host, records }: Holdings): string {
  const count = Object.values(records).reduce((sum, one) => sum + one, 0);
  return `${file}: ${plural(count, 'record')} of host ID ${host}\n`;
}

export const state: Group = {
  name: 'state',
  describe: 'Back up and restore what weftd remembers.',
  commands: [backup, check, restore, adopt],
};

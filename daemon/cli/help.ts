/** What `weft --help` says of no command in particular; the manual pages are made from the same. */
import type { Options } from 'yargs';
import { exampleText } from './command.js';

export const defaultSocket = '/run/weft/weft.sock';
export const completionCommand = 'completion';

export const about = 'Networks of containers on many hosts: a client of weftd.';
export const synopsis = '[--socket PATH] [--json] <command>';

export const globalOptions = {
  socket: {
    type: 'string',
    requiresArg: true,
    describe: `The daemon's socket [default: WEFT_SOCKET, else ${defaultSocket}]`,
  },
  json: { type: 'boolean', describe: "Print the API's JSON [default: off]" },
} as const satisfies Record<string, Options>;

/** Of yargs's own command, which is in no tree. */
export const completion: { describe: string; examples: readonly (readonly [string, string])[] } = {
  describe: 'Print a script that completes commands in bash, or in zsh when SHELL is zsh.',
  examples: [[`${completionCommand} >> ~/.bashrc`, 'for bash']],
};

export const examples = [
  ['network create blue --subnet 10.42.0.0/24', 'the same on every host'],
  ['port add blue --netns c1 --address 10.42.0.2/24', 'attach the namespace c1'],
  ['peer add 10.99.0.2', 'the other host'],
] as const;

export const exitStatuses = [
  ['0', 'done'],
  ['1', 'failed'],
  ['2', 'usage: a mistake in the arguments or in a configuration file'],
  ['3', 'the daemon cannot be reached'],
  ['4', 'not found'],
  ['5', 'conflict: it exists already, is in use, or belongs to another origin'],
  ['6', 'nothing to be tried again before somebody has done what the message says'],
] as const;

export const environment = [
  ['WEFT_SOCKET', "the daemon's socket, where --socket does not name one"],
  ['NO_COLOR', 'no bold headers'],
] as const;

export const jsonErrors =
  'With --json, errors are one JSON document on standard error: code, message, remedy, details.';

/** What follows the list of commands. */
export function epilogue(): string {
  const rows = (pairs: readonly (readonly [string, string])[]) => {
    const width = Math.max(...pairs.map(([left]) => left.length));
    return pairs.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n');
  };
  return `${exampleText(examples)}

Exit status:
${rows(exitStatuses)}

Environment:
${rows(environment)}

${jsonErrors}`;
}

/** From words to a command to run. yargs only parses here: nothing runs before all of the line was understood. */
import yargs, { type Argv } from 'yargs';
import { nearest } from '../model/suggestion.js';
import { clientVersion } from './client_version.js';
import { type Command, exampleText, type Group, summary } from './command.js';
import { usageError } from './failure.js';
import { about, completion, completionCommand, epilogue, globalOptions, synopsis } from './help.js';
import { commandTree, isGroup } from './tree.js';

const globalOptionNames = [...Object.keys(globalOptions), 'help', 'version'];

export type Parsed =
  /** Help, version or a completion script. */
  | { kind: 'text'; text: string }
  | { kind: 'command'; command: Command; path: readonly string[]; args: Readonly<Record<string, unknown>> };

/** Throws WEFT_USAGE. `columns` is the width of the help. */
export async function parse(argv: readonly string[], columns: number): Promise<Parsed> {
  let chosen: { command: Command; args: Record<string, unknown> } | undefined;
  // What the line was understood to be so far; yargs builds a command when it meets its name.
  let place: Place = { path: [], entries: commandTree, command: null };
  let text = '';

  const addCommand = (parser: Argv, command: Command, path: readonly string[]): void => {
    parser.command(
      command.syntax,
      summary(command.describe),
      (own) => {
        place = { path: [...path, command.name], entries: [], command };
        return command.build(own).usage(`$0 ${[...path, command.syntax].join(' ')}\n\n${command.describe}`);
      },
      (args) => {
        chosen = { command, args };
      },
    );
  };
  const addGroup = (parser: Argv, group: Group): void => {
    parser.command(group.name, summary(group.describe), (own) => {
      place = { path: [group.name], entries: group.commands, command: null };
      for (const command of group.commands) addCommand(own, command, [group.name]);
      return own
        .usage(`$0 ${group.name} <command>\n\n${group.describe}`)
        .demandCommand(1, whichCommand(place));
    });
  };

  const parser = yargs([], undefined)
    .scriptName('weft')
    .locale('en')
    .exitProcess(false)
    .parserConfiguration({
      'boolean-negation': false,
      'camel-case-expansion': false,
      'dot-notation': false,
      'greedy-arrays': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
    })
    .usage(`$0 ${synopsis}\n\n${about}`)
    .options(globalOptions)
    .group(globalOptionNames, 'Global options:')
    .demandCommand(1, whichCommand(place))
    .strict()
    .help()
    .version(`weft ${clientVersion()}`)
    .epilogue(epilogue())
    .wrap(columns)
    .fail((message, error) => {
      throw message ? usageError(explain(message, argv, place), place.path) : error;
    });
  for (const entry of commandTree) {
    if (isGroup(entry)) addGroup(parser, entry);
    else addCommand(parser, entry, []);
  }
  const words = withoutSeparator(argv);
  // yargs prints the script wherever it meets this word, even in front of --help and as the name of a network.
  if (firstWord(words) === completionCommand && !words.includes('--help'))
    parser.completion(completionCommand, completion.describe);
  else
    parser.command(completionCommand, summary(completion.describe), (own) =>
      own
        .usage(`$0 ${completionCommand}\n\n${completion.describe}`)
        .epilogue(exampleText(completion.examples)),
    );

  await parser.parseAsync(words, {}, (_error, _args, output) => {
    text = output;
  });
  if (text !== '' || chosen === undefined) return { kind: 'text', text: `${text}\n` };
  return { kind: 'command', ...chosen, path: place.path };
}

/** The command or group of the line. */
function firstWord(words: readonly string[]): string | undefined {
  return words.find((word, index) => !word.startsWith('-') && words[index - 1] !== '--socket');
}

/** yargs hands words behind "--" to no positional. Nothing of ours has a name that starts with "-", so they do without it. */
function withoutSeparator(argv: readonly string[]): string[] {
  const separator = argv.indexOf('--');
  if (separator === -1 || argv[0] === '--get-yargs-completions') return [...argv];
  const words = argv.slice(separator + 1);
  const dashed = words.find((word) => word.startsWith('-'));
  if (dashed !== undefined) throw usageError(`"${dashed}": no name starts with "-"`);
  return [...argv.slice(0, separator), ...words];
}

interface Place {
  path: readonly string[];
  entries: readonly (Command | Group)[];
  command: Command | null;
}

function whichCommand(place: Place): string {
  const { path } = place;
  const names = namesAt(place);
  return `${path.length === 0 ? 'a command is needed' : `"${path.join(' ')}" needs a command`}: ${names.join(', ')}`;
}

/** The commands that can stand here; the one that yargs has is in no tree. */
function namesAt({ path, entries }: Place): string[] {
  return [...entries.map((entry) => entry.name), ...(path.length === 0 ? [completionCommand] : [])];
}

/** yargs's complaint in the words of this command line. */
function explain(message: string, argv: readonly string[], place: Place): string {
  const required = place.command?.required ?? [];
  const [, unknown] = /^Unknown (?:argument|command)s?: (.*)$/s.exec(message) ?? [];
  if (unknown !== undefined) return explainUnknown(firstOf(unknown.split(', '), argv), argv, place);

  const [, absent] = /^Missing required arguments?: (.*)$/s.exec(message) ?? [];
  if (absent !== undefined) {
    const stranger = unknownOption(argv, place);
    if (stranger !== undefined) return explainUnknown(stranger, argv, place);
    const options = absent.split(', ').map((name) => `--${name}`);
    return `"${place.path.join(' ')}" needs ${options.join(' and ')}`;
  }

  const [, given] = /^Not enough non-option arguments: got (\d+)/.exec(message) ?? [];
  if (given !== undefined) {
    const missing = required.slice(Number(given)).map((name) => `<${name}>`);
    return `"${place.path.join(' ')}" needs ${missing.join(' and ') || 'more arguments'}`;
  }

  const [, hungry] = /^Not enough arguments following: (\S+)/.exec(message) ?? [];
  if (hungry !== undefined) return `--${hungry} needs a value`;

  const [, option, value, choices] = /Argument: (\S+), Given: "(.*)", Choices: (.*)$/s.exec(message) ?? [];
  if (option !== undefined)
    return `--${option}: expected ${choices?.replaceAll(', ', ' or ')}, got "${value}"`;
  return message.trim();
}

/** yargs names options in front of words, wherever they stand. */
function firstOf(unknown: readonly string[], argv: readonly string[]): string {
  const names = argv.map((item) => (item.startsWith('-') ? optionName(item) : item));
  return names.find((name) => unknown.includes(name)) ?? unknown[0] ?? '';
}

/** The options that are missing hide from yargs those that there are not. */
function unknownOption(argv: readonly string[], place: Place): string | undefined {
  const known = [...(place.command?.options ?? []), ...globalOptionNames];
  return argv
    .filter((item) => item.startsWith('--'))
    .map(optionName)
    .find((name) => !known.includes(name));
}

function optionName(item: string): string {
  return item.replace(/^--?/, '').split('=', 1)[0] ?? '';
}

function explainUnknown(word: string, argv: readonly string[], place: Place): string {
  const isOption = argv.some(
    (item) => item === `--${word}` || item.startsWith(`--${word}=`) || item === `-${word}`,
  );
  const names = isOption ? [...(place.command?.options ?? []), ...globalOptionNames] : namesAt(place);
  const near = nearest(word, names);
  const hint = near === null ? '' : `; did you mean "${isOption ? '--' : ''}${near}"?`;
  const where = place.path.length === 0 ? '' : ` for "${place.path.join(' ')}"`;
  if (isOption) return `there is no option "${word.length === 1 ? '-' : '--'}${word}"${where}${hint}`;
  if (place.command !== null) return `"${word}" is one argument too many${where}`;
  return `there is no command "${[...place.path, word].join(' ')}"${hint || `; ${whichCommand(place)}`}`;
}

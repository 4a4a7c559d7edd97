/** weft(1), and a page for each word that may follow it, out of the tree that the parser reads. */
import type { Options } from 'yargs';
import { type Command, type Group, summary } from '../../daemon/cli/command.js';
import {
  about,
  completion,
  completionCommand,
  environment,
  examples,
  exitStatuses,
  globalOptions,
  jsonErrors,
} from '../../daemon/cli/help.js';
import { commandTree, isGroup } from '../../daemon/cli/tree.js';
import { bold, entry, italic, manualPage, paragraph, prose, section, seeAlso, subsection } from './roff.js';

type Examples = readonly (readonly [line: string, purpose: string])[];

/** The page about yargs's own command, which is in no tree. */
const completionEntry: Command = {
  ...{ syntax: completionCommand, name: completionCommand, describe: completion.describe },
  ...{ options: [], required: [], declared: { positionals: {}, options: {} }, examples: completion.examples },
  build: (parser) => parser,
  run: () => Promise.resolve(),
};

const entries: readonly (Command | Group)[] = [...commandTree, completionEntry];

/** File name and content of each page. */
export function commandPages(notice: string, version: string): [string, string][] {
  return [
    ['weft.1', overview(notice, version)],
    ...entries.map((one): [string, string] => [`${pageName(one)}.1`, commandPage(one, notice, version)]),
  ];
}

function pageName({ name }: Command | Group): string {
  return `weft-${name}`;
}

function overview(notice: string, version: string): string {
  const commands = entries.flatMap((one) => [
    entry(bold(`weft ${one.name}`), `${prose(summary(one.describe))}\nSee ${bold(pageName(one))}(1).`),
    ...(isGroup(one) ? [`.RS\n${one.commands.map((command) => inGroup(one, command)).join('')}.RE\n`] : []),
  ]);
  return manualPage({ name: 'weft', section: 1, purpose: purposeOf(about) }, notice, version, [
    section('SYNOPSIS', `${bold('weft')} ${globalSynopsis()} ${italic('command')} ...\n`),
    section('DESCRIPTION', `${prose(about)}\n${prose('Options may stand anywhere in the line.')}\n`),
    section('COMMANDS', commands.join('')),
    section('OPTIONS', globalEntries()),
    exampleSection(examples),
    commonSections(),
    section(
      'FILES',
      [
        entry(italic('/run/weft/weft.sock'), prose("The daemon's socket, for root and the group weft.")),
        entry(italic('/etc/weft/weft.yaml'), 'The configuration of the daemon.\nSee \\fBweft.yaml\\fR(5).'),
        entry(italic('/var/lib/weft'), 'What the daemon remembers.'),
      ].join(''),
    ),
    seeAlso([
      ...entries.map((one) => ({ name: pageName(one), section: 1 })),
      { name: 'weft.yaml', section: 5 },
      { name: 'weftd', section: 8 },
    ]),
  ]);
}

function inGroup(group: Group, command: Command): string {
  return entry(bold(`weft ${group.name} ${command.name}`), prose(summary(command.describe)));
}

function commandPage(one: Command | Group, notice: string, version: string): string {
  const path = [one.name];
  const body = isGroup(one)
    ? [
        section(
          'SYNOPSIS',
          one.commands.map((command) => synopsis([...path, command.name], command)).join('.br\n'),
        ),
        section('DESCRIPTION', `${prose(one.describe)}\n`),
        section(
          'COMMANDS',
          one.commands.map((command) => described([...path, command.name], command)).join(''),
        ),
        section('OPTIONS', `These are understood by every command.\n${globalEntries()}`),
        exampleSection(one.commands.flatMap((command) => [...command.examples])),
      ]
    : [
        section('SYNOPSIS', synopsis(path, one)),
        section('DESCRIPTION', `${prose(one.describe)}\n`),
        ...(Object.keys(one.declared.positionals).length > 0
          ? [section('ARGUMENTS', argumentEntries(one))]
          : []),
        section('OPTIONS', optionEntries(one) + globalEntries()),
        exampleSection(one.examples),
      ];
  const page = { name: pageName(one), section: 1, purpose: purposeOf(summary(one.describe)) } as const;
  return manualPage(page, notice, version, [
    ...body,
    commonSections(),
    seeAlso([
      { name: 'weft', section: 1 },
      { name: 'weftd', section: 8 },
    ]),
  ]);
}

/** NAME has it without a capital and without a full stop. */
function purposeOf(sentence: string): string {
  const text = sentence.replace(/\.$/, '');
  return /^[A-Z][a-z]/.test(text) ? text.charAt(0).toLowerCase() + text.slice(1) : text;
}

function described(path: readonly string[], command: Command): string {
  return subsection(
    ['weft', ...path].join(' '),
    `${prose(command.describe)}\n${argumentEntries(command)}${optionEntries(command)}`,
  );
}

function argumentEntries({ declared }: Command): string {
  return Object.entries(declared.positionals)
    .map(([name, declaration]) => entry(italic(name), meaning(declaration)))
    .join('');
}

function optionEntries({ declared }: Command): string {
  return Object.entries(declared.options)
    .map(([name, declaration]) => entry(flag(name, declaration), meaning(declaration)))
    .join('');
}

function globalEntries(): string {
  const own = Object.entries(globalOptions).map(([name, declaration]) =>
    entry(flag(name, declaration), meaning(declaration)),
  );
  return [
    ...own,
    entry(bold('--help'), 'Describe the command with its options and examples.'),
    entry(bold('--version'), 'Print the version of this command.'),
  ].join('');
}

function globalSynopsis(): string {
  return Object.entries(globalOptions)
    .map(([name, declaration]) => `[${flag(name, declaration)}]`)
    .join(' ');
}

function meaning({ describe = '' }: Options): string {
  return prose(describe);
}

function flag(name: string, { type, choices }: Options): string {
  if (type === 'boolean') return bold(`--${name}`);
  const value =
    choices === undefined ? italic(valueName(name)) : choices.map((one) => bold(`${one}`)).join('|');
  return `${bold(`--${name}`)} ${value}`;
}

function valueName(name: string): string {
  return name === 'socket' ? 'PATH' : name.toUpperCase();
}

/** Name, positionals as yargs writes them, and options, on one logical line. */
function synopsis(path: readonly string[], command: Command): string {
  const [, ...positionals] = command.syntax.split(' ');
  const words = positionals.map((word) => {
    const name = word.replace(/^[<[]|\.*[>\]]$/g, '');
    const many = word.includes('..') ? ' ...' : '';
    return word.startsWith('<') ? `${italic(name)}${many}` : `[${italic(name)}${many}]`;
  });
  const options = Object.entries(command.declared.options).map(([name, declaration]) => {
    const text = `${flag(name, declaration)}${declaration.array === true ? ' ...' : ''}`;
    return declaration.demandOption === true ? text : `[${text}]`;
  });
  return `${[bold(`weft ${path.join(' ')}`), ...words, ...options].join(' ')}\n`;
}

function exampleSection(lines: Examples): string {
  return section(
    'EXAMPLES',
    lines.map(([line, purpose]) => entry(bold(`weft ${line}`), prose(purpose))).join(''),
  );
}

function commonSections(): string {
  const rows = (pairs: readonly (readonly [string, string])[]) =>
    pairs.map(([term, text]) => entry(bold(term), prose(text))).join('');
  return (
    section('EXIT STATUS', rows(exitStatuses) + paragraph(prose(jsonErrors))) +
    section('ENVIRONMENT', rows(environment))
  );
}

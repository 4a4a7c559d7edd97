/** A command as data: the parser, the help, the suggestions and the test of the docs all read it. */
import type { Argv, InferredOptionTypes, Options, PositionalOptions } from 'yargs';
import type { Context } from './context.js';
import { usageError } from './failure.js';

/** Options and positionals by name; single values are strings or booleans, checked by the command itself. */
export type Declarations = Readonly<Record<string, Options>>;

interface Definition<P extends Declarations, O extends Declarations> {
  /** Name and positionals in yargs's notation, for example `create <name>`. */
  syntax: string;
  /** Sentences for the help; the first one stands in the list of commands. */
  describe: string;
  positionals?: P;
  options?: O;
  /** Command line and what it does. */
  examples?: readonly (readonly [string, string])[];
  run(args: InferredOptionTypes<P> & InferredOptionTypes<O>, context: Context): Promise<void>;
}

export interface Command {
  readonly syntax: string;
  readonly name: string;
  readonly describe: string;
  readonly options: readonly string[];
  /** For the manual pages. */
  readonly declared: { positionals: Declarations; options: Declarations };
  readonly examples: readonly (readonly [line: string, purpose: string])[];
  /** Names of the positionals that must be given, in order. */
  readonly required: readonly string[];
  build(parser: Argv): Argv;
  run(args: Readonly<Record<string, unknown>>, context: Context): Promise<void>;
}

/** A noun with verbs, such as `network`. */
export interface Group {
  readonly name: string;
  readonly describe: string;
  readonly commands: readonly Command[];
}

export function defineCommand<const P extends Declarations, const O extends Declarations>(
  definition: Definition<P, O>,
): Command {
  const { syntax, describe, examples = [] } = definition;
  const positionals: Declarations = definition.positionals ?? {};
  const options: Declarations = definition.options ?? {};
  return {
    syntax,
    describe,
    name: syntax.split(' ', 1)[0] ?? syntax,
    options: Object.keys(options),
    declared: { positionals, options },
    examples,
    required: [...syntax.matchAll(/<(\w+)>/g)].map((match) => match[1] ?? ''),
    build(parser) {
      for (const [name, declaration] of Object.entries(positionals))
        parser.positional(name, declaration as PositionalOptions);
      for (const [name, declaration] of Object.entries(options)) {
        parser.option(
          name,
          declaration.type === 'boolean' ? declaration : { ...declaration, requiresArg: true },
        );
      }
      return parser.epilogue(exampleText(examples));
    },
    run(args, context) {
      for (const [name, declaration] of Object.entries(options)) {
        if (Array.isArray(args[name]) && declaration.array !== true)
          throw usageError(`--${name} is given more than once`);
      }
      return definition.run(args as InferredOptionTypes<P> & InferredOptionTypes<O>, context);
    },
  };
}

/** Each command line by itself, so that it can be copied: in two columns yargs breaks it. What it does is on the next line. */
export function exampleText(examples: readonly (readonly [line: string, purpose: string])[]): string {
  return ['Examples:', ...examples.map(([line, purpose]) => `  $0 ${line}\n      ${purpose}`)].join('\n');
}

/** The first sentence of a description, as it stands in lists. */
export function summary(describe: string): string {
  return describe.split(/(?<=\.) /, 1)[0] ?? describe;
}

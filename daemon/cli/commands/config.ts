/** `weft config`. It works on a file and needs no daemon. */
import type { ConfigValue } from '../../config/describe.js';
import type { LoadedConfig } from '../../config/load.js';
import type { MistakenConfig } from '../../config/mistakes.js';
import { defineCommand, type Group } from '../command.js';
import { WordedFailure } from '../failure.js';
import { plural, printable } from '../text.js';

const check = defineCommand({
  syntax: 'check <file>',
  describe:
    'Check a configuration file without a daemon. ' +
    'Every mistake is named with file, line, column, key, and what was expected. ' +
    'Exit status 2 when there is one, 1 when the file cannot be read.',
  positionals: {
    file: { type: 'string', describe: 'The file, for example /etc/weft/weft.yaml', demandOption: true },
  },
  options: {
    print: { type: 'boolean', describe: 'Print every value in force and where it comes from [default: off]' },
  },
  examples: [
    ['config check weft.yaml', 'before "weft reload"'],
    ['config check weft.yaml --print', 'with the defaults of what the file does not say'],
  ],
  async run(args, context) {
    const [{ loadConfig }, { configValues, describeConfig }, { MistakenConfig }] = await Promise.all([
      import('../../config/load.js'),
      import('../../config/describe.js'),
      import('../../config/mistakes.js'),
    ]);
    let loaded: LoadedConfig;
    try {
      loaded = loadConfig(args.file, false);
    } catch (error) {
      throw error instanceof MistakenConfig ? listed(error) : error;
    }
    const result = {
      file: args.file,
      ok: true,
      ...(args.print === true ? { values: configValues(loaded).map(shown) } : {}),
    };
    context.show(result, ({ file }) => {
      const values = args.print === true ? describeConfig(loaded).split('\n').map(printable).join('\n') : '';
      return `${file}: ok\n${values}`;
    });
  },
});

function shown({ path, value, origin, line }: ConfigValue): Omit<ConfigValue, 'steps'> {
  return { path, value, origin, line };
}

/** One mistake a line. The remedy of WEFT_CONFIG is about a daemon, and there is none here. */
function listed(error: MistakenConfig): WordedFailure {
  const lines = [...error.lines.map(printable), plural(error.count, 'mistake')];
  const body = { ...error.toBody(), remedy: 'Correct the file.' };
  return new WordedFailure(lines.map((line) => `${line}\n`).join(''), body, error.exit);
}

export const config: Group = { name: 'config', describe: 'Check configuration files.', commands: [check] };

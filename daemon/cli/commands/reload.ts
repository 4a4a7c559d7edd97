/** `weft reload`. */
import type { Reload } from '../../api/schema.js';
import { defineCommand } from '../command.js';
import { plural } from '../text.js';

export const reload = defineCommand({
  syntax: 'reload',
  describe:
    'Read the configuration file again and apply what changed. ' +
    'What did not change loses no frame; a file with a mistake changes nothing.',
  examples: [['reload', 'the same as SIGHUP, with an answer']],
  async run(_args, context) {
    context.show(await context.api.post<Reload>('/v1/reload'), ({ changed }) => {
      if (changed.length === 0) return 'The configuration is reloaded: nothing changed.\n';
      return `The configuration is reloaded, with ${plural(changed.length, 'change')}:\n${changed.map((line) => `  ${line}\n`).join('')}`;
    });
  },
});

/** `weft events`. */
import type { WeftEvent } from '../../api/schema.js';
import { defineCommand } from '../command.js';
import { usageError } from '../failure.js';
import { printable } from '../text.js';

export const events = defineCommand({
  syntax: 'events',
  describe:
    'Print what happens on this host, one line an event, until interrupted. ' +
    'weftd keeps no history of events, so --follow is needed. With --json every line is one JSON document.',
  options: { follow: { type: 'boolean', describe: 'Print events as they happen' } },
  examples: [
    ['events --follow', 'until Ctrl-C'],
    ['--json events --follow | jq .message', 'for a script'],
  ],
  async run(args, context) {
    if (args.follow !== true) throw usageError('events prints what happens from now on: --follow is needed');
    for await (const event of context.api.stream<WeftEvent>('/v1/events', context.io.interrupted())) {
      context.io.stdout.write(`${context.json ? JSON.stringify(event) : sentence(printable(event))}\n`);
    }
  },
});

function sentence(event: WeftEvent): string {
  return `${event.time}  ${event.type}  ${event.object}  ${event.message}`;
}

/** `weft why`. */
import type { Why } from '../../api/schema.js';
import { defineCommand } from '../command.js';
import { usageError } from '../failure.js';

type Step = Why['steps'][number];

export const why = defineCommand({
  syntax: 'why <source> <destination>',
  describe:
    'Walk the way of a frame from one end to the other, and say what is in its way. ' +
    'An end is an address, a MAC, or the name of a port or a container; one of the two is on this host. ' +
    'The far host is asked, where it is a weft host. Nothing is sent to the ends themselves. ' +
    'The exit status is 0 when the way is clear, else 1.',
  positionals: {
    source: { type: 'string', describe: 'Address, MAC, port or container', demandOption: true },
    destination: { type: 'string', describe: 'The same', demandOption: true },
  },
  options: {
    network: {
      type: 'string',
      describe: 'The network, where both are on several [default: the one with both]',
    },
  },
  examples: [
    ['why web 10.42.0.3', 'from a container of this host to an address'],
    ['why 10.42.0.2 02:42:0a:2a:00:03', 'an address and a MAC'],
  ],
  async run(args, context) {
    for (const [name, value] of [
      ['<source>', args.source],
      ['<destination>', args.destination],
    ] as const)
      if (value === '') throw usageError(`${name} is empty`);
    const query = new URLSearchParams({ source: args.source, destination: args.destination });
    if (args.network !== undefined) query.set('network', args.network);
    const way = await context.api.get<Why>(`/v1/why?${query}`);
    context.show(way, render);
    context.exit = way.state === 'ok' ? 0 : 1;
  },
});

const marks: Readonly<Record<Step['state'], string>> = { ok: 'ok', trouble: 'TROUBLE', unknown: '?' };

function render(way: Why): string {
  const width = Math.max(...way.steps.map(({ what }) => what.length));
  const lines = way.steps.flatMap((step) => {
    const line = `${(marks[step.state] ?? '?').padEnd(7)}  ${step.what.padEnd(width)}  ${step.sentence}`;
    const more = step.remedy === null ? [] : [`${' '.repeat(width + 11)}${step.remedy}`];
    return [line, ...more];
  });
  const end = way.remedy === null ? way.conclusion : `${way.conclusion} ${way.remedy}`;
  return `${lines.join('\n')}\n\n${end}\n`;
}

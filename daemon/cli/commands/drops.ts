/** `weft drops`. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Drop } from '../../api/schema.js';
import { defineCommand } from '../command.js';
import type { Context } from '../context.js';
import { table } from '../layout.js';
import { count, printable } from '../text.js';

interface Row extends Drop {
  /** Frames a second since the round before; null in the first round. */
  rate: number | null;
}

export const drops = defineCommand({
  syntax: 'drops',
  describe:
    'Show why frames were dropped. ' +
    'The fault is with the guest (what a container sent), a peer (another VTEP), ' +
    'the host (this machine or its configuration) or us (a limit of weft). ' +
    'Reasons that never happened are left out. With --json all reasons are printed, and with --watch one line a second.',
  options: {
    watch: {
      type: 'boolean',
      describe: 'Again every second, with the rate, until interrupted [default: off]',
    },
    all: { type: 'boolean', describe: 'Also the reasons that never happened [default: off]' },
  },
  examples: [
    ['drops', 'what was dropped since the daemon started'],
    ['drops --watch', 'what is being dropped now'],
  ],
  async run(args, context) {
    const all = args.all === true;
    if (args.watch === true) return watch(all, context);
    const reasons = await context.api.list<Drop>('/v1/drops');
    if (context.json) return context.show(reasons, () => '');
    const shown = select(reasons, all).map((drop) => ({ ...drop, rate: null }));
    context.showList(shown, nothing, (rows) => render(rows, context, false));
  },
});

const nothing = 'No frame was dropped.';

function select(reasons: readonly Drop[], all: boolean): Drop[] {
  return reasons.filter((drop) => all || drop.count > 0).sort((a, b) => b.count - a.count);
}

async function watch(all: boolean, context: Context): Promise<void> {
  const { io, api, limits, json } = context;
  const interrupted = io.interrupted();
  let before: { at: number; counts: Map<string, number> } | null = null;
  while (!interrupted.aborted) {
    const reasons = await api.list<Drop>('/v1/drops');
    const at = performance.now();
    const rows = select(printable(reasons), all).map((drop) => ({ ...drop, rate: rateOf(drop, before, at) }));
    if (json) io.stdout.write(`${JSON.stringify(reasons)}\n`);
    else if (io.stdout.isTty)
      io.stdout.write(`\x1b[H\x1b[J${rows.length === 0 ? `${nothing}\n` : render(rows, context, true)}`);
    else
      io.stdout.write(
        rows
          .filter((row) => before === null || row.rate !== 0)
          .map(line)
          .join(''),
      );
    before = { at, counts: new Map(reasons.map((drop) => [keyOf(drop), drop.count])) };
    await pause(limits.watch, undefined, { signal: interrupted }).catch(() => undefined);
  }
}

function keyOf(drop: Drop): string {
  return `${drop.stage} ${drop.reason}`;
}

function rateOf(
  drop: Drop,
  before: { at: number; counts: Map<string, number> } | null,
  now: number,
): number | null {
  if (before === null) return null;
  // A restarted daemon counts from zero again.
  const more = Math.max(0, drop.count - (before.counts.get(keyOf(drop)) ?? 0));
  return more / Math.max(0.001, (now - before.at) / 1000);
}

function rate(row: Row): string {
  return row.rate === null ? '-' : `${count(row.rate)}/s`;
}

/** For pipes and logs: only what changed, with the time. */
function line(row: Row): string {
  return `${new Date().toISOString()}  ${row.stage}  ${row.reason}  ${row.count}  ${rate(row)}\n`;
}

function render(rows: readonly Row[], context: Context, withRate: boolean): string {
  return table(
    rows,
    [
      { header: 'REASON', cell: (row) => row.reason },
      { header: 'FRAMES', cell: (row) => count(row.count), right: true },
      ...(withRate ? [{ header: 'RATE', cell: rate, right: true }] : []),
      { header: 'STAGE', cell: (row) => row.stage },
      { header: 'FAULT', cell: (row) => row.fault },
      { header: 'MEANING', cell: (row) => row.sentence },
    ],
    context,
  );
}

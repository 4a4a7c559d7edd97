/** `weft wait`. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Health, Peer } from '../../api/schema.js';
import { WeftError } from '../../errors.js';
import { seconds, segment } from '../arguments.js';
import { defineCommand } from '../command.js';
import type { Context } from '../context.js';
import { isRemote } from '../failure.js';

const usualTimeout = 60;
/** Milliseconds between two looks. */
const period = 200;
/** Milliseconds that an answer may take longer than the whole wait. */
const patience = 5000;

/** Peers that are named of those that do not answer. */
const mostNamed = 5;

/** What is waited for: a sentence for what is still missing, or null. */
type Look = () => Promise<string | null>;

export const wait = defineCommand({
  syntax: 'wait',
  describe:
    'Wait until weftd is ready, or until peers answer. ' +
    'weftd is ready when its ports forward. Exits with 0 then; with 1 when the time is over, and with 3 when weftd did not answer at all in it.',
  options: {
    peer: {
      type: 'string',
      array: true,
      describe:
        'ID or address of a peer that is to answer hellos; may be given more than once [default: none]',
    },
    peers: { type: 'boolean', describe: 'All peers that this host has are to answer hellos [default: off]' },
    timeout: { type: 'string', describe: `Seconds to wait, 0.1 to 86400 [default: ${usualTimeout}]` },
  },
  examples: [
    ['wait', 'until weftd is ready'],
    ['wait --peer 10.99.0.2 --timeout 30', 'until that host answers'],
  ],
  async run(args, context) {
    const timeout =
      args.timeout === undefined ? usualTimeout : seconds('--timeout', args.timeout, 0.1, 86_400);
    const refs = (args.peer ?? []).map((ref) => segment('--peer', ref));
    const interrupted = context.io.interrupted();
    const end = performance.now() + timeout * 1000;
    const left = () => Math.max(0, end - performance.now());
    const rest = (milliseconds: number, ref = true) =>
      pause(milliseconds, undefined, { signal: interrupted, ref }).catch(() => undefined);
    // A weftd that hangs, or that is long in starting, leaves a request without an answer. Nothing else is to wait for this.
    const late = rest(left() + patience, false);
    let missing: string | WeftError = context.api.broken('no answer in time');
    const failure = () =>
      missing instanceof WeftError
        ? missing
        : new WeftError('WEFT_WAITED', {
            reason: missing,
            seconds: Math.round(10 * timeout - left() / 100) / 10,
          });
    for (const look of looks(context, refs, args.peers === true)) {
      for (;;) {
        const found = await Promise.race([heard(look), late]);
        if (found === null) break;
        missing = found ?? missing;
        if (found === undefined || interrupted.aborted || left() === 0) throw failure();
        await rest(Math.min(period, left()));
      }
    }
    context.say(refs.length > 0 || args.peers === true ? 'The peers answer.' : 'weftd is ready.');
  },
});

function looks(context: Context, refs: readonly string[], all: boolean): Look[] {
  const peers = (wanted: () => Promise<Peer[]>) => async () => {
    const missing = (await wanted()).filter(
      ({ hello, state }) => hello.state !== 'alive' && state !== 'self',
    );
    if (missing.length === 0) return null;
    const more = missing.length > mostNamed ? `, and ${missing.length - mostNamed} more` : '';
    const named = missing
      .slice(0, mostNamed)
      .map(({ address, hello }) => `peer ${address} is ${hello.state}`);
    return `${named.join(', ')}${more}`;
  };
  return [
    // The API answers what it is asked only once the ports are there.
    async () => {
      await context.api.get<Health>('/v1/health');
      return null;
    },
    ...refs.map((ref) => peers(async () => [await context.api.get<Peer>(`/v1/peers/${ref}`)])),
    ...(all ? [peers(() => context.api.list<Peer>('/v1/peers'))] : []),
  ];
}

/** A weftd that is away may come back. */
async function heard(look: Look): Promise<string | WeftError | null> {
  try {
    return await look();
  } catch (error) {
    if (isRemote(error, ['WEFT_STARTING', 'WEFT_STOPPING'])) return 'weftd is starting or stopping';
    if (error instanceof WeftError && error.code === 'WEFT_UNREACHABLE') return error;
    throw error;
  }
}

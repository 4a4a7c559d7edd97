/** `weft ping`. */
import { setTimeout as pause } from 'node:timers/promises';
import { pingSizes } from '../../api/limits.js';
import type { Peer, Ping, PingRequest } from '../../api/schema.js';
import { WeftError } from '../../errors.js';
import { seconds, segment, wholeNumber } from '../arguments.js';
import { defineCommand } from '../command.js';
import type { Context } from '../context.js';
import { milliseconds } from '../text.js';

/** What `--json` prints. */
interface Summary {
  peer: string;
  state: Peer['hello']['state'];
  sent: number;
  answered: number;
  /** Milliseconds; null where there was no answer. */
  rtts: (number | null)[];
}

const usual = { count: 4, interval: 1, timeout: 1 };

export const ping = defineCommand({
  syntax: 'ping <ref>',
  describe:
    'Send hellos to a peer and print how long its answers take. ' +
    'They go the way of all that weft sends there, on the VXLAN port; only another weftd answers, and only to a host that it has as a peer. ' +
    'Exits with 0 when there was an answer, with 1 when there was none.',
  positionals: { ref: { type: 'string', describe: 'ID or address of the peer', demandOption: true } },
  options: {
    count: { type: 'string', describe: `How many, 1 to 1000000 [default: ${usual.count}]` },
    interval: { type: 'string', describe: `Seconds between two, 0.05 to 3600 [default: ${usual.interval}]` },
    timeout: {
      type: 'string',
      describe: `Seconds to wait for each answer, 0.01 to 20 [default: ${usual.timeout}]`,
    },
    size: {
      type: 'string',
      describe: `Bytes of the IP packet of the question, ${pingSizes.min} to ${pingSizes.max} [default: the least]`,
    },
  },
  examples: [
    ['ping 10.99.0.2', 'four hellos, one a second'],
    ['ping 10.99.0.2 --size 1500 --count 1', 'does a full packet arrive?'],
    ['--json ping 10.99.0.2 --count 1', 'for a script'],
  ],
  async run(args, context) {
    const count = args.count === undefined ? usual.count : wholeNumber('--count', args.count, 1, 1_000_000);
    const interval =
      args.interval === undefined ? usual.interval : seconds('--interval', args.interval, 0.05, 3600);
    const request: PingRequest = {
      timeout: args.timeout === undefined ? usual.timeout : seconds('--timeout', args.timeout, 0.01, 20),
    };
    if (args.size !== undefined)
      request.size = wholeNumber('--size', args.size, pingSizes.min, pingSizes.max);
    const path = `/v1/peers/${segment('<ref>', args.ref)}`;
    const peer = await context.api.get<Peer>(path);
    const rtts = await exchange(context, peer.address, { count, interval, request, path: `${path}/ping` });
    const answered = rtts.filter((rtt) => rtt !== null);
    const { state } = (await context.api.get<Peer>(path)).hello;
    const summary: Summary = {
      peer: peer.address,
      state,
      sent: rtts.length,
      answered: answered.length,
      rtts,
    };
    context.show(summary, () => render(rtts.length, answered));
    if (answered.length === 0)
      throw new WeftError('WEFT_PEER_NO_ANSWER', { peer: peer.address, sent: rtts.length });
  },
});

interface Plan {
  count: number;
  interval: number;
  request: PingRequest;
  path: string;
}

/** Milliseconds of each answer; null where there was none. Ends early when it is interrupted. */
async function exchange(context: Context, address: string, plan: Plan): Promise<(number | null)[]> {
  const interrupted = context.io.interrupted();
  const rtts: (number | null)[] = [];
  for (let sent = 1; sent <= plan.count && !interrupted.aborted; sent++) {
    const due = performance.now() + plan.interval * 1000;
    const { rtt, error } = await context.api.post<Ping>(plan.path, plan.request);
    rtts.push(rtt);
    context.say(`${address}: ${said(sent, rtt, error)}`);
    if (sent === plan.count) break;
    const rest = Math.max(0, due - performance.now());
    await pause(rest, undefined, { signal: interrupted }).catch(() => undefined);
  }
  return rtts;
}

function said(sent: number, rtt: number | null, error: string | null): string {
  if (rtt !== null) return `answer ${sent} after ${milliseconds(rtt)}`;
  return error === null ? `no answer to ${sent}` : `${sent} could not be sent (${error})`;
}

function render(sent: number, answered: number[]): string {
  const lost = Math.round(((sent - answered.length) / Math.max(1, sent)) * 100);
  const counts = `${sent} sent, ${answered.length} answered, ${lost} % lost`;
  if (answered.length === 0) return `${counts}\n`;
  const mean = answered.reduce((sum, one) => sum + one, 0) / answered.length;
  const times = [Math.min(...answered), mean, Math.max(...answered)].map(milliseconds).join(', ');
  return `${counts}; least, mean and most: ${times}\n`;
}

import { z } from 'zod';
import type { Guest } from '../../lab/guest.js';
import { Program } from '../program.js';

/** What a run may take beyond the seconds that it was told. */
const PATIENCE_SECONDS = 30;

const Sum = z.object({ bytes: z.number(), bits_per_second: z.number() });
const Sent = z.object({ retransmits: z.number().optional() });
const Report = z.object({
  end: z.object({
    sum_sent: Sent,
    sum_received: Sum.extend({ lost_percent: z.number().optional(), jitter_ms: z.number().optional() }),
    sum_sent_bidir_reverse: Sent.optional(),
    sum_received_bidir_reverse: Sum.optional(),
    cpu_utilization_percent: z.object({ host_total: z.number(), remote_total: z.number() }),
  }),
});

const Failure = z.object({ error: z.string() });

/** What the receivers of a run got; both directions together where both were asked for. */
export interface IperfResult {
  bytes: number;
  bitsPerSecond: number;
  details: Record<string, number>;
}

/** Parses the output of `iperf3 --json`, which tells an error there, too. */
export function parseIperf(json: string): IperfResult {
  const report: unknown = JSON.parse(json);
  const failure = Failure.safeParse(report);
  if (failure.success) throw new Error(`iperf3: ${failure.data.error}`);
  const { end } = Report.parse(report);
  const there = end.sum_received;
  const back = end.sum_received_bidir_reverse;
  const details: Record<string, number> = {};
  if (there.lost_percent === undefined) {
    const sent = [end.sum_sent, end.sum_sent_bidir_reverse ?? {}];
    details.retransmits = sent.reduce((sum, { retransmits = 0 }) => sum + retransmits, 0);
  } else {
    details['lost %'] = there.lost_percent;
  }
  if (back !== undefined) {
    details['there Gbit/s'] = there.bits_per_second / 1e9;
    details['back Gbit/s'] = back.bits_per_second / 1e9;
  }
  details['iperf3 client CPU %'] = end.cpu_utilization_percent.host_total;
  details['iperf3 server CPU %'] = end.cpu_utilization_percent.remote_total;
  return {
    bytes: there.bytes + (back?.bytes ?? 0),
    bitsPerSecond: there.bits_per_second + (back?.bits_per_second ?? 0),
    details,
  };
}

/** An `iperf3` between two guests, which is under way once it was made. */
export class Iperf {
  readonly #server: Program;
  readonly #client: Program;
  readonly #seconds: number;

  private constructor(server: Program, client: Program, seconds: number) {
    this.#server = server;
    this.#client = client;
    this.#seconds = seconds;
  }

  /** Starts the server, waits until it listens, then starts the client. */
  static async start(
    from: Guest,
    to: Guest,
    address: string,
    seconds: number,
    flags: readonly string[] = [],
  ): Promise<Iperf> {
    const server = new Program(to.namespace, ['iperf3', '--server', '--one-off', '--forceflush']);
    try {
      await server.printed('Server listening');
      const argv = ['iperf3', '--client', address, '--json', '--time', String(seconds), ...flags];
      return new Iperf(server, new Program(from.namespace, argv), seconds);
    } catch (error) {
      await server.kill();
      throw error;
    }
  }

  /** Resolves when the server has its first stream. */
  streaming(): Promise<void> {
    return this.#server.printed(' connected to ');
  }

  async result(): Promise<IperfResult> {
    return parseIperf(await this.#client.output(this.#seconds + PATIENCE_SECONDS));
  }

  async stop(): Promise<void> {
    await this.#client.kill();
    await this.#server.kill();
  }
}

import { z } from 'zod';
import { benchTool } from '../../lab/checkout.js';
import type { Meter, Timing } from '../meter.js';
import { Program } from '../program.js';
import type { Bed } from '../systems/system.js';
import { WARMUP_SECONDS } from './generators.js';
import { besideStreams } from './load.js';
import type { Workload } from './workload.js';

const REQUEST_BYTES = '64';
const PATIENCE_SECONDS = 30;

const RoundTrips = z.object({
  requests: z.number(),
  mean: z.number(),
  p50: z.number(),
  p99: z.number(),
  p999: z.number(),
});
type RoundTrips = z.infer<typeof RoundTrips>;

/** What udp_blast ping prints at its end. */
export function parseRoundTrips(output: string): RoundTrips {
  return RoundTrips.parse(JSON.parse(output));
}

function details({ mean, p50, p99, p999, requests }: RoundTrips, seconds: number): Record<string, number> {
  return {
    ...{ 'mean us': mean, 'median us': p50, 'p99 us': p99, 'p99.9 us': p999 },
    'requests a second': requests / seconds,
  };
}

/** Requests of 64 bytes over one TCP connection, one at a time, on an idle system and beside four streams of TCP. */
export function roundTripWorkloads(meter: Meter): Workload[] {
  async function roundTrips(bed: Bed, seconds: number): Promise<Timing<RoundTrips>> {
    const udpBlast = benchTool('udp_blast');
    const server = new Program(bed.server.namespace, [udpBlast, 'echo', '--tcp']);
    const argv = [udpBlast, 'ping', '--tcp', '--to', bed.serverAddress, '--size', REQUEST_BYTES];
    argv.push('--warmup', String(WARMUP_SECONDS), '--seconds', String(seconds));
    try {
      await server.printed('ready');
      return await meter.timed(bed, async () => {
        const ping = new Program(bed.client.namespace, argv);
        return parseRoundTrips(await ping.output(WARMUP_SECONDS + seconds + PATIENCE_SECONDS));
      });
    } finally {
      await server.kill();
    }
  }

  const latency = { group: 'latency', unit: 'us', higherIsBetter: false, needs: {} } as const;
  return [
    {
      ...latency,
      key: 'tcp-rr',
      title: 'TCP request/response, median round trip',
      costUnit: 'CPU us/request',
      run: async (bed, seconds) => {
        const { result, cpu } = await roundTrips(bed, seconds);
        const cost = ((cpu.workCpus * seconds) / result.requests) * 1e6;
        return { value: result.p50, cost, cpu, details: details(result, seconds) };
      },
    },
    {
      ...latency,
      key: 'tcp-rr-loaded',
      title: 'TCP request/response beside 4 TCP streams, mean round trip',
      costUnit: null,
      systems: ['weft', 'kernel', 'bare'],
      run: async (bed, seconds) => {
        const { result: timing, gbitPerSecond } = await besideStreams(bed, WARMUP_SECONDS + seconds, () =>
          roundTrips(bed, seconds),
        );
        const { result, cpu } = timing;
        const load = { 'the streams Gbit/s': gbitPerSecond };
        return { value: result.mean, cost: null, cpu, details: { ...details(result, seconds), ...load } };
      },
    },
  ];
}

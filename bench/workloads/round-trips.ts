import { z } from 'zod';
import { benchTool } from '../../lab/checkout.js';
import type { Meter } from '../meter.js';
import { Program } from '../program.js';
import type { Bed } from '../systems/system.js';
import { WARMUP_SECONDS } from './generators.js';
import { Iperf, type IperfResult } from './iperf.js';
import type { Reading, Workload } from './workload.js';

const REQUEST_BYTES = '64';
const PATIENCE_SECONDS = 30;
/** Of TCP, in the background. */
const LOAD_STREAMS = 4;

const RoundTrips = z.object({
  requests: z.number(),
  lost: z.number(),
  mean: z.number(),
  p50: z.number(),
  p90: z.number(),
  p99: z.number(),
  p999: z.number(),
});
type RoundTrips = z.infer<typeof RoundTrips>;

/** What udp_blast ping prints at its end. */
export function parseRoundTrips(output: string): RoundTrips {
  return RoundTrips.parse(JSON.parse(output));
}

/** All but what the figure itself is. */
function percentiles(
  { mean, p50, p99, p999, lost, requests }: RoundTrips,
  seconds: number,
): Record<string, number> {
  return {
    ...{ 'mean us': mean, 'median us': p50, 'p99 us': p99, 'p99.9 us': p999 },
    'requests a second': requests / seconds,
    lost,
  };
}

/** Requests of 64 bytes, one at a time, on an idle system and beside four streams of TCP. */
export function roundTripWorkloads(meter: Meter): Workload[] {
  /** Runs round trips by TCP or UDP. */
  async function echo<T>(
    bed: Bed,
    seconds: number,
    flags: readonly string[],
    use: (ping: () => Promise<RoundTrips>) => Promise<T>,
  ): Promise<T> {
    const udpBlast = benchTool('udp_blast');
    const server = new Program(bed.server.namespace, [udpBlast, 'echo', ...flags]);
    const argv = [udpBlast, 'ping', ...flags, '--to', bed.serverAddress, '--size', REQUEST_BYTES];
    argv.push('--warmup', String(WARMUP_SECONDS), '--seconds', String(seconds));
    try {
      await server.printed('ready');
      return await use(async () => {
        const ping = new Program(bed.client.namespace, argv);
        return parseRoundTrips(await ping.output(WARMUP_SECONDS + seconds + PATIENCE_SECONDS));
      });
    } finally {
      await server.kill();
    }
  }

  function idle(bed: Bed, seconds: number, flags: readonly string[]): Promise<Reading> {
    return echo(bed, seconds, flags, async (ping) => {
      const { result, cpu } = await meter.timed(bed, ping);
      return {
        value: result.p50,
        cost: ((cpu.workCpus * seconds) / result.requests) * 1e6,
        cpu,
        details: percentiles(result, seconds),
      };
    });
  }

  /** Round trips while TCP fills what there is; the mean, because what waits in a queue now and then is what a user feels. */
  function loaded(
    bed: Bed,
    seconds: number,
    flags: readonly string[],
    value: (trips: RoundTrips) => number,
  ): Promise<Reading> {
    return echo(bed, seconds, flags, async (ping) => {
      const total = Math.ceil(WARMUP_SECONDS + seconds + 1);
      const streams = ['--parallel', String(LOAD_STREAMS)];
      const iperf = await Iperf.start(bed.client, bed.server, bed.serverAddress, total, streams);
      try {
        await iperf.streaming();
        const { result, cpu } = await meter.timed(bed, ping);
        const load: IperfResult = await iperf.result();
        return {
          value: value(result),
          cost: null,
          cpu,
          details: { ...percentiles(result, seconds), 'load Gbit/s': load.bitsPerSecond / 1e9 },
        };
      } finally {
        await iperf.stop();
      }
    });
  }

  const latency = { group: 'latency', unit: 'us', higherIsBetter: false, needs: {} } as const;
  return [
    {
      ...latency,
      key: 'tcp-rr',
      title: 'TCP request/response, median round trip',
      costUnit: 'CPU us/request',
      run: (bed, seconds) => idle(bed, seconds, ['--tcp']),
    },
    {
      ...latency,
      key: 'udp-rr',
      title: 'UDP request/response, median round trip',
      costUnit: 'CPU us/request',
      systems: ['weft', 'kernel', 'bare'],
      run: (bed, seconds) => idle(bed, seconds, []),
    },
    {
      ...latency,
      key: 'udp-rr-loaded',
      title: 'UDP round trip beside 4 TCP streams, mean',
      costUnit: null,
      run: (bed, seconds) => loaded(bed, seconds, [], ({ mean }) => mean),
    },
    {
      ...latency,
      key: 'tcp-rr-loaded',
      title: 'TCP request/response beside 4 TCP streams, median round trip',
      costUnit: null,
      systems: ['weft', 'kernel', 'bare'],
      run: (bed, seconds) => loaded(bed, seconds, ['--tcp'], ({ p50 }) => p50),
    },
  ];
}

import type { Meter, Timing } from '../meter.js';
import { Program } from '../program.js';
import type { Bed } from '../systems/system.js';
import { WARMUP_SECONDS } from './generators.js';
import { besideStreams } from './load.js';
import type { Workload } from './workload.js';

/** The shortest for which ping sleeps: below 10 ms it keeps a CPU busy, and the machine from being idle. */
const INTERVAL_SECONDS = 0.01;
const PATIENCE_SECONDS = 30;

/** What the echoes after the warm-up took. */
export interface Echoes {
  mean: number;
  median: number;
  p99: number;
  longest: number;
  lostPercent: number;
}

/** Parses the output of ping; microseconds, without the first `skip` of `count` echoes. */
export function parseEchoes(output: string, count: number, skip: number): Echoes {
  const times = [...output.matchAll(/icmp_seq=(\d+) .*\btime=([\d.]+) ms/g)]
    .filter(([, sequence]) => Number(sequence) > skip)
    .map(([, , milliseconds]) => Number(milliseconds) * 1e3)
    .sort((a, b) => a - b);
  const at = (share: number) => times[Math.floor(share * (times.length - 1))];
  const [median, p99, longest] = [at(0.5), at(0.99), at(1)];
  if (median === undefined || p99 === undefined || longest === undefined)
    throw new Error('no echo came back');
  const mean = times.reduce((sum, time) => sum + time, 0) / times.length;
  return { mean, median, p99, longest, lostPercent: 100 * (1 - times.length / (count - skip)) };
}

/**
 * Echoes of ping, which both kernels answer and stamp themselves: how long a packet takes there and back, whatever programs wait for. They
 * are sent by the clock, so that a long wait counts as often as it is met.
 */
export function echoWorkloads(meter: Meter): Workload[] {
  function echoes(bed: Bed, seconds: number): Promise<Timing<Echoes>> {
    const skip = Math.round(WARMUP_SECONDS / INTERVAL_SECONDS);
    const count = skip + Math.round(seconds / INTERVAL_SECONDS);
    const argv = [
      'ping',
      '-n',
      '-i',
      String(INTERVAL_SECONDS),
      '-c',
      String(count),
      '-W',
      '1',
      bed.serverAddress,
    ];
    return meter.timed(bed, async () => {
      const ping = new Program(bed.client.namespace, argv);
      return parseEchoes(await ping.output(seconds + PATIENCE_SECONDS), count, skip);
    });
  }

  const details = ({ mean, median, p99, longest, lostPercent }: Echoes) => ({
    ...{ 'mean us': mean, 'median us': median, 'p99 us': p99, 'longest us': longest, 'lost %': lostPercent },
  });
  const latency = { group: 'latency', unit: 'us', higherIsBetter: false, costUnit: null, needs: {} } as const;
  return [
    {
      ...latency,
      key: 'rtt',
      title: 'Echo of ping, median round trip',
      systems: ['weft', 'kernel', 'bare'],
      run: async (bed, seconds) => {
        const { result, cpu } = await echoes(bed, seconds);
        return { value: result.median, cost: null, cpu, details: details(result) };
      },
    },
    {
      ...latency,
      key: 'rtt-loaded',
      title: 'Echo of ping beside 4 TCP streams, mean round trip',
      run: async (bed, seconds) => {
        const { result: timing, gbitPerSecond } = await besideStreams(bed, WARMUP_SECONDS + seconds, () =>
          echoes(bed, seconds),
        );
        const { result, cpu } = timing;
        const load = { 'the streams Gbit/s': gbitPerSecond };
        return { value: result.mean, cost: null, cpu, details: { ...details(result), ...load } };
      },
    },
  ];
}

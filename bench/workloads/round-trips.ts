import { z } from 'zod';
import { benchTool } from '../../lab/checkout.js';
import type { Meter } from '../meter.js';
import { Program } from '../program.js';
import type { Bed } from '../systems/system.js';
import type { Reading, Workload } from './workload.js';

const REQUEST_BYTES = '64';
const WARMUP_SECONDS = 0.5;

const RoundTrips = z.object({ requests: z.number(), p50: z.number(), p99: z.number(), p999: z.number() });

/** One request at a time over one TCP connection. */
export function roundTripWorkloads(meter: Meter): Workload[] {
  const udpBlast = benchTool('udp_blast');

  async function run(bed: Bed, seconds: number): Promise<Reading> {
    const server = new Program(bed.server.namespace, [udpBlast, 'echo', '--tcp']);
    const ping = [udpBlast, 'ping', '--tcp', '--to', bed.serverAddress, '--size', REQUEST_BYTES];
    ping.push('--warmup', String(WARMUP_SECONDS), '--seconds', String(seconds));
    try {
      await server.printed('ready');
      const timing = await meter.timed(bed, () =>
        new Program(bed.client.namespace, ping).output(seconds + 30),
      );
      const trips = RoundTrips.parse(JSON.parse(timing.result));
      return {
        value: trips.p50,
        cost: ((timing.cpu.workCpus * seconds) / trips.requests) * 1e6,
        cpu: timing.cpu,
        details: {
          'p99 us': trips.p99,
          'p99.9 us': trips.p999,
          'requests a second': trips.requests / seconds,
        },
      };
    } finally {
      await server.kill();
    }
  }

  return [
    {
      key: 'tcp-rr',
      group: 'latency',
      title: 'TCP request/response, median round trip',
      unit: 'us',
      higherIsBetter: false,
      costUnit: 'CPU us/request',
      needs: {},
      run,
    },
  ];
}

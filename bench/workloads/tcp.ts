import { z } from 'zod';
import type { Meter } from '../meter.js';
import { Program } from '../program.js';
import type { Bed } from '../systems/system.js';
import type { Reading, Workload } from './workload.js';

const Iperf = z.object({
  end: z.object({
    sum_sent: z.object({ retransmits: z.number().optional() }),
    sum_received: z.object({ bytes: z.number(), bits_per_second: z.number() }),
    cpu_utilization_percent: z.object({ host_total: z.number(), remote_total: z.number() }),
  }),
});

/** Bulk TCP by iperf3: what the receiver got. */
export function tcpWorkloads(meter: Meter): Workload[] {
  async function run(bed: Bed, seconds: number, streams: number): Promise<Reading> {
    const server = new Program(bed.server.namespace, ['iperf3', '--server', '--one-off', '--forceflush']);
    try {
      await server.printed('Server listening');
      const client = ['iperf3', '--client', bed.serverAddress, '--json'];
      client.push('--time', String(seconds), '--parallel', String(streams));
      const timing = await meter.timed(bed, () =>
        new Program(bed.client.namespace, client).output(seconds + 30),
      );
      const { end } = Iperf.parse(JSON.parse(timing.result));
      return {
        value: end.sum_received.bits_per_second / 1e9,
        cost: timing.cpuSeconds / (end.sum_received.bytes / 1e9),
        cpu: timing.cpu,
        details: {
          retransmits: end.sum_sent.retransmits ?? 0,
          'iperf3 client CPU %': end.cpu_utilization_percent.host_total,
          'iperf3 server CPU %': end.cpu_utilization_percent.remote_total,
        },
      };
    } finally {
      await server.kill();
    }
  }

  return [1, 4].map((streams) => ({
    key: `tcp-${streams}`,
    group: 'tcp',
    title: `TCP, ${streams} ${streams === 1 ? 'stream' : 'streams'}`,
    unit: 'Gbit/s',
    higherIsBetter: true,
    costUnit: 'CPU s/GB',
    needs: {},
    run: (bed, seconds) => run(bed, seconds, streams),
  }));
}

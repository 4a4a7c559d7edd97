import { z } from 'zod';
import { benchTool } from '../../lab/checkout.js';
import type { Meter } from '../meter.js';
import { Program } from '../program.js';
import { WARMUP_SECONDS } from './generators.js';
import type { Workload } from './workload.js';

const PATIENCE_SECONDS = 30;

/** So that a client does not run out of ports: those of closed connections are free after a second. */
const manyPorts = ['net.ipv4.tcp_tw_reuse=1', 'net.ipv4.ip_local_port_range=1024 65535'];

const Connections = z.object({
  connections: z.number(),
  perSecond: z.number(),
  failed: z.number(),
  p50: z.number(),
  p99: z.number(),
  p999: z.number(),
});

/** What connection_rate prints at its end. */
export function parseConnections(output: string): z.infer<typeof Connections> {
  return Connections.parse(JSON.parse(output));
}

/** TCP connections one after the other, each with one byte there and one back. */
export function connectionWorkloads(meter: Meter): Workload[] {
  return [
    {
      key: 'tcp-crr',
      group: 'latency',
      title: 'TCP connections, one at a time',
      unit: '1/s',
      higherIsBetter: true,
      costUnit: 'CPU us/connection',
      needs: {},
      rounds: 3,
      run: async (bed, seconds) => {
        await bed.client.namespace.run(['sysctl', '-qw', ...manyPorts]);
        const tool = benchTool('connection_rate');
        const server = new Program(bed.server.namespace, [tool, 'serve']);
        try {
          await server.printed('ready');
          const argv = [tool, 'connect', '--to', bed.serverAddress, '--seconds', String(seconds)];
          argv.push('--warmup', String(WARMUP_SECONDS));
          const { result, cpu } = await meter.timed(bed, async () => {
            const client = new Program(bed.client.namespace, argv);
            return parseConnections(await client.output(seconds + PATIENCE_SECONDS));
          });
          return {
            value: result.perSecond,
            cost: (cpu.workCpus / result.perSecond) * 1e6,
            cpu,
            details: {
              ...{ 'median us': result.p50, 'p99 us': result.p99, 'p99.9 us': result.p999 },
              failed: result.failed,
            },
          };
        } finally {
          await server.kill();
        }
      },
    },
  ];
}

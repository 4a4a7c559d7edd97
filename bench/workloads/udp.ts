import type { Meter } from '../meter.js';
import type { Bed } from '../systems/system.js';
import { Iperf } from './iperf.js';
import type { Workload } from './workload.js';

/** IPv4 and UDP, or ICMP. */
const HEADER_BYTES = 28;

/** What `ip route get` knows of a path that is narrower than the interface; null where it knows of none. */
export function parsePathMtu(output: string): number | null {
  const mtu = /\bmtu (\d+)/.exec(output)?.[1];
  return mtu === undefined ? null : Number(mtu);
}

/** The interface's MTU, or what a system answered that fits through it: some give guests a larger one. */
async function pathMtu({ client, serverAddress, interface: ifname }: Bed): Promise<number> {
  const mtu = Number(await client.sys('mtu', ifname));
  await client.ping(serverAddress, { count: 1, size: mtu - HEADER_BYTES });
  return parsePathMtu(await client.namespace.ip('route', 'get', serverAddress)) ?? mtu;
}

/**
 * UDP by iperf3, as fast as it sends: the largest datagrams that are not fragmented, what the receiver got. Its socket has the machine's default buffer, of
 * some hundred datagrams.
 */
export function udpWorkloads(meter: Meter): Workload[] {
  return [
    {
      key: 'udp-1',
      group: 'udp',
      title: 'UDP, 1 stream of full datagrams',
      unit: 'Gbit/s',
      higherIsBetter: true,
      costUnit: 'CPU s/GB',
      needs: {},
      rounds: 3,
      run: async (bed, seconds) => {
        const length = (await pathMtu(bed)) - HEADER_BYTES;
        const flags = ['--udp', '--bitrate', '0', '--length', String(length)];
        const before = await bed.server.counter('RcvbufErrors');
        const iperf = await Iperf.start(bed.client, bed.server, bed.serverAddress, seconds, flags);
        try {
          const { result, cpu, cpuSeconds } = await meter.timed(bed, () => iperf.result());
          return {
            value: result.bitsPerSecond / 1e9,
            cost: cpuSeconds / (result.bytes / 1e9),
            cpu,
            details: {
              'bytes of a datagram': length,
              'lost at the full receiving socket': (await bed.server.counter('RcvbufErrors')) - before,
              ...result.details,
            },
          };
        } finally {
          await iperf.stop();
        }
      },
    },
  ];
}

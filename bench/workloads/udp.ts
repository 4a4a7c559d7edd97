import type { Meter } from '../meter.js';
import { Iperf } from './iperf.js';
import type { Workload } from './workload.js';

/** IPv4 and UDP. */
const HEADER_BYTES = 28;

/**
 * UDP by iperf3, as fast as it sends: datagrams of the guest's MTU, what the receiver got. Its socket has the machine's default buffer, of
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
        const length = Number(await bed.client.sys('mtu', bed.interface)) - HEADER_BYTES;
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

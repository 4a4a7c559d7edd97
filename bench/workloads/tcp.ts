import type { Guest } from '../../lab/guest.js';
import type { Meter } from '../meter.js';
import type { Bed } from '../systems/system.js';
import { Iperf } from './iperf.js';
import type { Reading, Workload } from './workload.js';

const STREAMS = [1, 4, 16];

/** Which way the bytes go, as iperf3 is told. */
const directions = [
  { suffix: '', words: '', flags: [] },
  { suffix: '-reverse', words: ', server to client', flags: ['--reverse'] },
  { suffix: '-both', words: ', both ways at once', flags: ['--bidir'] },
] as const;

const families = [
  { suffix: '', words: 'TCP', ipv6: false },
  { suffix: '-v6', words: 'TCP over IPv6', ipv6: true },
] as const;

const bulk = { unit: 'Gbit/s', higherIsBetter: true, costUnit: 'CPU s/GB' } as const;

/** What is asked of every system; the rest of the matrix only of what weft is measured against, in fewer rounds. */
const everywhere = ['tcp-1', 'tcp-4', 'tcp-1-v6'];
const often = [...everywhere, 'tcp-16', 'tcp-1-both'];

/** Bulk TCP by iperf3 from guest to guest: what the receivers got. */
export function tcpWorkloads(meter: Meter): Workload[] {
  return families.flatMap((family) =>
    directions.flatMap((direction) =>
      STREAMS.map((streams): Workload => {
        const key = `tcp-${streams}${family.suffix}${direction.suffix}`;
        return {
          key,
          group: 'tcp',
          title: `${family.words}, ${count(streams)}${direction.words}`,
          ...bulk,
          needs: family.ipv6 ? { ipv6: true } : {},
          ...(everywhere.includes(key) ? {} : { systems: ['weft', 'kernel', 'bare'] }),
          ...(often.includes(key) ? {} : { rounds: 3 }),
          run: (bed, seconds) => {
            const to = (family.ipv6 ? bed.serverAddress6 : null) ?? bed.serverAddress;
            return measureTcp(meter, bed, bed.server, to, seconds, streams, direction.flags);
          },
        };
      }),
    ),
  );
}

/** TCP between two ports of one host. */
export function localTcpWorkloads(meter: Meter): Workload[] {
  return [1, 4].map((streams) => ({
    key: `local-tcp-${streams}`,
    group: 'local',
    title: `TCP on one host, ${count(streams)}`,
    ...bulk,
    needs: { neighbour: true },
    run: async (bed, seconds) => {
      const neighbour = await bed.neighbour?.();
      if (neighbour === undefined) throw new Error('no neighbour');
      return measureTcp(meter, bed, neighbour.guest, neighbour.address, seconds, streams, []);
    },
  }));
}

function count(streams: number): string {
  return streams === 1 ? '1 stream' : `${streams} streams`;
}

async function measureTcp(
  meter: Meter,
  bed: Bed,
  to: Guest,
  address: string,
  seconds: number,
  streams: number,
  flags: readonly string[],
): Promise<Reading> {
  const iperf = await Iperf.start(bed.client, to, address, seconds, [
    '--parallel',
    String(streams),
    ...flags,
  ]);
  try {
    const { result, cpu, cpuSeconds } = await meter.timed(bed, () => iperf.result());
    return {
      value: result.bitsPerSecond / 1e9,
      cost: cpuSeconds / (result.bytes / 1e9),
      cpu,
      details: result.details,
    };
  } finally {
    await iperf.stop();
  }
}

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

const everywhere = ['tcp-1', 'tcp-4'];
/** Beside those, what is asked of what carries as much; the rest of the matrix only of weft and the kernel, in fewer rounds. */
const often = ['tcp-16', 'tcp-1-both', 'tcp-1-v6'];

function extent(key: string): Pick<Workload, 'group' | 'systems' | 'rounds'> {
  if (everywhere.includes(key)) return { group: 'tcp' };
  if (often.includes(key)) return { group: 'tcp', systems: ['weft', 'kernel', 'bare', 'swarm'] };
  return { group: 'tcp-matrix', systems: ['weft', 'kernel'], rounds: 2 };
}

/** Bulk TCP by iperf3 from guest to guest: what the receivers got. */
export function tcpWorkloads(meter: Meter): Workload[] {
  return families.flatMap((family) =>
    directions.flatMap((direction) =>
      STREAMS.map((streams): Workload => {
        const key = `tcp-${streams}${family.suffix}${direction.suffix}`;
        return {
          key,
          ...extent(key),
          title: `${family.words}, ${count(streams)}${direction.words}`,
          ...bulk,
          needs: family.ipv6 ? { ipv6: true } : {},
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

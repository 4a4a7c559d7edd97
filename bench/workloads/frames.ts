import type { Meter } from '../meter.js';
import type { Bed } from '../systems/system.js';
import {
  countAtPort,
  ETHERNET_BYTES,
  type FrameTraffic,
  frameDetails,
  frameTarget,
  type Received,
  type Running,
  receiveFrames,
  sendFrames,
} from './generators.js';
import type { Reading, Workload } from './workload.js';

/** Of RFC 2544, 9.1, and RFC 2889; the largest is what the guest's MTU lets through. */
const SIZES = [64, 128, 256, 512, 1024, 1280, 1518];
const FLOWS = [1, 64, 10000];

/** Three sizes in turn: of 63 flows each has one. */
const mixed: FrameTraffic = { sizes: [64, 512, 1400], flows: 63 };

/** A MAC that no guest has. */
const GHOST_MAC = '02:0e:0f:00:00:01';

/** Frames a second that are offered, about as many as the kernel carries. The CPU time is divided by those that arrive. */
const SAME_RATE = 80_000;

const small = { unit: 'kpps', higherIsBetter: true, costUnit: 'CPU us/frame' } as const;
const switches = ['weft', 'kernel', 'ovs'];

function flowsOf(flows: number): string {
  return flows === 1 ? '1 flow' : `${flows.toLocaleString('en')} flows`;
}

/** Every size and number of flows; other sizes than 64 bytes are asked only of weft and the kernel, in fewer rounds. */
function sweep(
  group: string,
  title: string,
  everywhere: readonly string[],
  run: (bed: Bed, seconds: number, traffic: FrameTraffic) => Promise<Reading>,
) {
  return FLOWS.flatMap((flows) =>
    SIZES.map((size): Workload => {
      const key = `${group}-${size}b-${flows}f`;
      return {
        key,
        title: `${title}, ${size === 1518 ? 'the largest frame' : `${size}-byte frames`}, ${flowsOf(flows)}`,
        ...small,
        needs: {},
        ...(size === 64 ? { group } : { group: 'sizes', rounds: 2 }),
        ...(everywhere.includes(key) ? {} : { systems: size === 64 ? switches : ['weft', 'kernel'] }),
        run: (bed, seconds) => run(bed, seconds, { sizes: [size], flows }),
      };
    }),
  );
}

/** UDP in frames of every size, as fast as a generator sends them past its guest's stack: what reached a socket. */
export function frameWorkloads(meter: Meter): Workload[] {
  const run = async (bed: Bed, seconds: number, traffic: FrameTraffic) => {
    const target = await frameTarget(bed, bed.client, bed.server, bed.serverAddress);
    const sent = await fitting(bed, traffic);
    const receiver = await receiveFrames(bed.server, seconds);
    return measureFrames(meter, bed, target, sent, receiver, seconds);
  };
  return [
    ...sweep('pps', 'UDP', ['pps-64b-1f', 'pps-64b-64f'], run),
    {
      key: 'pps-mixed',
      group: 'pps',
      title: 'UDP, frames of 64, 512 and 1400 bytes, 63 flows',
      ...small,
      needs: {},
      run: (bed, seconds) => run(bed, seconds, mixed),
    },
    ...[1, 64].map(
      (flows): Workload => ({
        key: `cpu-64b-${flows}f`,
        group: 'cpu',
        title: `CPU time of a 64-byte frame, ${flowsOf(flows)}, ${SAME_RATE / 1e3} kpps offered`,
        unit: 'us',
        higherIsBetter: false,
        costUnit: null,
        needs: {},
        systems: ['weft', 'kernel'],
        run: async (bed, seconds) =>
          costAsValue(await run(bed, seconds, { sizes: [64], flows, rate: SAME_RATE })),
      }),
    ),
  ];
}

/** The CPU time of a frame that arrived as the figure that is compared. It is none where other programs seem to have used all of it. */
export function costAsValue({ value, cost, cpu, details }: Reading): Reading {
  if (cost === null || !(cost > 0)) throw new Error('the CPU time of a frame could not be told');
  return { value: cost, cost: null, cpu, details: { 'received kpps': value, ...details } };
}

/** The same up to the port: the guest's kernel throws the frames away at the first look. */
export function portFrameWorkloads(meter: Meter): Workload[] {
  const run = async (bed: Bed, seconds: number, asked: FrameTraffic) => {
    const traffic = await fitting(bed, asked);
    await bed.client.reach(bed.serverAddress);
    const receiver = await countAtPort(bed, bed.server, GHOST_MAC, traffic.sizes[0] ?? 0, seconds);
    return measureFrames(meter, bed, `${bed.serverAddress}@${GHOST_MAC}`, traffic, receiver, seconds);
  };
  return sweep('port', 'To the port', [], run).map((workload) => ({ ...workload, needs: { layer2: true } }));
}

/** Frames between two ports of one host. */
export function localFrameWorkloads(meter: Meter): Workload[] {
  return [1, 64].map((flows) => ({
    key: `local-pps-64b-${flows}f`,
    group: 'local',
    title: `UDP on one host, 64-byte frames, ${flowsOf(flows)}`,
    ...small,
    needs: { neighbour: true },
    run: async (bed, seconds) => {
      const neighbour = await bed.neighbour?.();
      if (neighbour === undefined) throw new Error('no neighbour');
      const target = await frameTarget(bed, bed.client, neighbour.guest, neighbour.address);
      const receiver = await receiveFrames(neighbour.guest, seconds);
      return measureFrames(meter, bed, target, { sizes: [64], flows }, receiver, seconds);
    },
  }));
}

/** With sizes that a guest may send. */
async function fitting(bed: Bed, traffic: FrameTraffic): Promise<FrameTraffic> {
  const largest = Number(await bed.client.sys('mtu', bed.interface)) + ETHERNET_BYTES;
  return { ...traffic, sizes: traffic.sizes.map((size) => Math.min(size, largest)) };
}

/** One sender to one receiver that is ready. */
async function measureFrames(
  meter: Meter,
  bed: Bed,
  target: string,
  traffic: FrameTraffic,
  receiver: Running<Received>,
  seconds: number,
): Promise<Reading> {
  const sender = sendFrames(bed, bed.client, [target], traffic, seconds);
  try {
    const { result, cpu } = await meter.timed(bed, () => receiver.result());
    const bytes = traffic.sizes.reduce((sum, size) => sum + size, 0) / traffic.sizes.length;
    return {
      value: result.framesPerSecond / 1e3,
      cost: (cpu.workCpus / result.framesPerSecond) * 1e6,
      cpu,
      details: { 'bytes of a frame': bytes, ...frameDetails([await sender.result()], [result]) },
    };
  } finally {
    await receiver.stop();
    await sender.stop();
  }
}

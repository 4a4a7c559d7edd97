import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { type CpuUse, cpuUse, describeMachine, sampleCpu } from './machine.js';
import type { Pair } from './pair.js';
import { Program } from './program.js';

export const measurementKeys = ['tcp', 'tcp4', 'pps', 'pps64', 'rr'] as const;
export type MeasurementKey = (typeof measurementKeys)[number];

/** What one measurement of one system gave. */
export interface Reading {
  /** The figure that is compared, in the measurement's unit. */
  value: number;
  /** CPU time of the whole machine, other programs left out, for one unit of work in the measurement's cost unit. */
  cost: number;
  cpu: CpuUse;
  /** What else is worth knowing, by the words of the table. */
  details: Record<string, number>;
}

export interface Measurement<P = Pair> {
  key: MeasurementKey;
  title: string;
  unit: string;
  /** Whether a larger value is the better one. */
  higherIsBetter: boolean;
  costUnit: string;
  run(pair: P, seconds: number): Promise<Reading>;
}

/** 22 bytes in UDP over IPv4 make an Ethernet frame of 64 bytes, without frame check sequence. */
const SMALL_PAYLOAD = '22';
const REQUEST_BYTES = '64';
const WARMUP_SECONDS = 0.5;
/** The sender goes on for this long after the receiver is to stop, so that the last frames counted meet the same load. */
const TAIL_SECONDS = 0.5;

const udpBlast = fileURLToPath(new URL('../../build/native/udp_blast', import.meta.url));

const Iperf = z.object({
  end: z.object({
    sum_sent: z.object({ retransmits: z.number().optional() }),
    sum_received: z.object({ bytes: z.number(), bits_per_second: z.number() }),
    cpu_utilization_percent: z.object({ host_total: z.number(), remote_total: z.number() }),
  }),
});
const Sent = z.object({ framesPerSecond: z.number(), seconds: z.number(), cpuSeconds: z.number() });
const Received = Sent.extend({ overflow: z.number() });
const RoundTrips = z.object({ requests: z.number(), p50: z.number(), p99: z.number(), p999: z.number() });

function ownCpus({ busyCpus, otherCpus }: CpuUse): number {
  return Math.max(0, busyCpus - otherCpus);
}

export function measurements(): Measurement[] {
  const cpuCount = describeMachine().cpus;

  async function timed<T>(work: () => Promise<T>): Promise<{ result: T; cpu: CpuUse; seconds: number }> {
    const before = sampleCpu();
    const start = performance.now();
    const result = await work();
    const seconds = (performance.now() - start) / 1000;
    return { result, cpu: cpuUse(before, sampleCpu(), cpuCount), seconds };
  }

  async function tcp(pair: Pair, seconds: number, streams: number): Promise<Reading> {
    const server = new Program(pair.server.namespace, ['iperf3', '--server', '--one-off', '--forceflush']);
    try {
      await server.printed('Server listening');
      const client = ['iperf3', '--client', pair.serverAddress, '--json'];
      client.push('--time', String(seconds), '--parallel', String(streams));
      const timing = await timed(() => new Program(pair.client.namespace, client).output());
      const { end } = Iperf.parse(JSON.parse(timing.result));
      return {
        value: end.sum_received.bits_per_second / 1e9,
        cost: (ownCpus(timing.cpu) * timing.seconds) / (end.sum_received.bytes / 1e9),
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

  async function frames(pair: Pair, seconds: number, flows: number): Promise<Reading> {
    const window = ['--warmup', String(WARMUP_SECONDS), '--seconds', String(seconds)];
    const receiver = new Program(pair.server.namespace, [udpBlast, 'receive', ...window]);
    const total = String(WARMUP_SECONDS + seconds + TAIL_SECONDS);
    const send = [udpBlast, 'send', '--to', pair.serverAddress, '--size', SMALL_PAYLOAD];
    send.push('--flows', String(flows), '--seconds', total);
    try {
      await receiver.printed('ready');
      const sender = new Program(pair.client.namespace, send);
      const timing = await timed(() => receiver.output());
      const lines = timing.result.trim().split('\n');
      const received = Received.parse(JSON.parse(lines.at(-1) ?? ''));
      const sent = Sent.parse(JSON.parse(await sender.output()));
      return {
        value: received.framesPerSecond / 1e3,
        cost: (ownCpus(timing.cpu) / received.framesPerSecond) * 1e6,
        cpu: timing.cpu,
        details: {
          'sent kpps': sent.framesPerSecond / 1e3,
          'lost at the full receiving socket': received.overflow,
          'sender CPU %': (100 * sent.cpuSeconds) / sent.seconds,
          'receiver CPU %': (100 * received.cpuSeconds) / received.seconds,
        },
      };
    } finally {
      await receiver.kill();
    }
  }

  async function requestResponse(pair: Pair, seconds: number): Promise<Reading> {
    const server = new Program(pair.server.namespace, [udpBlast, 'echo', '--tcp']);
    const ping = [udpBlast, 'ping', '--tcp', '--to', pair.serverAddress, '--size', REQUEST_BYTES];
    ping.push('--warmup', String(WARMUP_SECONDS), '--seconds', String(seconds));
    try {
      await server.printed('ready');
      const timing = await timed(() => new Program(pair.client.namespace, ping).output());
      const trips = RoundTrips.parse(JSON.parse(timing.result));
      return {
        value: trips.p50,
        cost: ((ownCpus(timing.cpu) * seconds) / trips.requests) * 1e6,
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

  const bulk = { unit: 'Gbit/s', higherIsBetter: true, costUnit: 'CPU s/GB' } as const;
  const small = { unit: 'kpps', higherIsBetter: true, costUnit: 'CPU us/frame' } as const;
  return [
    { key: 'tcp', title: 'TCP, 1 stream', ...bulk, run: (pair, seconds) => tcp(pair, seconds, 1) },
    { key: 'tcp4', title: 'TCP, 4 streams', ...bulk, run: (pair, seconds) => tcp(pair, seconds, 4) },
    {
      key: 'pps',
      title: 'UDP, 64-byte frames, 1 flow',
      ...small,
      run: (pair, seconds) => frames(pair, seconds, 1),
    },
    {
      key: 'pps64',
      title: 'UDP, 64-byte frames, 64 flows',
      ...small,
      run: (pair, seconds) => frames(pair, seconds, 64),
    },
    {
      key: 'rr',
      title: 'TCP request/response, median round trip',
      unit: 'us',
      higherIsBetter: false,
      costUnit: 'CPU us/request',
      run: requestResponse,
    },
  ];
}

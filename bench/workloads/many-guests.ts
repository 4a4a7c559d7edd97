import { benchTool } from '../../lab/checkout.js';
import type { Guest } from '../../lab/guest.js';
import type { CpuUse } from '../machine.js';
import type { Meter } from '../meter.js';
import { Program } from '../program.js';
import { disturbance } from '../rounds.js';
import type { Bed } from '../systems/system.js';
import {
  broadcastTarget,
  frameDetails,
  frameTarget,
  type Received,
  type Running,
  receiveFrames,
  type Sent,
  sendFrames,
} from './generators.js';
import type { Reading, Workload } from './workload.js';

/** All ones of every network: a socket that is bound to no address gets it. */
const BROADCAST_ADDRESS = '255.255.255.255';
/** Frames a second of the flow that a slow port must not take anything from: little beside what any switch carries. */
const GENTLE_RATE = 20_000;

interface Station {
  guest: Guest;
  address: string;
}

/** All guests of a bed: two on each host. */
async function stations(
  bed: Bed,
): Promise<{ client: Station; server: Station; neighbour: Station; serverNeighbour: Station }> {
  const neighbour = await bed.neighbour?.();
  const serverNeighbour = await bed.serverNeighbour?.();
  if (neighbour === undefined || serverNeighbour === undefined) throw new Error('no second guest on a host');
  return {
    client: { guest: bed.client, address: bed.clientAddress },
    server: { guest: bed.server, address: bed.serverAddress },
    neighbour,
    serverNeighbour,
  };
}

const base = {
  group: 'many',
  higherIsBetter: true,
  needs: { layer2: true, neighbour: true, serverNeighbour: true },
} as const;

/** What is told of a reading that compares two halves: the second, unless only the first was disturbed, which spoils it as much. */
export function ofBoth(first: CpuUse, second: CpuUse): CpuUse {
  return disturbance(second) === null && disturbance(first) !== null ? first : second;
}

/** What takes more than two guests: RFC 2889, 5.3 (meshed), 5.5 (a port that takes nothing) and 5.10 (broadcast). */
export function manyGuestWorkloads(meter: Meter): Workload[] {
  /** Lets senders send to receivers that are ready, and ends both. */
  async function measure(
    bed: Bed,
    receivers: readonly Running<Received>[],
    start: () => Running<Sent>[],
  ): Promise<{ received: Received[]; sent: Sent[]; total: number; cpu: CpuUse; workCpus: number }> {
    const senders = start();
    try {
      const { result: received, cpu } = await meter.timed(bed, () =>
        Promise.all(receivers.map((one) => one.result())),
      );
      const sent = await Promise.all(senders.map((one) => one.result()));
      const total = received.reduce((sum, { framesPerSecond }) => sum + framesPerSecond, 0);
      return { received, sent, total, cpu, workCpus: cpu.workCpus };
    } finally {
      await Promise.all([...receivers, ...senders].map((one) => one.stop()));
    }
  }

  async function meshed(bed: Bed, seconds: number): Promise<Reading> {
    const all = Object.values(await stations(bed));
    const targets = await Promise.all(
      all.map(({ guest }) =>
        Promise.all(
          all.filter((to) => to.guest !== guest).map((to) => frameTarget(bed, guest, to.guest, to.address)),
        ),
      ),
    );
    const receivers = await Promise.all(all.map(({ guest }) => receiveFrames(guest, seconds)));
    const traffic = { sizes: [64], flows: 64 };
    const start = () =>
      all.map(({ guest }, index) => sendFrames(bed, guest, targets[index] ?? [], traffic, seconds));
    const { received, sent, total, cpu, workCpus } = await measure(bed, receivers, start);
    return { value: total / 1e3, cost: (workCpus / total) * 1e6, cpu, details: frameDetails(sent, received) };
  }

  async function broadcast(bed: Bed, seconds: number): Promise<Reading> {
    const { client, ...others } = await stations(bed);
    const receivers = await Promise.all(
      Object.values(others).map(({ guest }) => receiveFrames(guest, seconds)),
    );
    const target = broadcastTarget(BROADCAST_ADDRESS);
    const start = () => [sendFrames(bed, client.guest, [target], { sizes: [64], flows: 1 }, seconds)];
    const { received, sent, total, cpu, workCpus } = await measure(bed, receivers, start);
    const rates = received.map(({ framesPerSecond }) => framesPerSecond / 1e3);
    return {
      value: total / received.length / 1e3,
      cost: (workCpus / total) * 1e6,
      cpu,
      details: {
        receivers: received.length,
        'slowest receiver kpps': Math.min(...rates),
        'fastest receiver kpps': Math.max(...rates),
        ...frameDetails(sent, received),
      },
    };
  }

  /** The gentle flow alone, then while another pair of guests floods a socket that is never read. */
  async function slowPort(bed: Bed, seconds: number): Promise<Reading> {
    const { client, server, neighbour, serverNeighbour } = await stations(bed);
    const gentle = await frameTarget(bed, client.guest, server.guest, server.address);
    const flood = await frameTarget(bed, neighbour.guest, serverNeighbour.guest, serverNeighbour.address);
    const half = seconds / 2;
    const gently = () =>
      sendFrames(bed, client.guest, [gentle], { sizes: [64], flows: 1, rate: GENTLE_RATE }, half);
    const alone = await measure(bed, [await receiveFrames(server.guest, half)], () => [gently()]);
    const hold = new Program(serverNeighbour.guest.namespace, [benchTool('udp_blast'), 'hold']);
    try {
      await hold.printed('ready');
      const beside = await measure(bed, [await receiveFrames(server.guest, half)], () => [
        sendFrames(bed, neighbour.guest, [flood], { sizes: [64], flows: 1 }, half),
        gently(),
      ]);
      return {
        value: (100 * beside.total) / alone.total,
        cost: null,
        cpu: ofBoth(alone.cpu, beside.cpu),
        details: {
          'alone kpps': alone.total / 1e3,
          'beside it kpps': beside.total / 1e3,
          'flood kpps': (beside.sent[0]?.framesPerSecond ?? 0) / 1e3,
        },
      };
    } finally {
      await hold.kill();
    }
  }

  return [
    {
      ...base,
      key: 'meshed',
      title: 'Meshed: 4 guests on 2 hosts, each to all others, 64-byte frames',
      unit: 'kpps',
      costUnit: 'CPU us/frame',
      run: meshed,
    },
    {
      ...base,
      key: 'broadcast',
      // Swarm's overlay forwards none.
      systems: ['weft', 'kernel', 'ovs'],
      title: 'Broadcast to 3 guests, 64-byte frames, at each of them',
      unit: 'kpps',
      costUnit: 'CPU us/copy',
      run: broadcast,
    },
    {
      ...base,
      key: 'slow-port',
      title: 'What a flow keeps while a port that takes nothing is flooded',
      unit: '%',
      costUnit: null,
      run: slowPort,
    },
  ];
}

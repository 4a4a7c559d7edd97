import { z } from 'zod';
import { benchTool } from '../../lab/checkout.js';
import type { Guest } from '../../lab/guest.js';
import { Program } from '../program.js';
import type { Bed } from '../systems/system.js';

/** Before a receiver begins to count, so that queues and tables are what they stay. */
export const WARMUP_SECONDS = 0.5;
/** The sender goes on for this long after the receiver is to stop, so that the last frames counted meet the same load. */
const TAIL_SECONDS = 0.5;
const PATIENCE_SECONDS = 30;

/** Of an interface that has no Ethernet header, nobody looks at it. */
const NO_MAC = '00:00:00:00:00:00';
const BROADCAST_MAC = 'ff:ff:ff:ff:ff:ff';

/** Bytes of an Ethernet frame before its packet; a guest's MTU does not count them. */
export const ETHERNET_BYTES = 14;

const Sent = z.object({
  refused: z.number(),
  seconds: z.number(),
  framesPerSecond: z.number(),
  cpuSeconds: z.number(),
});
export type Sent = z.infer<typeof Sent>;

const Received = z.object({
  received: z.number(),
  seconds: z.number(),
  framesPerSecond: z.number(),
  cpuSeconds: z.number(),
  /** Datagrams that met a full buffer of the receiving socket. */
  overflow: z.number().optional(),
  /** What the receiver's kernel was handed, super-frames counted once. */
  packets: z.number().optional(),
});
export type Received = z.infer<typeof Received>;

/** What frame_blast and its receivers end with: a line of JSON, after "ready" where they were waited for. */
export function parseSent(output: string): Sent {
  return Sent.parse(lastLine(output));
}

export function parseReceived(output: string): Received {
  return Received.parse(lastLine(output));
}

function lastLine(output: string): unknown {
  return JSON.parse(output.trim().split('\n').at(-1) ?? '');
}

/** What to send: frames of these sizes in turn, of so many flows in turn. */
export interface FrameTraffic {
  /** Bytes of an Ethernet frame without its check sequence. */
  sizes: readonly number[];
  flows: number;
  /** Frames a second; as fast as it goes where it is absent. */
  rate?: number;
}

/** A program of the benchmark under way, and what it says at its end. */
export class Running<T> {
  readonly #program: Program;
  readonly #limitSeconds: number;
  readonly #parse: (output: string) => T;

  constructor(program: Program, limitSeconds: number, parse: (output: string) => T) {
    this.#program = program;
    this.#limitSeconds = limitSeconds;
    this.#parse = parse;
  }

  async result(): Promise<T> {
    return this.#parse(await this.#program.output(this.#limitSeconds));
  }

  stop(): Promise<void> {
    return this.#program.kill();
  }
}

/** Where a guest's frames go to another, as frame_blast takes it. Resolves once both know each other and the system knows both. */
export async function frameTarget(bed: Bed, from: Guest, to: Guest, address: string): Promise<string> {
  await from.reach(address);
  const mac = await to.sys('address', bed.interface);
  return `${address}@${mac === '' ? NO_MAC : mac}`;
}

export function broadcastTarget(address: string): string {
  return `${address}@${BROADCAST_MAC}`;
}

/** Sends for as long as receivers that are told the same seconds count. */
export function sendFrames(
  bed: Bed,
  from: Guest,
  targets: readonly string[],
  { sizes, flows, rate }: FrameTraffic,
  seconds: number,
): Running<Sent> {
  const total = WARMUP_SECONDS + seconds + TAIL_SECONDS;
  const argv = [benchTool('frame_blast'), '--interface', bed.interface, '--to', targets.join(',')];
  argv.push('--sizes', sizes.join(','), '--flows', String(flows), '--seconds', String(total));
  if (rate !== undefined) argv.push('--rate', String(rate));
  return new Running(new Program(from.namespace, argv), total + PATIENCE_SECONDS, parseSent);
}

/** Counts datagrams that reach a socket of a guest. */
export function receiveFrames(guest: Guest, seconds: number): Promise<Running<Received>> {
  return receiver(guest, ['udp_blast', 'receive'], seconds);
}

/** Counts frames of one size for a MAC that is behind a guest's interface and not its own. */
export function countAtPort(
  bed: Bed,
  guest: Guest,
  mac: string,
  size: number,
  seconds: number,
): Promise<Running<Received>> {
  const argv = ['port_count', '--interface', bed.interface, '--mac', mac, '--size', String(size)];
  return receiver(guest, argv, seconds);
}

async function receiver(
  guest: Guest,
  [tool = '', ...flags]: readonly string[],
  seconds: number,
): Promise<Running<Received>> {
  const window = ['--warmup', String(WARMUP_SECONDS), '--seconds', String(seconds)];
  const program = new Program(guest.namespace, [benchTool(tool), ...flags, ...window]);
  try {
    await program.printed('ready');
  } catch (error) {
    await program.kill();
    throw error;
  }
  return new Running(program, seconds + 2 * PATIENCE_SECONDS, parseReceived);
}

/** What is worth knowing of both ends beside the frames that arrived. */
export function frameDetails(sent: readonly Sent[], received: readonly Received[]): Record<string, number> {
  const sum = <T>(items: readonly T[], of: (item: T) => number) =>
    items.reduce((total, item) => total + of(item), 0);
  const details: Record<string, number> = {
    'sent kpps': sum(sent, ({ framesPerSecond }) => framesPerSecond) / 1e3,
    'sender CPU %': sum(sent, ({ cpuSeconds, seconds }) => (100 * cpuSeconds) / seconds),
    'receiver CPU %': sum(received, ({ cpuSeconds, seconds }) => (100 * cpuSeconds) / seconds),
  };
  if (received.some(({ overflow }) => overflow !== undefined)) {
    const lost = sum(received, ({ overflow }) => overflow ?? 0);
    const arrived = lost + sum(received, (one) => one.received);
    details['lost at the full receiving socket %'] = arrived === 0 ? 0 : (100 * lost) / arrived;
  }
  if (received.some(({ packets }) => packets !== undefined)) {
    const packets = sum(received, (one) => one.packets ?? 0);
    details['frames in a packet to the guest'] =
      packets === 0 ? 0 : sum(received, (one) => one.received) / packets;
  }
  return details;
}

/**
 * The running kernel's own GRO and GSO, to compare with: a veth pair in a namespace of its own, one end of which cuts and completes in
 * software all that is sent, while the other joins what arrives.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { run } from './command.js';
import type { Lab } from './lab.js';
import type { Namespace } from './namespace.js';
import { plain, sendFrames, VnetCapture, type VnetFrame } from './vnet.js';
import { until } from './wait.js';

export class KernelOffloads {
  readonly #namespace: Namespace;
  /** On which NAPI's thread runs, if this joins. */
  readonly #cpu: number | undefined;
  readonly #sender: string;
  readonly #capture: VnetCapture;
  #rounds = 0;

  private constructor(namespace: Namespace, cpu: number | undefined, sender: string, capture: VnetCapture) {
    this.#namespace = namespace;
    this.#cpu = cpu;
    this.#sender = sender;
    this.#capture = capture;
  }

  /** `join: false` for a receiver that shows what was cut as it came. */
  static async open(lab: Lab, name: string, { join }: { join: boolean }): Promise<KernelOffloads> {
    const namespace = await lab.namespace(name);
    // NAPI threads belong to no namespace: their names are unique in the machine only if the interface's is.
    const [sender, receiver] = [`s${process.pid}`, `${join ? 'j' : 'r'}${process.pid}`];
    await namespace.run(['sysctl', '-qw', 'net.ipv6.conf.default.disable_ipv6=1']);
    const queues = ['numtxqueues', '1', 'numrxqueues', '1'];
    await namespace.ip(
      ...['link', 'add', sender, 'mtu', '9000', ...queues],
      ...['type', 'veth', 'peer', 'name', receiver, 'mtu', '9000', ...queues],
    );
    await namespace.run(['ethtool', '-K', sender, 'tx', 'off', 'tso', 'off', 'gso', 'off']);
    if (join) await namespace.run(['ethtool', '-K', receiver, 'gro', 'on', 'rx-udp-gro-forwarding', 'on']);
    for (const ifname of [sender, receiver]) await namespace.ip('link', 'set', ifname, 'up');
    const cpu = join ? firstCpu() : undefined;
    if (cpu !== undefined) {
      await namespace.run(['bash', '-c', `echo 1 > /sys/class/net/${receiver}/threaded`]);
      const thread = await until(`NAPI of ${receiver} has a thread`, () => findThread(`napi/${receiver}-`));
      await run(['taskset', '-pc', `${cpu}`, thread]);
    }
    return new KernelOffloads(namespace, cpu, sender, await VnetCapture.start(namespace, receiver));
  }

  /**
   * Sends frames so that they meet GRO in one poll, or super-frames so that GSO cuts them. Gives what arrived, once it is `count` frames
   * of a wire, and a marker that was sent behind them.
   */
  async pass(frames: readonly VnetFrame[], count: number): Promise<VnetFrame[]> {
    this.#rounds += 1;
    const marker = markerFrame(this.#rounds);
    const isMarker = ({ bytes }: VnetFrame) => bytes.equals(marker);
    this.#capture.clear();
    await sendFrames(this.#namespace, this.#sender, [...frames, { vnet: plain, bytes: marker }], this.#cpu);
    return until(`${count} frames and a marker pass the kernel`, () => {
      const arrived = this.#capture.frames();
      const others = arrived.filter((frame) => !isMarker(frame));
      return arrived.some(isMarker) && wireFrames(others) >= count && others;
    });
  }
}

/** A frame of an experimental EtherType (IEEE 802, local use) that nothing joins and nothing answers. */
export function markerFrame(number: number, destination = '02aa000000ff', source = '02aa000000fe'): Buffer {
  const bytes = Buffer.alloc(60);
  Buffer.from(`${destination}${source}88b5`, 'hex').copy(bytes);
  bytes.writeUInt32BE(number, 14);
  return bytes;
}

/** How many frames of a wire these stand for. */
export function wireFrames(frames: readonly VnetFrame[]): number {
  return frames.reduce((sum, frame) => sum + segmentsOf(frame), 0);
}

/** How many segments a frame has; 1 where it is no super-frame. */
export function segmentsOf({ vnet, bytes }: VnetFrame): number {
  if (vnet.gsoSize === 0) return 1;
  return Math.ceil((bytes.length - payloadStart({ vnet, bytes })) / vnet.gsoSize);
}

/** Where the payload of a super-frame begins: behind its UDP header, or its TCP header with options. */
export function payloadStart({ vnet, bytes }: VnetFrame): number {
  if (vnet.checksumOffset === 6) return vnet.checksumStart + 8;
  return vnet.checksumStart + (bytes.readUInt8(vnet.checksumStart + 12) >> 4) * 4;
}

/** A CPU that this process may run on. */
export function firstCpu(): number {
  const allowed = /^Cpus_allowed_list:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(allowed?.[1] ?? 0);
}

function findThread(prefix: string): string | undefined {
  return readdirSync('/proc').find((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith(prefix);
    } catch {
      return false;
    }
  });
}

/**
 * Joining, held against the running kernel. The same frames pass the kernel's GRO in one poll, and, as VXLAN datagrams, weft in one
 * round. What comes out must be the same, to the byte, but for the cases listed here; and the kernel, when it cuts again what weft joined,
 * must make of it the frames that were sent.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { beforeAll, describe, expect, it } from 'vitest';
import { tool } from '../../lab/checkout.js';
import type { Guest } from '../../lab/guest.js';
import type { Host } from '../../lab/host.js';
import {
  firstCpu,
  KernelOffloads,
  markerFrame,
  payloadStart,
  segmentsOf,
} from '../../lab/kernel-offloads.js';
import { Lab } from '../../lab/lab.js';
import { needsChecksum, VnetCapture, type VnetFrame } from '../../lab/vnet.js';
import { until } from '../../lab/wait.js';
import { vxlanHeader } from './datagrams.js';
import { type GroFrame, groCases } from './gro-cases.js';
import { expectInvariants } from './invariants.js';
import { finished, guestMac } from './packets.js';

/** Which frames were joined, as indices into a case's frames, in the order in which they came out. */
type Groups = number[][];

interface Difference {
  reason: string;
  /** What weft makes of it. */
  groups: Groups;
  /** The Linux that first made something else of it. */
  since?: string;
}

const sixteen = Array.from({ length: 16 }, (_, index) => index);
const sizes = 'what is written to a TAP has 65,535 bytes with its Ethernet header, not without';
const ids = 'without DF the ID has a meaning: it would be another one when the super-frame is cut again';

const padding = 'what stands behind a packet has no meaning: weft leaves it out of what it joins';

const urgent = 'a cut super-frame would have the urgent pointer of its first frame in all of them';

/** Where weft does not do what the kernel does (docs/internals/datapath.md, Offloads). */
const differences: Record<string, Difference> = {
  'IPv4, large: all that fits': { reason: sizes, groups: [sixteen, [16, 17]] },
  'IPv6, large: all that fits': { reason: sizes, groups: [sixteen, [16, 17]] },
  'IPv4, Ethernet: padding behind small frames': { reason: padding, groups: [[0, 1]] },
  'IPv6, Ethernet: padding behind small frames': { reason: padding, groups: [[0, 1]] },
  'IPv4, tcp: an urgent pointer without URG': { reason: urgent, groups: [[0], [1]] },
  'IPv6, tcp: an urgent pointer without URG': { reason: urgent, groups: [[0], [1]] },
  'IPv4, id: fixed': { reason: ids, groups: [[0], [1]], since: '6.18' },
  'IPv4, id: udp, fixed': { reason: ids, groups: [[0], [1]], since: '6.18' },
  'IPv6, udp: a wrong checksum': {
    reason: 'the kernel lets what follows overtake what it cannot join, weft keeps the order of a flow',
    groups: [[0], [1], [2]],
  },
};

describe('what weft joins, as the kernel does', () => {
  let host: Host;
  let speaker: { namespace: Guest['namespace']; ipv4: string };
  let guest: VnetCapture;
  let joining: KernelOffloads;
  let cutting: KernelOffloads;
  let rounds = 0;

  beforeAll(async () => {
    const lab = await Lab.open({ underlayMtu: 9000 });
    try {
      host = await lab.host('h1');
      speaker = await lab.kernelHost('speaker');
      const a = await lab.guest('a');
      await host.start({ peers: [speaker.ipv4], networks: { blue: { vni: 42 } } });
      await host.attach(a, 'blue', { mac: guestMac });
      guest = await VnetCapture.start(a.namespace);
      joining = await KernelOffloads.open(lab, 'gro', { join: true });
      cutting = await KernelOffloads.open(lab, 'gso', { join: false });
    } catch (error) {
      await lab.close();
      throw error;
    }
    return async () => {
      try {
        await expectInvariants(lab, { otherMacs: true, unequalEnds: true });
      } finally {
        await lab.close();
      }
    };
  });

  /** What weft writes to the guest's TAP when all frames reach it in one round. */
  const throughWeft = async (frames: readonly Buffer[]): Promise<VnetFrame[]> => {
    rounds += 1;
    const marker = markerFrame(rounds, guestMac.replaceAll(':', ''));
    guest.clear();
    await stopped(host, async () => {
      // The echo arrives behind the datagrams: one CPU, one queue.
      const { ipv4, namespace } = speaker;
      const send = `${tool('udp_bursts')} ${ipv4} ${host.ipv4} 50000 4789 && ping -q -c 1 ${host.ipv4}`;
      await namespace.run(['taskset', '-c', `${firstCpu()}`, 'bash', '-c', send], {
        input: bursts([...frames, marker]),
      });
    });
    const arrived = await until('the marker reaches the guest', () => {
      const came = guest.frames();
      return came.some(({ bytes }) => bytes.equals(marker)) && came;
    });
    return arrived.filter(({ bytes }) => !bytes.equals(marker));
  };

  it.each(groCases)('$name', async ({ name, frames, idsAreLost = false }) => {
    const originals = frames.map(({ bytes }) => bytes);
    const kernels = await joining.pass(originals.map(finished), originals.length);
    const wefts = await throughWeft(originals);
    const kernel = groupsOf(kernels, frames);
    const weft = groupsOf(wefts, frames);

    expect(weft.flat().toSorted(ascending)).toEqual(frames.map((_, index) => index));
    for (const flow of new Set(frames.map((frame) => frame.flow))) {
      const order = weft.flat().filter((index) => frames[index]?.flow === flow);
      expect(order).toEqual(order.toSorted(ascending));
    }

    const difference = differences[name];
    expect(sorted(weft)).toEqual(difference?.groups ?? sorted(kernel));
    if (difference !== undefined && isLinux(difference.since ?? '0')) {
      expect(sorted(kernel)).not.toEqual(difference.groups);
    }

    for (const [index, group] of weft.entries()) {
      const twin = kernel.findIndex((other) => other.join() === group.join());
      if (twin >= 0) expect(describeFrame(wefts[index])).toEqual(describeFrame(kernels[twin]));
    }

    const wanted = weft.flatMap((group) =>
      group.map((index) => {
        const { bytes, unpadded } = frames[index] as GroFrame;
        return group.length > 1 ? unpadded : bytes;
      }),
    );
    const cut = (await cutting.pass(wefts, originals.length)).map(({ bytes }) => bytes);
    const comparable = (bytes: Buffer) => (idsAreLost ? withoutId(bytes) : bytes).toString('hex');
    expect(cut.map(comparable)).toEqual(wanted.map(comparable));
  });

  it('lists no case that does not exist', () => {
    const names = groCases.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(Object.keys(differences).filter((name) => !names.includes(name))).toEqual([]);
  });
});

/** Runs `work` while no thread of weftd does. */
async function stopped(host: Host, work: () => Promise<void>): Promise<void> {
  const { pid } = host;
  host.signal('SIGSTOP');
  try {
    await until('weftd stands still', () =>
      readdirSync(`/proc/${pid}/task`).every((task) =>
        /^State:\tT/m.test(readFileSync(`/proc/${pid}/task/${task}/status`, 'utf8')),
      ),
    );
    await work();
  } finally {
    host.signal('SIGCONT');
  }
}

/** Lines for udp_bursts: frames of one size behind one another go, with a smaller one at the end, in one UDP_SEGMENT send. */
function bursts(frames: readonly Buffer[]): string {
  const lines: string[] = [];
  for (let at = 0; at < frames.length; ) {
    const datagrams: Buffer[] = [];
    for (const frame of frames.slice(at, at + 64)) {
      const datagram = Buffer.concat([vxlanHeader(42), frame]);
      const [first = datagram, last = datagram] = [datagrams[0], datagrams.at(-1)];
      if (datagram.length > first.length || last.length < first.length) break;
      if (first.length * (datagrams.length + 1) > 65000) break;
      datagrams.push(datagram);
    }
    const size = datagrams.length > 1 ? (datagrams[0]?.length ?? 0) : 0;
    lines.push(`${size} ${Buffer.concat(datagrams).toString('hex')}\n`);
    at += datagrams.length;
  }
  return lines.join('');
}

/** Finds the frames of a case in what came out, by their payload. */
function groupsOf(came: readonly VnetFrame[], frames: readonly GroFrame[]): Groups {
  const left = new Set(frames.keys());
  const take = (matches: (frame: GroFrame) => boolean) => {
    const index = [...left].find((candidate) => matches(frames[candidate] as GroFrame));
    if (index === undefined) throw new Error('a frame came out that nobody sent');
    left.delete(index);
    return index;
  };
  return came.map((frame) => {
    if (frame.vnet.gsoSize === 0) return [take(({ bytes }) => bytes.equals(frame.bytes))];
    const payload = frame.bytes.subarray(payloadStart(frame));
    return Array.from({ length: segmentsOf(frame) }, (_, index) => {
      const slice = payload.subarray(index * frame.vnet.gsoSize, (index + 1) * frame.vnet.gsoSize);
      return take((candidate) => candidate.payload.equals(slice));
    });
  });
}

/** All that a guest's kernel is told. Not the length of the headers: it is a hint, and kernels give different ones. */
function describeFrame(frame: VnetFrame | undefined): Record<string, unknown> {
  if (frame === undefined) throw new Error('no such frame');
  const { flags, gsoType, gsoSize, checksumStart, checksumOffset } = frame.vnet;
  return {
    ...(gsoSize === 0
      ? {}
      : { needsChecksum: (flags & needsChecksum) !== 0, gsoType, gsoSize, checksumStart, checksumOffset }),
    bytes: frame.bytes.toString('hex'),
  };
}

/** Without what differs between two cuts of IPv4 packets whose IDs do not matter: the ID, and the sum over the header. */
function withoutId(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  copy.fill(0, 18, 20);
  copy.fill(0, 24, 26);
  return copy;
}

function sorted(groups: Groups): Groups {
  return groups.toSorted(([a = 0], [b = 0]) => a - b);
}

function ascending(a: number, b: number): number {
  return a - b;
}

function isLinux(version: string): boolean {
  return release().localeCompare(version, 'en', { numeric: true }) >= 0;
}

/**
 * What a guest leaves to weft, on the wire and at the far guest: to the byte what the running kernel makes of the same, and nothing that
 * scapy or tshark, which share nothing with weft, would have made otherwise.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Port } from '../../daemon/api/schema.js';
import { Capture } from '../../lab/capture.js';
import { scapyCheck } from '../../lab/checkout.js';
import { run } from '../../lab/command.js';
import { KernelOffloads, wireFrames } from '../../lab/kernel-offloads.js';
import { Lab } from '../../lab/lab.js';
import { sendFrames, VnetCapture, type VnetFrame } from '../../lab/vnet.js';
import { until } from '../../lab/wait.js';
import { type GsoCase, gsoCases } from './gso-cases.js';
import { expectInvariants } from './invariants.js';
import { finished, guestMac, packet, pattern, speakerMac } from './packets.js';

interface ScapyReport {
  frames: number;
  layers: Record<string, number>;
  wrong: unknown[];
}

// libpcap's file format: 24 bytes of header, 16 before each frame, its length in them.
const pcapHeaders = 40;
const pcapLengthAt = 32;
const total = gsoCases.reduce((sum, { segments }) => sum + segments, 0);
const isOf = ({ mark }: GsoCase, bytes: Buffer) => bytes.subarray(0, 120).includes(mark);
const hex = (frames: readonly Buffer[]) => frames.map((bytes) => bytes.toString('hex'));

describe('what a guest leaves to weft', () => {
  let file: string;
  /** The frames inside VXLAN, as they passed the underlay. */
  let wire: Buffer[];
  /** What the kernel makes of the same frames. */
  let kernel: Buffer[];
  /** What the far guest got, cut by the kernel where it was joined. */
  let delivered: Buffer[];
  let superFrames: number | undefined;

  beforeAll(async () => {
    const lab = await Lab.open();
    try {
      const h1 = await lab.host('h1');
      const h2 = await lab.host('h2');
      const a = await lab.guest('a');
      const b = await lab.guest('b');
      const networks = { blue: { vni: 42, vlan: 'pass' } };
      // As to any VTEP: what goes to one that takes unfinished checksums is in carry-checksum.test.ts.
      const underlay = { offloads: { carry_checksum: 'off' } };
      await h1.start({ peers: [h2.ipv4], networks, underlay });
      await h2.start({ peers: [h1.ipv4], networks, underlay });
      await h1.attach(a, 'blue', { name: 'a', mac: speakerMac });
      await h2.attach(b, 'blue', { name: 'b', mac: guestMac });
      const cutting = await KernelOffloads.open(lab, 'gso', { join: false });
      const sent = gsoCases.map(({ frame }) => frame);
      kernel = (await cutting.pass(sent, total)).map(({ bytes }) => bytes);

      // Both know each other, so that frames go where they belong.
      const [fromA, fromB] = [await VnetCapture.start(b.namespace), await VnetCapture.start(a.namespace)];
      const hello = packet({ version: 4, protocol: 'udp', payload: pattern(9), sourcePort: 1 });
      const answer = packet({
        version: 4,
        protocol: 'udp',
        payload: pattern(9),
        destinationMac: speakerMac,
        sourceMac: guestMac,
      });
      await exchange(a.namespace, fromA, hello);
      await exchange(b.namespace, fromB, answer);

      // Without these offloads the kernel completes and separates what it otherwise leaves to a card.
      await h1.namespace.run(['ethtool', '-K', 'eth0', 'tx', 'off', 'tx-udp-segmentation', 'off']);
      // VNI 42 alone: control frames pass as well.
      const filter = 'udp port 4789 and udp[12:4] = 0x2a00';
      const capture = await Capture.start(h2.namespace, { direction: 'in', filter });
      fromA.clear();
      await sendFrames(a.namespace, 'eth0', sent);
      await until('all of it passes the underlay', () => capture.frames().length >= total, 30);
      await until('all of it reaches the far guest', () => wireFrames(fromA.frames()) >= total, 30);
      await exchange(a.namespace, fromA, hello);
      await until('the capture has it, too', () => capture.frames().length > total);
      const datagrams = capture.datagrams().slice(0, -1);
      wire = datagrams.map(({ payload }) => payload.subarray(8));
      const reached = fromA.frames().slice(0, -1);
      delivered = (await cutting.pass(reached, total)).map(({ bytes }) => bytes);
      await capture.stop();
      file = join(lab.dir, 'offloads.pcap');
      writeFileSync(file, capture.pcap);
      await expectInvariants(lab);
      superFrames = (await h1.weftJson<Port>('port', 'inspect', 'a')).counters?.rxSuperFrames;
    } catch (error) {
      await lab.close();
      throw error;
    }
    return () => lab.close();
  });

  it('is there, once', () => {
    expect(kernel.length).toBe(total);
    expect(wire.length).toBe(total);
    expect(delivered.length).toBe(total);
  });

  it('came to weft as super-frames', () => {
    expect(superFrames).toBe(gsoCases.filter(({ segments }) => segments > 1).length);
  });

  it.each(gsoCases)('$name', (each) => {
    const expected = kernel.filter((bytes) => isOf(each, bytes));
    expect(expected.length).toBe(each.segments);
    expect(hex(wire.filter((bytes) => isOf(each, bytes)))).toEqual(hex(expected));
    expect(hex(delivered.filter((bytes) => isOf(each, bytes)))).toEqual(hex(expected));
  });

  const scapy = async (path: string): Promise<ScapyReport> =>
    JSON.parse(await run([scapyCheck, path], { timeout: 60 }));

  it('is made by scapy in the same way', async () => {
    const report = await scapy(file);
    expect(report.wrong).toEqual([]);
    expect(report.frames).toBe(total + 1);
    const of = (protocol: string) =>
      gsoCases.filter(({ name }) => name.includes(protocol)).reduce((sum, { segments }) => sum + segments, 0);
    const known = { TCP: of('TCP'), UDP: of('UDP') + 1, GRE: 2, ICMP: 1, ICMPv6EchoRequest: 1 };
    expect(report.layers).toMatchObject({ Ether: total + 1, ...known });
  });

  it('is not made by scapy in the same way when a byte is wrong', async () => {
    const all = readFileSync(file);
    const damaged = Buffer.from(all.subarray(0, pcapHeaders + all.readUInt32LE(pcapLengthAt)));
    const last = damaged.length - 1;
    damaged.writeUInt8(damaged.readUInt8(last) ^ 1, last);
    writeFileSync(`${file}.damaged`, damaged);
    expect((await scapy(`${file}.damaged`)).wrong).toMatchObject([{ frame: 1 }]);
  });

  it('is read by tshark without a complaint', async () => {
    const checks = ['ip', 'udp', 'tcp'].flatMap((name) => ['-o', `${name}.check_checksum:TRUE`]);
    const bad = ['ip', 'udp', 'tcp', 'icmp', 'icmpv6', 'gre'].map((name) => `${name}.checksum.status == 0`);
    const wrong = ['_ws.malformed', ...bad, 'vxlan.vni != 42'].join(' || ');
    const argv = ['tshark', '-n', '-r', file, ...checks, '-Y', wrong, '-T', 'fields', '-e', 'frame.number'];
    expect(await run(argv, { timeout: 60 })).toBe('');
  });
});

/** Sends a frame and waits until it arrives elsewhere. */
async function exchange(
  from: Parameters<typeof sendFrames>[0],
  at: VnetCapture,
  bytes: Buffer,
): Promise<void> {
  await sendFrames(from, 'eth0', [finished(bytes)]);
  await until('a frame arrives', () => at.frames().some((frame: VnetFrame) => frame.bytes.equals(bytes)));
}

/** `weft capture` against what was sent, read by tshark; and what a capture may never do: disturb what it looks at. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Capture } from '../../daemon/api/schema.js';
import { run } from '../../lab/command.js';
import type { Guest } from '../../lab/guest.js';
import type { Host } from '../../lab/host.js';
import { killed } from '../../lab/namespace.js';
import { plain, sendFrames } from '../../lab/vnet.js';
import { until } from '../../lab/wait.js';
import { expectInvariants } from './invariants.js';
import { openPair, type Pair } from './pair.js';

/** Of IEEE 802, for local experiments: nothing else here sends it. */
const experimental = 0x88b5;

let dir: string;
let pair: Pair;
let files = 0;

const captures = (host: Host) => host.api.list<Capture>('/v1/captures');
const noneRuns = (host: Host) =>
  until(`no capture runs on ${host.name}`, async () => (await captures(host)).length === 0);

/** A `weft capture` that runs. */
class Running {
  readonly file = join(dir, `${++files}.pcapng`);
  said = '';

  private constructor(
    readonly host: Host,
    readonly child: ChildProcess,
  ) {}

  static async start(host: Host, ...words: string[]): Promise<Running> {
    const before = (await captures(host)).length;
    const [program = '', ...rest] = host.cli;
    const file = join(dir, `${files + 1}.pcapng`);
    const child = spawn(program, [...rest, 'capture', '-w', file, ...words]);
    const running = new Running(host, child);
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        running.said += chunk.toString();
      });
    await until('the capture runs', async () => {
      if (child.exitCode !== null) return 'ended' as const;
      return (await captures(host)).length > before && existsSync(running.file);
    });
    return running;
  }

  /** As Ctrl-C. The exit status. */
  async stop(): Promise<number | null> {
    if (this.child.exitCode === null) {
      const ended = once(this.child, 'exit');
      this.child.kill('SIGINT');
      await ended;
    }
    return this.child.exitCode;
  }

  async ended(): Promise<number | null> {
    if (this.child.exitCode === null) await once(this.child, 'exit');
    return this.child.exitCode;
  }
}

interface Shown {
  interface: string;
  direction: 'in' | 'out';
  length: number;
  captured: number;
  comment: string;
}

/** What tshark says of each frame. It fails when the file is not whole. */
async function shown(file: string): Promise<Shown[]> {
  const fields = [
    'frame.interface_name',
    'frame.packet_flags_direction',
    'frame.len',
    'frame.cap_len',
    'frame.comment',
  ];
  const wanted = fields.flatMap((field) => ['-e', field]);
  const text = await run(['tshark', '-n', '-r', file, '-T', 'fields', '-E', 'separator=/t', ...wanted]);
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [name = '', direction = '', length = '', captured = '', comment = ''] = line.split('\t');
      const way = Number(direction) === 1 ? 'in' : 'out';
      return { interface: name, direction: way, length: Number(length), captured: Number(captured), comment };
    });
}

/** The frames, by tshark, as hexadecimal digits. */
async function bytesOf(file: string): Promise<string[]> {
  const converted = `${file}.pcap`;
  await run(['tshark', '-r', file, '-F', 'pcap', '-w', converted]);
  const text = await run(['tcpdump', '-r', converted, '-xx', '-n']);
  const frames: string[] = [];
  for (const line of text.split('\n')) {
    const [, digits] = /^\t0x[0-9a-f]{4}: {2}(.*)$/.exec(line) ?? [];
    if (digits !== undefined) frames.push((frames.pop() ?? '') + digits.replaceAll(' ', ''));
    else if (line !== '') frames.push('');
  }
  return frames.filter(Boolean);
}

async function macOf(guest: Guest): Promise<string> {
  return (await guest.sys('address')).replaceAll(':', '');
}

/** Frames of all sizes between two guests, no two of them equal. */
async function someFrames(from: Guest, to: Guest, count: number): Promise<Buffer[]> {
  const header = (await macOf(to)) + (await macOf(from)) + experimental.toString(16);
  return Array.from({ length: count }, (_, index) => {
    const payload = Buffer.alloc(46 + ((index * 97) % 1300), index);
    payload.writeUInt32BE(index);
    return Buffer.concat([Buffer.from(header, 'hex'), payload]);
  });
}

const send = (from: Guest, frames: readonly Buffer[]) =>
  sendFrames(
    from.namespace,
    'eth0',
    frames.map((bytes) => ({ vnet: plain, bytes })),
  );

/** A client that begins a capture, and reads its head and no more. */
async function stalledReader(host: Host, body: object): Promise<Socket> {
  const socket = connect(host.socket);
  await once(socket, 'connect');
  const text = JSON.stringify(body);
  const head = ['POST /v1/captures HTTP/1.1', 'host: weft', 'content-type: application/json'];
  socket.write(`${[...head, `content-length: ${text.length}`].join('\r\n')}\r\n\r\n${text}`);
  const [first] = (await once(socket, 'data')) as [Buffer];
  socket.pause();
  expect(first.toString('latin1')).toContain('HTTP/1.1 200 OK\r\n');
  return socket;
}

const held = (host: Host) => ({
  descriptors: readdirSync(`/proc/${host.pid}/fd`).length,
  threads: readdirSync(`/proc/${host.pid}/task`).length,
});

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'weft-capture-'));
  pair = await openPair();
  return async () => {
    await pair.lab.close();
    rmSync(dir, { recursive: true });
  };
});

describe('what a file holds', () => {
  afterEach(() => expectInvariants(pair.lab, { findings: 'any', drops: ['reserved_group'] }));

  it('a port, its peer and the network: every frame as it was sent, in both directions', async () => {
    const { h1, h2, a, b } = pair;
    const filter = ['ether', 'proto', `0x${experimental.toString(16)}`];
    const port = await Running.start(h1, 'a', ...filter);
    const peer = await Running.start(h1, h2.ipv4, ...filter);
    const network = await Running.start(h2, 'blue', ...filter);
    const there = await someFrames(a, b, 40);
    const back = await someFrames(b, a, 30);
    const before = (await h1.ports())[0]?.counters?.txFrames ?? 0;
    await send(a, there);
    await until(
      'they have arrived',
      async () => ((await h2.ports())[0]?.counters?.txFrames ?? 0) >= there.length,
    );
    await send(b, back);
    await until(
      'they are back',
      async () => ((await h1.ports())[0]?.counters?.txFrames ?? 0) >= before + back.length,
    );

    const hex = (frames: readonly Buffer[]) => frames.map((frame) => frame.toString('hex'));
    const ways = (first: Shown['direction'], second: Shown['direction'], name: string) => [
      ...there.map(({ length }) => ({
        interface: name,
        direction: first,
        length,
        captured: length,
        comment: '',
      })),
      ...back.map(({ length }) => ({
        interface: name,
        direction: second,
        length,
        captured: length,
        comment: '',
      })),
    ];
    for (const capture of [port, peer, network]) expect(await capture.stop()).toBe(0);
    expect(await bytesOf(port.file)).toEqual(hex([...there, ...back]));
    expect(await shown(port.file)).toEqual(ways('in', 'out', 'a'));
    expect(await bytesOf(peer.file)).toEqual(hex([...there, ...back]));
    expect(await shown(peer.file)).toEqual(ways('out', 'in', `${h2.ipv4}/blue`));
    expect(port.said).toContain(`${there.length + back.length} frames captured`);

    const both = await shown(network.file);
    const at = (name: string) => both.filter((frame) => frame.interface === name).length;
    expect([at('b'), at(`${h1.ipv4}/blue`)]).toEqual([70, 70]);
    expect(both).toHaveLength(140);
  });

  it('super-frames whole, and marked', async () => {
    const { h1, a, b } = pair;
    const port = await Running.start(h1, 'a', '-s', '200', 'tcp');
    const bytes = 2_000_000;
    expect(await a.tcpCheck(b, '10.42.0.2', 5000, bytes)).toEqual([
      { received: bytes, wrongAt: -1 },
      { received: bytes, wrongAt: -1 },
    ]);
    expect(await port.stop()).toBe(0);
    const frames = await shown(port.file);
    for (const direction of ['in', 'out'] as const) {
      const large = frames.filter((frame) => frame.direction === direction && frame.length > 1514);
      expect(large.length, `super-frames ${direction}`).toBeGreaterThan(0);
      for (const { comment, captured } of large) {
        expect(comment).toMatch(
          /^super-frame: \d+ frames, \d+ bytes of payload each \(TCP over IPv4\); checksum unfinished/,
        );
        expect(captured).toBe(200);
      }
    }
    // The bytes of TCP in either direction are those that were sent.
    const payload = await run([
      'tshark',
      '-n',
      '-r',
      port.file,
      '-T',
      'fields',
      '-e',
      'tcp.len',
      '-Y',
      'tcp.srcport == 5000',
    ]);
    const sum = payload.split('\n').reduce((total, line) => total + Number(line), 0);
    expect(sum).toBeGreaterThanOrEqual(bytes);
  });

  it('a filter keeps the rest out, and a direction', async () => {
    const { h1, a } = pair;
    const port = await Running.start(h1, 'a', '-Q', 'in', 'icmp', 'or', 'icmp6');
    await a.reach('10.42.0.2');
    await a.reach('fd42::2');
    expect(await port.stop()).toBe(0);
    const text = await run(['tshark', '-n', '-r', port.file, '-T', 'fields', '-e', 'frame.protocols']);
    const protocols = text.split('\n').filter(Boolean);
    expect(protocols.length).toBeGreaterThanOrEqual(2);
    for (const line of protocols) expect(line).toMatch(/:icmp/);
    expect((await shown(port.file)).every(({ direction }) => direction === 'in')).toBe(true);
  });

  it('why a frame was dropped', async () => {
    const { h1, a } = pair;
    const port = await Running.start(h1, 'a', '-c', '1', 'ether', 'dst', '01:80:c2:00:00:00');
    await send(a, [Buffer.from(`0180c2000000${await macOf(a)}88b5${'00'.repeat(46)}`, 'hex')]);
    expect(await port.ended()).toBe(0);
    expect((await shown(port.file)).map(({ comment }) => comment)).toEqual(['dropped: reserved_group']);
  });
});

describe('a capture and its reader', () => {
  it('a reader that stalls under a flood costs forwarding nothing, and what it lost is told', async () => {
    const { h1, a, b } = pair;
    const before = held(h1);
    const socket = await stalledReader(h1, { target: 'blue' });
    const bytes = 40_000_000;
    expect(await a.tcpCheck(b, '10.42.0.2', 5000, bytes)).toEqual([
      { received: bytes, wrongAt: -1 },
      { received: bytes, wrongAt: -1 },
    ]);
    const [running] = await captures(h1);
    expect(running?.lost).toBeGreaterThan(0);
    await expectInvariants(pair.lab, { findings: 'any', drops: ['reserved_group'] });
    socket.destroy();
    await noneRuns(h1);
    await until('nothing of it is left', () => JSON.stringify(held(h1)) === JSON.stringify(before));
  });

  it('ends with its reader', async () => {
    const { h1, a } = pair;
    const before = held(h1);
    for (let round = 0; round < 3; round++) {
      const port = await Running.start(h1, 'a');
      await a.reach('10.42.0.2');
      await killed(port.child);
      await noneRuns(h1);
    }
    await until('nothing of them is left', () => JSON.stringify(held(h1)) === JSON.stringify(before));
  });

  it('ends with its port, and says so', async () => {
    const { h1, lab } = pair;
    const guest = await lab.guest('shortlived');
    await h1.attach(guest, 'blue', { name: 'shortlived' });
    const capture = await Running.start(h1, 'shortlived');
    await h1.weft('port', 'rm', 'shortlived');
    expect(await capture.ended()).toBe(0);
    expect(capture.said).toContain('0 frames captured (the capture ended: the port was removed)');
    await noneRuns(h1);
  });

  it('is printed by tcpdump', async () => {
    const { h1, a } = pair;
    const [program = '', ...rest] = h1.cli;
    const child = spawn(program, [...rest, 'capture', 'a', '--print', '-c', '2', 'icmp']);
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    const ended = once(child, 'close');
    await until('it runs', async () => (await captures(h1)).length === 1);
    await a.reach('10.42.0.2');
    await ended;
    expect(text).toMatch(/10\.42\.0\.1 > 10\.42\.0\.2: ICMP echo request/);
    expect(text).toMatch(/10\.42\.0\.2 > 10\.42\.0\.1: ICMP echo reply/);
  });

  it.each([
    [['nothing'], 4, 'there is no port, network or peer "nothing"'],
    [['a', 'tcp', 'porn', '80'], 2, 'the filter "tcp porn 80" cannot be used'],
    [['a', '-s', '3'], 2, '--snaplen: expected a whole number from 14'],
  ])('refuses %j', async (words, status, text) => {
    const output = await pair.h1.tryWeft(['capture', '-w', join(dir, 'none.pcapng'), ...words]);
    expect(output.status).toBe(status);
    expect(output.stderr).toContain(text);
    expect(existsSync(join(dir, 'none.pcapng'))).toBe(false);
  });

  it('refuses a fifth, and one that the CLI did not check', async () => {
    const { h1 } = pair;
    const running = [];
    for (let i = 0; i < 4; i++) running.push(await Running.start(h1, 'a'));
    const output = await h1.tryWeft(['capture', 'a', '-w', join(dir, 'none.pcapng')]);
    expect(output.stderr).toContain('4 captures run already');
    for (const one of running) await one.stop();
    await noneRuns(h1);
    const backwards = { target: 'a', filter: { text: 'x', program: [[5, 0, 0, 0xffff_ffff]] } };
    await expect(h1.api.post('/v1/captures', backwards)).rejects.toThrow('it cannot be run');
  });

  it('survives weftd as a whole file, and tells how it ended', async () => {
    const { h1, a } = pair;
    const crashed = await Running.start(h1, 'a');
    await a.reach('10.42.0.2');
    await until('something was written', async () => ((await captures(h1))[0]?.frames ?? 0) > 0);
    await h1.kill();
    expect(await crashed.ended()).toBe(3);
    expect(crashed.said).toContain('it cut the capture off');
    expect((await shown(crashed.file)).length).toBeGreaterThan(0);

    await h1.start();
    const stopped = await Running.start(h1, 'a');
    await h1.stop();
    expect(await stopped.ended()).toBe(0);
    expect(stopped.said).toContain('the capture ended: weftd stops');
    expect(await shown(stopped.file)).toEqual([]);
  });
});

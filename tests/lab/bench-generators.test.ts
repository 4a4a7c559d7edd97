import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Program } from '../../bench/program.js';
import { parseReceived } from '../../bench/workloads/generators.js';
import { Capture } from '../../lab/capture.js';
import { benchTool } from '../../lab/checkout.js';
import type { Guest } from '../../lab/guest.js';
import { plugVeth } from '../../lab/kernel-host.js';
import { Lab } from '../../lab/lab.js';
import { until } from '../../lab/wait.js';

const COUNT = 1000;
/** Slow enough for any receiver. */
const RATE = 10_000;
const PORT = 5300;
const MTU = 1450;
const SERVER = '10.42.0.2';
const GHOST = '10.42.0.9';
const GHOST_MAC = '02:0e:0f:00:00:01';

describe('the generators of the benchmark, on a bare veth', () => {
  let lab: Lab;
  let a: Guest;
  let b: Guest;
  let server: string;

  beforeEach(async () => {
    lab = await Lab.open();
    a = await lab.guest('a');
    b = await lab.guest('b');
    await plugVeth(a.namespace, 'eth0', b, MTU, [`${SERVER}/24`]);
    await a.namespace.ip('link', 'set', 'eth0', 'up');
    await a.namespace.ip('address', 'add', '10.42.0.1/24', 'dev', 'eth0');
    await a.reach(SERVER);
    server = `${SERVER}@${await b.sys('address')}`;
  });
  afterEach(() => lab.close());

  async function blast(target: string, count: number, ...flags: string[]): Promise<object> {
    const argv = [benchTool('frame_blast'), '--interface', 'eth0', '--to', target, '--count', String(count)];
    return JSON.parse(await a.namespace.run([...argv, '--rate', String(RATE), ...flags]));
  }

  /** What a receiver counts while `send` runs. */
  async function counted(argv: readonly string[], send: () => Promise<unknown>) {
    const [tool = '', ...flags] = argv;
    const program = new Program(b.namespace, [benchTool(tool), ...flags, '--seconds', '2']);
    try {
      await program.printed('ready');
      await send();
      return parseReceived(await program.output());
    } finally {
      await program.kill();
    }
  }

  it('frame_blast sends what it is told, with checksums that an interface can finish', async () => {
    await a.namespace.run(['ethtool', '-K', 'eth0', 'tx', 'off']);
    const result = await b.sink(PORT, 22, COUNT, async () => {
      expect(await blast(server, COUNT, '--flows', '10000')).toMatchObject({ sent: COUNT, refused: 0 });
    });
    expect(result).toMatchObject({ received: COUNT, wrongSize: 0 });
    expect(await b.counter('InCsumErrors')).toBe(0);
  });

  it('frame_blast gives sizes and flows their turns', async () => {
    const capture = await Capture.start(b.namespace, { filter: `udp port ${PORT}` });
    try {
      await blast(server, 126, '--sizes', '64,512,1400', '--flows', '63');
      await until('every frame was seen', () => capture.datagrams().length === 126);
      const seen = capture.datagrams().map(({ sourcePort, ip }) => `${sourcePort} ${ip.length}`);
      const sizes = [64, 512, 1400];
      const sent = Array.from({ length: 126 }, (_, i) => `${10000 + (i % 63)} ${(sizes[i % 3] ?? 0) - 14}`);
      expect(seen).toEqual(sent);
    } finally {
      await capture.stop();
    }
  });

  it('udp_blast counts every datagram', async () => {
    const argv = ['udp_blast', 'receive', '--warmup', '0'];
    const { received, overflow } = await counted(argv, () => blast(server, COUNT, '--flows', '64'));
    expect([received, overflow]).toEqual([COUNT, 0]);
  });

  it('port_count counts every frame for a MAC that the guest does not have, and those of super-frames', async () => {
    // Nothing else arrives: nobody asks for addresses, or for routers.
    await b.namespace.ip('link', 'set', 'eth0', 'arp', 'off');
    await a.namespace.run(['sysctl', '-qw', 'net.ipv6.conf.eth0.disable_ipv6=1']);
    const argv = ['port_count', '--interface', 'eth0', '--mac', GHOST_MAC, '--size', '64', '--warmup', '0'];
    const target = `${GHOST}@${GHOST_MAC}`;
    const plain = await counted(argv, () => blast(target, COUNT, '--flows', '64'));
    expect([plain.received, plain.packets]).toEqual([COUNT, COUNT]);
    await a.namespace.ip('neigh', 'replace', GHOST, 'lladdr', GHOST_MAC, 'dev', 'eth0');
    const joined = await counted(argv, () => a.gsoSend(GHOST, PORT, 22, 640, 64));
    expect([joined.received, joined.packets]).toEqual([640, 10]);
  });

  it('connection_rate makes connections, none of which fails', async () => {
    const server = new Program(b.namespace, [benchTool('connection_rate'), 'serve']);
    try {
      await server.printed('ready');
      const argv = [benchTool('connection_rate'), 'connect', '--to', SERVER, '--seconds', '0.5'];
      const { connections, failed } = JSON.parse(await a.namespace.run(argv));
      expect(connections).toBeGreaterThan(0);
      expect(failed).toBe(0);
    } finally {
      await server.kill();
    }
  });
});

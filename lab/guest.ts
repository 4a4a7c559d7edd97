/** A container as the lab has it: a network namespace with whatever somebody put into it. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { tool } from './checkout.js';
import { echoesDuring } from './echoes.js';
import { killed, type Namespace } from './namespace.js';
import { until } from './wait.js';

export interface PingOptions {
  count?: number;
  /** Bytes of ICMP payload; the IP packet has 28 (IPv4) or 48 (IPv6) more. */
  size?: number;
}

export interface IperfResult {
  gbitPerSecond: number;
  /** UDP only: share of datagrams that were lost, in percent. */
  lostPercent: number;
}

export interface SinkResult {
  received: number;
  wrongSize: number;
  /** Datagrams that came after one with a higher number, or twice. */
  reordered: number;
  /** Where the content was told: datagrams with another. */
  wrongContent?: number;
}

export interface EchoSizes {
  answered: number;
  /** Answers that were not what was sent, or came twice. */
  wrong: number;
  /** The first sizes that had no answer, in bytes of ICMP payload. */
  missing: number[];
}

export interface TcpCheck {
  received: number;
  /** The place of the first byte that was not what was sent; -1 for none. */
  wrongAt: number;
}

export class Guest {
  readonly namespace: Namespace;

  constructor(namespace: Namespace) {
    this.namespace = namespace;
  }

  get name(): string {
    return this.namespace.name;
  }

  /** True when every echo came back. Packets are never fragmented. */
  async ping(address: string, options: PingOptions = {}): Promise<boolean> {
    return (await this.echoes(address, options)).all;
  }

  /** The same, with what ping said. */
  async echoes(
    address: string,
    { count = 3, size = 56 }: PingOptions = {},
  ): Promise<{ all: boolean; text: string }> {
    // All at once (-l): where one has come back before the last leaves, ping gives that one not the time of -W, but the interval, or
    // twice what the others took if that is longer.
    const patience = ['-c', `${count}`, '-l', `${count}`, '-i', '0.05', '-W', '2'];
    const argv = ['ping', '-q', '-n', '-M', 'do', ...patience, '-s', `${size}`, address];
    const output = await this.namespace.attempt(argv);
    return {
      all: output.status === 0 && output.stdout.includes(` ${count} received`),
      text: `${output.stdout}${output.stderr}`.trim(),
    };
  }

  /** Pings until an echo comes back, for the time in which a path is still being made. */
  reach(address: string, seconds = 30): Promise<true> {
    return until(`ping ${address} from ${this.name}`, () => this.ping(address, { count: 1 }), seconds);
  }

  /** Sends an echo request with every size of ICMP payload of a range, which the kernel fragments where it must, and compares the answers. */
  async echoSizes(address: string, from: number, to: number, window = 4): Promise<EchoSizes> {
    const argv = [tool('echo_sizes'), address, `${from}`, `${to}`, `${window}`];
    return JSON.parse(await this.namespace.run(argv, { timeout: 80 })) as EchoSizes;
  }

  /** Connects by TCP to a server that it starts in `server`; both send `bytes` at the same time. Gives what each made of the other's. */
  async tcpCheck(server: Guest, address: string, port: number, bytes: number): Promise<TcpCheck[]> {
    const listener = await server.listen(
      [tool('tcp_check'), 'listen', `${port}`, `${bytes}`],
      'tcp',
      port,
      'pipe',
    );
    const said = spoken(listener);
    try {
      const argv = [tool('tcp_check'), 'connect', address, `${port}`, `${bytes}`];
      const here = await this.namespace.run(argv, { timeout: 80 });
      return [here, await said].map((text) => JSON.parse(text) as TcpCheck);
    } finally {
      await killed(listener);
    }
  }

  /** Runs a TCP or UDP test from here to a server that it starts in `server`. */
  async iperf(server: Guest, address: string, ...flags: string[]): Promise<IperfResult> {
    const listener = await server.listen(['iperf3', '-s', '-1'], 'tcp', 5201);
    try {
      const argv = ['iperf3', '-J', '-c', address, ...flags];
      const { end } = JSON.parse(await this.namespace.run(argv, { timeout: 60 })) as IperfReport;
      const sum = end.sum ?? end.sum_received;
      if (sum === undefined) throw new Error('iperf3 gave no result');
      return {
        gbitPerSecond: (end.sum_received ?? sum).bits_per_second / 1e9,
        lostPercent: sum.lost_percent ?? 0,
      };
    } finally {
      await killed(listener);
    }
  }

  /** Starts a server and waits until it listens. */
  async listen(
    argv: readonly string[],
    protocol: 'tcp' | 'udp',
    port: number,
    stdio: 'ignore' | 'pipe' = 'ignore',
  ): Promise<ChildProcess> {
    const child = this.namespace.start(argv, stdio);
    const query = ['ss', '-Hln', protocol === 'tcp' ? '-t' : '-u', 'sport', '=', `:${port}`];
    try {
      await until(
        `${argv.join(' ')} in ${this.name} listens`,
        async () => (await this.namespace.run(query)) !== '',
      );
    } catch (error) {
      await killed(child);
      throw error;
    }
    return child;
  }

  /**
   * Receives on a UDP port, for IPv4 and IPv6, while `send` runs: `count` datagrams of `size` bytes as lab/native/gso_send numbers them.
   * Gives what came, once all are there or none came for 10 s. `content`, in hex, is compared with what begins at byte 4 of each.
   */
  async sink(
    port: number,
    size: number,
    count: number,
    send: () => Promise<unknown>,
    content?: string,
  ): Promise<SinkResult> {
    const argv = [tool('udp_sink'), `${port}`, `${size}`, `${count}`, '10'];
    const child = await this.listen(
      [...argv, ...(content === undefined ? [] : [content])],
      'udp',
      port,
      'pipe',
    );
    const said = spoken(child);
    try {
      await send();
      return JSON.parse(await said) as SinkResult;
    } finally {
      await killed(child);
    }
  }

  /** Sends `count` datagrams of `size` bytes by UDP_SEGMENT, `burst` in one send. `content`, in hex, begins at byte 4 of each. */
  gsoSend(
    address: string,
    port: number,
    size: number,
    count: number,
    burst: number,
    content = '',
  ): Promise<string> {
    return this.namespace.run([
      tool('gso_send'),
      address,
      `${port}`,
      `${size}`,
      `${count}`,
      `${burst}`,
      content,
    ]);
  }

  /** Sends `count` minimal frames, each from another random source MAC, at most `rate` a second. */
  floodMacs(count: number, destination: string, rate: number): Promise<string> {
    const argv = [tool('flood_macs'), 'eth0', `${count}`, destination, `${rate}`];
    return this.namespace.run(argv, { timeout: 120 });
  }

  /** Sends a frame as it is, so many times. */
  sendFrames(frame: Buffer, count = 1, ifname = 'eth0'): Promise<string> {
    return this.namespace.run([
      tool('send_frames'),
      ifname,
      ...Array<string>(count).fill(frame.toString('hex')),
    ]);
  }

  /** Pings without pause until `work` is done; gives the share of echoes that came back. */
  pingWhile(address: string, work: Promise<unknown>): Promise<number> {
    const child = this.namespace.start(['ping', '-n', '-i', '0.02', address], 'pipe');
    return echoesDuring(
      child,
      () => work,
      () => child.kill('SIGINT'),
    );
  }

  /** See {@link Namespace.counter}. */
  counter(name: string): Promise<number> {
    return this.namespace.counter(name);
  }

  /** One line of /sys/class/net/IFNAME/… */
  async sys(path: string, ifname = 'eth0'): Promise<string> {
    return (await this.namespace.run(['cat', `/sys/class/net/${ifname}/${path}`])).trim();
  }
}

/** Everything that a child writes, once it has ended. */
async function spoken(child: ChildProcess): Promise<string> {
  const chunks: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(child, 'close');
  return Buffer.concat(chunks).toString();
}

interface IperfSum {
  bits_per_second: number;
  lost_percent?: number;
}

interface IperfReport {
  end: { sum?: IperfSum; sum_received?: IperfSum };
}

/** A container of an engine in the lab. */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Output, RunOptions } from './command.js';
import type { DockerHost } from './docker-host.js';
import { echoesDuring } from './echoes.js';
import { until } from './wait.js';

/** What Docker says of a container on one network. */
export interface Attachment {
  ipv4: string;
  /** Empty without IPv6. */
  ipv6: string;
  mac: string;
}

export class Container {
  readonly host: DockerHost;
  readonly name: string;

  constructor(host: DockerHost, name: string) {
    this.host = host;
    this.name = name;
  }

  /** Runs a program in it to its end; throws when its status is not 0. */
  exec(...argv: string[]): Promise<string> {
    return this.host.docker('exec', this.name, ...argv);
  }

  tryExec(argv: readonly string[], options?: RunOptions): Promise<Output> {
    return this.host.tryDocker(['exec', this.name, ...argv], options);
  }

  /**
   * Starts a program of the container that goes on, without Docker, so that it outlives a dockerd. It is a process group of its own: see
   * {@link endGroup}.
   */
  async start(...argv: string[]): Promise<ChildProcess> {
    const pid = await this.#pid();
    const [file, ...rest] = this.host.enter(['nsenter', '-t', pid, '-m', '-n', '-u', '--', ...argv]) as [
      string,
      ...string[],
    ];
    const child = spawn(file, rest, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    child.on('error', () => {});
    return child;
  }

  /** Pings without pause until `work` is done; gives the share of echoes that came back. */
  async pingWhile(address: string, work: () => Promise<unknown>): Promise<number> {
    const child = await this.start('/bin/ping', '-n', '-i', '0.02', address);
    return echoesDuring(child, work, () => endGroup(child));
  }

  async attachment(network: string): Promise<Attachment> {
    const networks = JSON.parse(
      await this.host.docker('inspect', '--format', '{{json .NetworkSettings.Networks}}', this.name),
    ) as Record<string, { IPAddress: string; GlobalIPv6Address: string; MacAddress: string }>;
    const found = networks[network];
    if (found === undefined) throw new Error(`${this.name} is not on ${network}`);
    return { ipv4: found.IPAddress, ipv6: found.GlobalIPv6Address, mac: found.MacAddress };
  }

  /** Whether every echo comes back; packets are never fragmented. */
  async ping(address: string, { count = 3, size = 56 } = {}): Promise<boolean> {
    // All at once: see Guest.echoes.
    const patience = ['-c', `${count}`, '-l', `${count}`, '-i', '0.05', '-W', '2'];
    const argv = ['/bin/ping', '-q', '-n', '-M', 'do', ...patience, '-s', `${size}`, address];
    const output = await this.tryExec(argv);
    return output.status === 0 && output.stdout.includes(` ${count} received`);
  }

  /** Pings until an echo comes back, for the time in which a path is still being made. */
  reach(address: string, seconds = 20): Promise<true> {
    return until(`${this.name} reaches ${address}`, () => this.ping(address, { count: 1 }), seconds);
  }

  /** Whether it gets any echo back within a second: for what must not be reached. */
  async hears(address: string): Promise<boolean> {
    return (
      (await this.tryExec(['/bin/ping', '-q', '-n', '-c', '3', '-i', '0.3', '-W', '1', address])).status === 0
    );
  }

  /** Starts a server of iperf3 or the like, which goes on in the container, and waits until it listens. */
  async serve(port: number, ...argv: string[]): Promise<void> {
    await this.host.docker('exec', '-d', this.name, ...argv);
    await until(
      `${argv[0]} in ${this.name} listens on port ${port}`,
      async () => (await this.exec('/bin/ss', '-Hltn', 'sport', '=', `:${port}`)) !== '',
    );
  }

  /** Serves `text` as /index.html by HTTP on port 80. */
  async serveHttp(text: string): Promise<void> {
    await this.exec('sh', '-c', `mkdir -p /www && echo ${text} >/www/index.html`);
    await this.serve(80, 'httpd', '-f', '-h', '/www');
  }

  /** What an HTTP server answers. */
  fetch(url: string): Promise<string> {
    return this.exec('wget', '-q', '-O', '-', url);
  }

  /** One line of /sys/class/net/IFNAME/… */
  sys(path: string, ifname = 'eth0'): Promise<string> {
    return this.exec('cat', `/sys/class/net/${ifname}/${path}`);
  }

  /** Where its network namespace is found from here, as long as it runs. */
  async networkNamespace(): Promise<string> {
    return this.host.path(`/proc/${await this.#pid()}/ns/net`);
  }

  remove(): Promise<string> {
    return this.host.docker('rm', '-f', this.name);
  }

  /** The PID that it has in its host. */
  #pid(): Promise<string> {
    return this.host.docker('inspect', '--format', '{{.State.Pid}}', this.name);
  }
}

/** Interrupts a program that {@link Container.start} has started. */
export function endGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGINT');
  } catch {
    // It ended meanwhile.
  }
}

/** One network namespace of the lab, made with `ip netns`. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { attempt, type Output, type RunOptions, run } from './command.js';

export class Namespace {
  /** As `ip netns` knows it; also what `weft port add --netns` takes. */
  readonly name: string;
  readonly #children = new Set<ChildProcess>();

  private constructor(name: string) {
    this.name = name;
  }

  /**
   * Makes it with lo up and without the chatter of IPv6: no duplicate address detection, no router solicitations, and MLD reports at
   * once, where a second one would come up to a second later and be counted by a test.
   */
  static async create(name: string): Promise<Namespace> {
    await run(['ip', 'netns', 'add', name]);
    const namespace = new Namespace(name);
    await namespace.run([
      'sysctl',
      '-qw',
      ...['all', 'default'].flatMap((which) => [
        `net.ipv6.conf.${which}.accept_dad=0`,
        `net.ipv6.conf.${which}.router_solicitations=0`,
        `net.ipv6.conf.${which}.mldv2_unsolicited_report_interval=1`,
      ]),
    ]);
    await namespace.ip('link', 'set', 'lo', 'up');
    return namespace;
  }

  /** Takes in one that somebody else has made, such as a container's, as it is: `path` is its file in /proc. */
  static async adopt(name: string, path: string): Promise<Namespace> {
    const namespace = new Namespace(name);
    writeFileSync(namespace.path, '', { flag: 'wx' });
    await run(['mount', '--bind', path, namespace.path]);
    return namespace;
  }

  get path(): string {
    return `/run/netns/${this.name}`;
  }

  ip(...words: string[]): Promise<string> {
    return run(['ip', '-n', this.name, ...words]);
  }

  run(argv: readonly string[], options?: RunOptions): Promise<string> {
    return run(['ip', 'netns', 'exec', this.name, ...argv], options);
  }

  attempt(argv: readonly string[], options?: RunOptions): Promise<Output> {
    return attempt(['ip', 'netns', 'exec', this.name, ...argv], options);
  }

  /** Starts a program that goes on; it is killed with the namespace at the latest. Its PID is that of the program itself. */
  start(
    argv: readonly string[],
    stdio: 'ignore' | 'pipe' | number = 'ignore',
    env: Record<string, string> = {},
  ): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', this.name, ...argv], {
      stdio: ['ignore', stdio, stdio],
      env: { ...process.env, ...env },
    });
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    child.on('error', () => this.#children.delete(child));
    return child;
  }

  /** Sum of the kernel's IPv4 and IPv6 counters of one name over all protocols, such as InCsumErrors or InEchos. */
  async counter(name: string): Promise<number> {
    const lines = (await this.run(['cat', '/proc/net/snmp', '/proc/net/snmp6'])).split('\n');
    let sum = 0;
    for (const [index, line] of lines.entries()) {
      const [key = '', value = '', ...more] = line.split(/\s+/);
      if (more.length === 0 || more[0] === '') {
        if (key.replace(/^[A-Za-z]+6/, '') === name) sum += Number(value);
      } else {
        const column = [value, ...more].indexOf(name);
        if (column >= 0) sum += Number(lines[index + 1]?.split(/\s+/)[column + 1] ?? 0);
      }
    }
    return sum;
  }

  async remove(): Promise<void> {
    await Promise.all([...this.#children].map((child) => killed(child)));
    await removeNamespace(this.name);
  }
}

/** Kills a child that we started and waits for its end. */
export async function killed(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  await ended;
}

/** Kills what runs in a namespace of the lab and removes it. It is no error when it is gone. */
export async function removeNamespace(name: string): Promise<void> {
  const { stdout } = await attempt(['ip', 'netns', 'pids', name]);
  for (const pid of stdout.split('\n').filter(Boolean)) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It ended meanwhile.
    }
  }
  await attempt(['ip', 'netns', 'del', name]);
}

/**
 * A host on the underlay for the daemons of another system, which end with the lab. Their configurations, keys and logs are files of the
 * lab, and what they keep in /run is on a file system of their own.
 */
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Guest } from '../../lab/guest.js';
import { plugVeth } from '../../lab/kernel-host.js';
import type { Lab } from '../../lab/lab.js';
import type { Namespace } from '../../lab/namespace.js';
import { until } from '../../lab/wait.js';

/** Longer than any of them takes on a machine under load. */
const READY_SECONDS = 60;

/** Runs the words behind `-` with an empty /run: `ip netns exec` has made a mount namespace already. */
const privateRun = ['sh', '-ec', 'mount -t tmpfs run /run; exec "$@"', '-'];

export class DaemonHost {
  readonly namespace: Namespace;
  readonly ipv4: string;
  readonly dir: string;
  readonly pids: number[] = [];

  private constructor(namespace: Namespace, ipv4: string, dir: string) {
    this.namespace = namespace;
    this.ipv4 = ipv4;
    this.dir = dir;
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  }

  static async open(lab: Lab, name: string): Promise<DaemonHost> {
    const { namespace, ipv4 } = await lab.kernelHost(name);
    return new DaemonHost(namespace, ipv4, join(lab.dir, name));
  }

  path(file: string): string {
    return join(this.dir, file);
  }

  /** Writes a file that only root reads, and gives its path. */
  write(file: string, text: string): string {
    const path = this.path(file);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  }

  /** Starts a daemon in the foreground; `name` is that of its log. */
  start(name: string, argv: readonly string[]): Daemon {
    const log = this.path(`${name}.log`);
    const fd = openSync(log, 'a');
    const child = this.namespace.start([...privateRun, ...argv], fd);
    closeSync(fd);
    const { pid } = child;
    if (pid === undefined) throw new Error(`${name} cannot be started`);
    this.pids.push(pid);
    const said = () => readFileSync(log, 'utf8');
    const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
    return {
      pid,
      log: said,
      ready: async (what, probe) => {
        await until(`${name} ${what}`, () => hasEnded() || probe(), READY_SECONDS);
        if (hasEnded()) throw new Error(`${name} has ended:\n${said()}`);
      },
    };
  }

  /** Waits for a device that a daemon makes. */
  device(daemon: Daemon, name: string): Promise<void> {
    const probe = ['test', '-e', `/sys/class/net/${name}`];
    return daemon.ready(`makes ${name}`, async () => (await this.namespace.attempt(probe)).status === 0);
  }

  /**
   * Gives a guest an eth0 by veth on a bridge `br0` with a daemon's TAP, as one serves a container that knows nothing of the system. All of
   * them have the TAP's MTU.
   */
  async bridge(tap: string, guest: Guest, addresses: readonly string[]): Promise<void> {
    const { namespace } = this;
    const mtu = Number(await namespace.run(['cat', `/sys/class/net/${tap}/mtu`]));
    await namespace.ip('link', 'add', 'br0', 'type', 'bridge', 'forward_delay', '0');
    // The host itself has nothing to say on the segment.
    const silence = ['br0', tap].map((name) => `net.ipv6.conf.${name}.disable_ipv6=1`);
    await namespace.run(['sysctl', '-qw', ...silence]);
    await namespace.ip('link', 'set', tap, 'master', 'br0', 'up');
    await plugVeth(namespace, 'g1', guest, mtu, addresses);
    await namespace.ip('link', 'set', 'g1', 'master', 'br0', 'up');
    await namespace.ip('link', 'set', 'br0', 'mtu', `${mtu}`, 'up');
  }
}

export interface Daemon {
  readonly pid: number;
  /** What it has written so far. */
  log(): string;
  /** Waits until `probe` says so; fails at once when the daemon has ended. */
  ready(what: string, probe: () => boolean | Promise<boolean>): Promise<void>;
}

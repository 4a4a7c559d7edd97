/**
 * A host that systemd runs: the systemd of this machine as PID 1, in namespaces of every kind, over a layer of its own above the machine's
 * root. What is installed in it at boot is nothing but what the machine has; it can be shut down, lose its power, and boot again with what
 * was written to its disk.
 */
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Port } from '../daemon/api/schema.js';
import { ApiClient } from '../daemon/cli/client.js';
import { defaultLimits } from '../daemon/cli/io.js';
import { makeCgroups, removeCgroups } from './cgroups.js';
import { checkout, systemdHostInit } from './checkout.js';
import { attempt, CommandError, type Output, type RunOptions } from './command.js';
import { Guest } from './guest.js';
import type { AttachOptions } from './host.js';
import { killed, type Namespace } from './namespace.js';
import { ended, hasEnded, onlyChild, read, spawnIn } from './processes.js';
import { until } from './wait.js';
import { WeftClient } from './weft-client.js';

export interface SystemdHostParts {
  name: string;
  dir: string;
  ipv4: string;
  ipv6: string;
  /** Makes the network namespace of the host, with its link to the underlay. */
  plug: () => Promise<Namespace>;
  /** Removes that link: a namespace goes on answering for a moment after its last process. */
  unplug: () => Promise<void>;
  /** Names a namespace that exists in the host, found at `path` here, for the lab. */
  adopt: (name: string, path: string) => Promise<Namespace>;
}

/** What runs while the host has power. */
interface Power {
  namespace: Namespace;
  /** The unshare that waits for PID 1. */
  child: ChildProcess;
  /** PID of the host's PID 1, here, outside the host. */
  init: number;
  cgroups: string[];
  api: ApiClient;
  /** Containers in it. */
  guests: Namespace[];
}

/** Where the checkout that the lab runs from is in the host. */
const checkoutInside = '/mnt/checkout';

/** PATH of root on Debian. */
const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export class SystemdHost extends WeftClient {
  readonly name: string;
  readonly dir: string;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly #parts: SystemdHostParts;
  #power: Power | undefined;

  constructor(parts: SystemdHostParts) {
    super();
    this.#parts = parts;
    this.name = parts.name;
    this.dir = parts.dir;
    this.ipv4 = parts.ipv4;
    this.ipv6 = parts.ipv6;
  }

  /** The host's network namespace. */
  get namespace(): Namespace {
    return this.#powered.namespace;
  }

  /** PID of the host's PID 1, here. */
  get init(): number {
    return this.#powered.init;
  }

  override get api(): ApiClient {
    return this.#powered.api;
  }

  /** Where a file of the host is found from here while the host has power. */
  path(inside: string): string {
    return `/proc/${this.init}/root${inside}`;
  }

  // Power

  /** Boots the host and waits until systemd has started everything that is enabled. */
  async powerOn(): Promise<void> {
    await this.boot();
    await until(
      `${this.name} has booted`,
      async () => {
        const { stdout } = await this.attempt(['systemctl', 'is-system-running']);
        return ['running', 'degraded'].includes(stdout.trim());
      },
      60,
    );
  }

  /** Boots the host; systemd has only begun then. */
  async boot(): Promise<void> {
    const namespace = await this.#parts.plug();
    const cgroups = makeCgroups(namespace.name);
    writeFileSync(join(this.dir, 'cgroups'), JSON.stringify(cgroups));
    const log = openSync(join(this.dir, 'init.log'), 'a');
    const child = spawnIn(cgroups, log, {}, [
      ...['nsenter', `--net=${namespace.path}`, '--'],
      ...['unshare', '--mount', '--propagation', 'private', '--uts', '--ipc', '--pid', '--cgroup'],
      ...['--fork', '--kill-child', '--'],
      ...[systemdHostInit, join(this.dir, 'disk'), this.name, checkout, process.execPath],
    ]);
    closeSync(log);
    try {
      const init = await until(`${this.name} boots`, () => {
        if (hasEnded(child)) throw new Error(read(join(this.dir, 'init.log')));
        const pid = onlyChild(child);
        return pid !== undefined && read(`/proc/${pid}/comm`).trim() === 'systemd' && pid;
      });
      const api = new ApiClient(`/proc/${init}/root/run/weft/weft.sock`, defaultLimits);
      this.#power = { namespace, child, init, cgroups, api, guests: [] };
      await until(
        `systemd of ${this.name} answers`,
        async () => (await this.attempt(['systemctl', 'show', '-P', 'Version'])).status === 0,
      );
    } catch (error) {
      await killed(child);
      throw error;
    }
  }

  /** The host loses its power: every process of it ends at once, its namespaces go, its disk stays. */
  async powerOff(): Promise<void> {
    const power = this.#power;
    if (power === undefined) return;
    try {
      process.kill(power.init, 'SIGKILL');
    } catch {
      // It ended by itself.
    }
    await this.#gone(power);
  }

  /** Shuts the host down in good order, as `poweroff` does. */
  async shutDown(): Promise<void> {
    const power = this.#powered;
    // The answer may not come any more.
    await this.attempt(['systemctl', 'poweroff']);
    await until(`${this.name} has shut down`, () => hasEnded(power.child), 120);
    await this.#gone(power);
  }

  // Programs, files, units

  /** A command line that runs `argv` in the host, found by the host's own PATH: that of the tests may lead to programs of the checkout. */
  enter(argv: readonly string[]): string[] {
    const namespaces = ['-m', '-u', '-i', '-n', '-p', '-C', '-r', '-w'];
    return ['nsenter', '-t', `${this.init}`, ...namespaces, '--', 'env', `PATH=${systemPath}`, ...argv];
  }

  /** Runs a program in the host, whatever its status. */
  attempt(argv: readonly string[], options: RunOptions = {}): Promise<Output> {
    return attempt(this.enter(argv), options);
  }

  /** Runs a program in the host and gives what it prints; throws when its status is not 0. */
  async exec(...argv: string[]): Promise<string> {
    const output = await this.attempt(argv);
    if (output.status !== 0) throw new CommandError(argv, output, `status ${output.status}`);
    return output.stdout;
  }

  async write(inside: string, text: string, mode = 0o644): Promise<void> {
    const script = 'mkdir -p "$(dirname "$1")" && cat >"$1" && chmod "$2" "$1"';
    const argv = ['sh', '-c', script, 'sh', inside, mode.toString(8)];
    const output = await this.attempt(argv, { input: text });
    if (output.status !== 0) throw new CommandError(argv, output, `status ${output.status}`);
  }

  systemctl(...words: string[]): Promise<string> {
    return this.exec('systemctl', ...words);
  }

  /** A property of a unit as `systemctl show -P` prints it. */
  async property(name: string, unit = 'weftd.service'): Promise<string> {
    return (await this.systemctl('show', '-P', name, unit)).trim();
  }

  /** What a unit has logged since the boot, one message a line. */
  journal(unit = 'weftd.service'): Promise<string> {
    return this.exec('journalctl', '-u', unit, '-o', 'cat', '--no-pager');
  }

  // weftd

  /** Puts the checkout's units and a /usr/lib/weft/bin that runs the checkout in place: quicker than an installation, which copies. */
  async useCheckout(): Promise<void> {
    await this.exec(
      'sh',
      '-c',
      `cp ${checkoutInside}/systemd/*.service ${checkoutInside}/systemd/*.socket /etc/systemd/system/`,
    );
    await this.exec('systemd-sysusers', `${checkoutInside}/systemd/weft.sysusers.conf`);
    const program = (file: string) =>
      `#!/bin/sh\nexec /usr/bin/node ${checkoutInside}/dist/daemon/${file} "$@"\n`;
    await this.write('/usr/lib/weft/bin/weftd', program('main.js'), 0o755);
    await this.write('/usr/lib/weft/bin/weft', program('cli/main.js'), 0o755);
    await this.systemctl('daemon-reload');
  }

  /** Adds settings to a unit, as `systemctl edit` does: text with sections. */
  async edit(unit: string, text: string): Promise<void> {
    await this.write(`/etc/systemd/system/${unit}.d/lab.conf`, text);
    await this.systemctl('daemon-reload');
  }

  /** Writes /etc/weft/weft.yaml: an object becomes YAML, with the host's name and addresses where it says nothing of them. */
  async configure(config: Record<string, unknown> | string): Promise<void> {
    const underlay = { addresses: [this.ipv4, this.ipv6] };
    const complete =
      typeof config === 'string'
        ? config
        : stringify({
            host: { name: this.name },
            ...config,
            underlay: { ...underlay, ...(config.underlay as object | undefined) },
          });
    await this.write('/etc/weft/weft.yaml', complete);
  }

  override tryWeft(words: readonly string[], options?: RunOptions): Promise<Output> {
    return this.attempt(['/usr/lib/weft/bin/weft', ...words], options);
  }

  /** A container on this host: a namespace that it knows by this name. It ends with the host's power. */
  async guest(name: string): Promise<Guest> {
    await this.exec('ip', 'netns', 'add', name);
    await this.exec('ip', '-n', name, 'link', 'set', 'lo', 'up');
    const namespace = await this.#parts.adopt(`${this.name}-${name}`, this.path(`/run/netns/${name}`));
    this.#powered.guests.push(namespace);
    return new Guest(namespace);
  }

  /** Attaches a guest, by its name here, to a network by `weft port add`. */
  attach(
    guest: string,
    network: string,
    { ifname = 'eth0', name, mac, addresses = [], spoof }: AttachOptions = {},
  ): Promise<Port> {
    return this.weftJson<Port>(
      ...['port', 'add', network, ifname, '--netns', guest],
      ...(name === undefined ? [] : ['--name', name]),
      ...(mac === undefined ? [] : ['--mac', mac]),
      ...(spoof === undefined ? [] : ['--spoof', spoof]),
      ...addresses.flatMap((address) => ['--address', address]),
    );
  }

  get #powered(): Power {
    if (this.#power === undefined) throw new Error(`${this.name} has no power`);
    return this.#power;
  }

  async #gone(power: Power): Promise<void> {
    this.#power = undefined;
    await power.api.close();
    await this.#parts.unplug();
    await ended(power.child);
    await Promise.all(power.guests.map((guest) => guest.remove()));
    await power.namespace.remove();
    await removeCgroups(power.cgroups);
  }
}

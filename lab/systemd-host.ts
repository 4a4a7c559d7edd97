/**
 * A host that systemd runs: the systemd of this machine as PID 1, over a layer of its own above the machine's root. What is installed in
 * it at boot is nothing but what the machine has; it can be shut down, and boots again with what was written to its disk.
 */
import { join } from 'node:path';
import type { Port } from '../daemon/api/schema.js';
import { checkout, systemdHostInit } from './checkout.js';
import { CommandError, type Output, type RunOptions } from './command.js';
import { configText, type HostConfig } from './config.js';
import { Guest } from './guest.js';
import type { Namespace } from './namespace.js';
import { PoweredHost, type PoweredHostParts } from './powered-host.js';
import { hasEnded } from './processes.js';
import { until } from './wait.js';
import type { AttachOptions } from './weft-client.js';

export interface SystemdHostParts extends PoweredHostParts {
  /** Names a namespace that exists in the host, found at `path` here, for the lab. */
  adopt: (name: string, path: string) => Promise<Namespace>;
}

/** Where the checkout that the lab runs from is in the host. */
const checkoutInside = '/mnt/checkout';

/** PATH of root on Debian. */
const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export class SystemdHost extends PoweredHost<SystemdHostParts> {
  /** Containers in it. */
  #guests: Namespace[] = [];

  // Power

  /** Boots the host and waits until systemd has started everything that is enabled. */
  async powerOn(): Promise<void> {
    const disk = join(this.dir, 'disk');
    await this.boot([systemdHostInit, disk, this.name, checkout, process.execPath], 'systemd');
    await until(
      `systemd of ${this.name} answers`,
      async () => (await this.attempt(['systemctl', 'show', '-P', 'Version'])).status === 0,
    );
    await until(
      `${this.name} has booted`,
      async () => {
        const { stdout } = await this.attempt(['systemctl', 'is-system-running']);
        return ['running', 'degraded'].includes(stdout.trim());
      },
      60,
    );
  }

  /** Shuts the host down in good order, as `poweroff` does. */
  async shutDown(): Promise<void> {
    const { child } = this.power;
    // The answer may not come any more.
    await this.attempt(['systemctl', 'poweroff']);
    await until(`${this.name} has shut down`, () => hasEnded(child), 120);
    await this.powerIsOff();
  }

  protected override async letGo(): Promise<void> {
    const guests = this.#guests;
    this.#guests = [];
    await Promise.all(guests.map((guest) => guest.remove()));
  }

  // Programs, files, units

  /** A command line that runs `argv` in the host, found by the host's own PATH: that of the tests may lead to programs of the checkout. */
  override enter(argv: readonly string[]): string[] {
    const namespaces = ['-m', '-u', '-i', '-n', '-p', '-C', '-r', '-w'];
    return ['nsenter', '-t', `${this.init}`, ...namespaces, '--', 'env', `PATH=${systemPath}`, ...argv];
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

  /** Puts another version of the checkout in its place, as an upgrade does. It runs when weftd is started again. */
  async useVersion(version: string): Promise<void> {
    const place = '/opt/weft';
    await this.exec(
      'sh',
      '-ec',
      `mkdir -p ${place}/build
       cp -r ${checkoutInside}/dist ${place}/dist
       sed 's/"version": ".*"/"version": "${version}"/' ${checkoutInside}/package.json >${place}/package.json
       ln -s ${checkoutInside}/node_modules ${place}/node_modules
       ln -s ${checkoutInside}/build/native ${place}/build/native
       sed -i 's|${checkoutInside}|${place}|' /usr/lib/weft/bin/weftd`,
    );
  }

  /** Waits until a weftd is ready that does not have this PID, as {@link property} gives it. */
  async anotherIsReady(former: string): Promise<void> {
    await until(`another weftd on ${this.name} is ready`, async () => {
      const [pid, state] = [await this.property('MainPID'), await this.property('ActiveState')];
      return pid !== former && pid !== '0' && state === 'active';
    });
  }

  /** Adds settings to a unit, as `systemctl edit` does: text with sections. */
  async edit(unit: string, text: string): Promise<void> {
    await this.write(`/etc/systemd/system/${unit}.d/lab.conf`, text);
    await this.systemctl('daemon-reload');
  }

  /** Writes /etc/weft/weft.yaml: an object becomes YAML, with the host's name and addresses where it says nothing of them. */
  configure(config: HostConfig): Promise<void> {
    return this.write('/etc/weft/weft.yaml', configText(this, config));
  }

  override tryWeft(words: readonly string[], options?: RunOptions): Promise<Output> {
    return this.attempt(['/usr/lib/weft/bin/weft', ...words], options);
  }

  /** A container on this host: a namespace that it knows by this name. It ends with the host's power. */
  async guest(name: string): Promise<Guest> {
    await this.exec('ip', 'netns', 'add', name);
    await this.exec('ip', '-n', name, 'link', 'set', 'lo', 'up');
    const namespace = await this.parts.adopt(`${this.name}-${name}`, this.path(`/run/netns/${name}`));
    this.#guests.push(namespace);
    return new Guest(namespace);
  }

  /** Attaches a guest, by its name here, to a network by `weft port add`. */
  attach(guest: string, network: string, options?: AttachOptions): Promise<Port> {
    return this.addPort(guest, network, options);
  }
}

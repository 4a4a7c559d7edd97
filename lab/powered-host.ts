/** A host in namespaces of every kind, with a PID 1 and a disk of its own. It can lose its power and boot again. */
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ApiClient } from '../daemon/cli/client.js';
import { defaultLimits } from '../daemon/cli/io.js';
import { makeCgroups, removeCgroups } from './cgroups.js';
import { attempt, type Output, type RunOptions } from './command.js';
import { killed, type Namespace } from './namespace.js';
import { ended, hasEnded, onlyChild, read, spawnIn } from './processes.js';
import { until } from './wait.js';
import { WeftClient } from './weft-client.js';

export interface PoweredHostParts {
  name: string;
  dir: string;
  ipv4: string;
  ipv6: string;
  /** Makes the network namespace of the host, with its link to the underlay. */
  plug: () => Promise<Namespace>;
  /** Removes that link: a namespace goes on answering for a moment after its last process. */
  unplug: () => Promise<void>;
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
}

export abstract class PoweredHost<Parts extends PoweredHostParts> extends WeftClient {
  readonly name: string;
  readonly dir: string;
  readonly ipv4: string;
  readonly ipv6: string;
  protected readonly parts: Parts;
  #power: Power | undefined;

  constructor(parts: Parts) {
    super();
    this.parts = parts;
    this.name = parts.name;
    this.dir = parts.dir;
    this.ipv4 = parts.ipv4;
    this.ipv6 = parts.ipv6;
  }

  /** The host's network namespace. */
  get namespace(): Namespace {
    return this.power.namespace;
  }

  /** PID of the host's PID 1, here, outside the host. */
  get init(): number {
    return this.power.init;
  }

  override get api(): ApiClient {
    return this.power.api;
  }

  /** Where a file of the host, such as a socket in its /run, is found from here while the host has power. */
  path(inside: string): string {
    return `/proc/${this.init}/root${inside}`;
  }

  /** A command line that runs `argv` in the host. */
  abstract enter(argv: readonly string[]): string[];

  /** Runs a program in the host, whatever its status. */
  attempt(argv: readonly string[], options?: RunOptions): Promise<Output> {
    return attempt(this.enter(argv), options);
  }

  /** The host loses its power: every process of it ends at once, its namespaces go, its disk stays. */
  async powerOff(): Promise<void> {
    if (this.#power === undefined) return;
    try {
      process.kill(this.#power.init, 'SIGKILL');
    } catch {
      // It ended by itself.
    }
    await this.powerIsOff();
  }

  protected get power(): Power {
    if (this.#power === undefined) throw new Error(`${this.name} has no power`);
    return this.#power;
  }

  protected log(name: string): string {
    return join(this.dir, `${name}.log`);
  }

  /** Boots the host by a script of the lab that becomes PID 1, by then a program of this name. */
  protected async boot(script: readonly string[], program: string): Promise<void> {
    const namespace = await this.parts.plug();
    const cgroups = makeCgroups(namespace.name);
    writeFileSync(join(this.dir, 'cgroups'), JSON.stringify(cgroups));
    const log = openSync(this.log('init'), 'a');
    const child = spawnIn(cgroups, log, {}, [
      ...['nsenter', `--net=${namespace.path}`, '--'],
      ...['unshare', '--mount', '--propagation', 'private', '--uts', '--ipc', '--pid', '--cgroup'],
      ...['--fork', '--kill-child', '--', ...script],
    ]);
    closeSync(log);
    try {
      const init = await until(`${this.name} boots`, () => {
        if (hasEnded(child)) throw new Error(read(this.log('init')));
        const pid = onlyChild(child);
        return pid !== undefined && read(`/proc/${pid}/comm`).trim() === program && pid;
      });
      const api = new ApiClient(`/proc/${init}/root/run/weft/weft.sock`, defaultLimits);
      this.#power = { namespace, child, init, cgroups, api };
    } catch (error) {
      await killed(child);
      throw error;
    }
  }

  /** Clears away what the host had, now that its PID 1 has ended or is about to. */
  protected async powerIsOff(): Promise<void> {
    const power = this.#power;
    if (power === undefined) return;
    this.#power = undefined;
    await power.api.close();
    await this.parts.unplug();
    await ended(power.child);
    await this.letGo();
    await power.namespace.remove();
    await removeCgroups(power.cgroups);
  }

  /** Lets go of what else the host had while it had power. */
  protected abstract letGo(): Promise<void>;
}

/** A host with a weftd of its own: state, socket, configuration and log under one directory. */
import type { ChildProcess } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Port } from '../daemon/api/schema.js';
import { ApiClient } from '../daemon/cli/client.js';
import { defaultLimits } from '../daemon/cli/io.js';
import { weftdProgram, weftProgram } from './checkout.js';
import { attempt, type Output, type RunOptions } from './command.js';
import { configText, type HostConfig } from './config.js';
import type { Guest } from './guest.js';
import { killed, type Namespace } from './namespace.js';
import { until } from './wait.js';
import { type AttachOptions, WeftClient } from './weft-client.js';

export interface StartOptions {
  /** Put before the command line of weftd, such as `setpriv …`. */
  wrapper?: readonly string[];
}

export class Host extends WeftClient {
  readonly name: string;
  readonly namespace: Namespace;
  readonly dir: string;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly socket: string;
  readonly stateDir: string;
  readonly configFile: string;
  override readonly api: ApiClient;
  readonly #logFile: string;
  #weftd: ChildProcess | undefined;

  constructor(name: string, namespace: Namespace, dir: string, ipv4: string, ipv6: string) {
    super();
    this.name = name;
    this.namespace = namespace;
    this.dir = dir;
    this.ipv4 = ipv4;
    this.ipv6 = ipv6;
    mkdirSync(dir, { recursive: true });
    this.socket = join(dir, 'weft.sock');
    this.stateDir = join(dir, 'state');
    this.configFile = join(dir, 'weft.yaml');
    this.#logFile = join(dir, 'weftd.log');
    this.api = new ApiClient(this.socket, defaultLimits);
  }

  /** False before its weftd was started, and after it was ended on purpose. */
  get running(): boolean {
    return this.#weftd !== undefined;
  }

  /** PID of the running weftd. */
  get pid(): number {
    const pid = this.#weftd?.pid;
    if (pid === undefined) throw new Error(`${this.name} has no weftd running`);
    return pid;
  }

  /** Everything that the daemons of this host have logged. */
  get log(): string {
    return existsSync(this.#logFile) ? readFileSync(this.#logFile, 'utf8') : '';
  }

  /**
   * Writes the configuration file: an object becomes YAML, with the host's name and addresses where it says nothing of them, and without
   * the Docker plugin: these hosts share the machine's /run, where only one weftd could serve it.
   */
  configure(config: HostConfig): void {
    writeFileSync(this.configFile, configText(this, config, { docker: { plugin: 'off', api: 'off' } }));
  }

  /** The command line of a weftd here. */
  get weftd(): string[] {
    return [
      ...[process.execPath, weftdProgram, '--config', this.configFile],
      ...['--state-dir', this.stateDir, '--socket', this.socket],
    ];
  }

  /** The beginning of a command line of the CLI that speaks to it. */
  get cli(): string[] {
    return [process.execPath, weftProgram, '--socket', this.socket];
  }

  /** Starts weftd and waits until it has settled; an object is written to its configuration first. */
  async start(config?: HostConfig, options: StartOptions = {}): Promise<void> {
    if (config !== undefined) this.configure(config);
    const log = openSync(this.#logFile, 'a');
    const child = this.namespace.start([...(options.wrapper ?? []), ...this.weftd], log);
    closeSync(log);
    this.#weftd = child;
    await until(
      `weftd on ${this.name} is ready`,
      async () => {
        if (child.exitCode !== null || child.signalCode !== null) return 'ended' as const;
        const { pid } = await this.status();
        return pid === child.pid && ('ready' as const);
      },
      30,
    );
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(
        `weftd on ${this.name} ended with status ${child.exitCode ?? child.signalCode}:\n${this.log}`,
      );
    }
  }

  /** Ends weftd as a service manager would and gives its exit status. */
  async stop(): Promise<number | null> {
    const child = this.#weftd;
    if (child === undefined) return null;
    await this.api.close();
    await killed(child, 'SIGTERM');
    this.#weftd = undefined;
    return child.exitCode;
  }

  /** Ends weftd as a crash would. */
  async kill(): Promise<void> {
    await this.api.close();
    if (this.#weftd !== undefined) await killed(this.#weftd);
    this.#weftd = undefined;
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal);
  }

  override tryWeft(words: readonly string[], options?: RunOptions): Promise<Output> {
    return attempt([...this.cli, ...words], options);
  }

  /** Attaches a guest to a network by `weft port add`. */
  attach(guest: Guest, network: string, options?: AttachOptions): Promise<Port> {
    return this.addPort(guest.name, network, options);
  }
}

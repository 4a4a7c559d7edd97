/** A host with a container engine: a real dockerd and a weftd at their default paths. */
import type { ChildProcess } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { dockerHostInit, weftdProgram, weftProgram } from './checkout.js';
import { CommandError, type Output, type RunOptions } from './command.js';
import { configText, type HostConfig } from './config.js';
import { Container } from './container.js';
import { imageSettings, labImage } from './docker-image.js';
import { PoweredHost, type PoweredHostParts } from './powered-host.js';
import { ended, hasEnded, innerPid, onlyChild, read, spawnIn } from './processes.js';
import { until } from './wait.js';

export interface DockerHostParts extends PoweredHostParts {
  /** The tar file of the image that containers are made of. */
  image: () => Promise<string>;
}

/** A program that goes on in a host. */
interface Program {
  /** The nsenter that waits for it. */
  child: ChildProcess;
  /** Its PID here, outside the host. */
  pid: number;
}

const clientSettings = { DOCKER_HOST: 'unix:///var/run/docker.sock', DOCKER_CONFIG: '/run/docker/client' };

export class DockerHost extends PoweredHost<DockerHostParts> {
  #weftd: Program | undefined;
  #dockerd: Program | undefined;

  constructor(parts: DockerHostParts) {
    super(parts);
    mkdirSync(this.#disk('etc/weft'), { recursive: true });
  }

  /** PIDs here, outside the host. */
  get weftdPid(): number {
    return running(this.#weftd, `${this.name} has no weftd running`).pid;
  }

  get dockerdPid(): number {
    return running(this.#dockerd, `${this.name} has no dockerd running`).pid;
  }

  /** Everything that the daemons of this host have logged. */
  get weftdLog(): string {
    return read(this.log('weftd'));
  }

  get dockerdLog(): string {
    return read(this.log('dockerd'));
  }

  // Power

  /** Boots the host: nothing runs in it yet. */
  powerOn(): Promise<void> {
    return this.boot([dockerHostInit, this.#disk(), this.name], 'tini');
  }

  protected override async letGo(): Promise<void> {
    const programs = [this.#weftd, this.#dockerd];
    this.#weftd = undefined;
    this.#dockerd = undefined;
    await Promise.all(programs.map((program) => program && ended(program.child)));
  }

  // weftd

  /** Writes /etc/weft/weft.yaml: an object becomes YAML, with the host's name and addresses where it says nothing of them. */
  configure(config: HostConfig): void {
    writeFileSync(this.#disk('etc/weft/weft.yaml'), configText(this, config));
  }

  /** Starts weftd and waits until it has settled; an object is written to its configuration first. */
  async startWeftd(config?: HostConfig): Promise<void> {
    if (config !== undefined) this.configure(config);
    this.#weftd = await this.#start('weftd', [process.execPath, weftdProgram]);
    await this.weftdIsReady();
  }

  /**
   * Listens on the plugin's socket, as weft-docker.socket of systemd does: the first connection starts weftd.
   * {@link weftdIsReady} then waits for it.
   */
  async activateWeftd(): Promise<void> {
    const socket = '/run/docker/plugins/weft.sock';
    this.#weftd = await this.#start('weftd', [
      ...['systemd-socket-activate', '-l', socket, '--fdname=docker', '--'],
      ...[process.execPath, weftdProgram],
    ]);
    await until(`the socket of ${this.name} is there`, () => existsSync(this.path(socket)));
  }

  async weftdIsReady(): Promise<void> {
    const weftd = running(this.#weftd, `${this.name} has no weftd running`);
    await until(`weftd on ${this.name} is ready`, async () => {
      if (hasEnded(weftd.child)) return true;
      return (await this.status()).pid === innerPid(weftd.pid);
    });
    if (hasEnded(weftd.child)) throw new Error(`weftd on ${this.name} ended:\n${this.weftdLog}`);
  }

  /** Ends weftd as a service manager would. */
  stopWeftd(): Promise<void> {
    return this.#endWeftd('SIGTERM');
  }

  /** Ends weftd as a crash would. */
  killWeftd(): Promise<void> {
    return this.#endWeftd('SIGKILL');
  }

  override tryWeft(words: readonly string[], options?: RunOptions): Promise<Output> {
    return this.attempt([process.execPath, weftProgram, ...words], options);
  }

  // dockerd

  /** Starts dockerd, waits until its API answers, and gives the seconds that took. The image of the lab is there then. */
  async startDockerd(...flags: string[]): Promise<number> {
    const began = performance.now();
    // A crash leaves these, and a new daemon would take them for a sign of life.
    rmSync(this.path('/run/docker.pid'), { force: true });
    const dockerd = await this.#start('dockerd', ['dockerd', '--init', ...flags]);
    this.#dockerd = dockerd;
    await until(
      `dockerd on ${this.name} answers`,
      async () => hasEnded(dockerd.child) || (await answers(this.path('/run/docker.sock'))),
      90,
    );
    const seconds = (performance.now() - began) / 1000;
    if (hasEnded(dockerd.child)) throw new Error(`dockerd on ${this.name} ended:\n${this.dockerdLog}`);
    const image = await this.tryDocker(['image', 'inspect', labImage]);
    if (image.status !== 0) await this.docker('import', ...imageSettings, await this.parts.image(), labImage);
    return seconds;
  }

  /** Ends dockerd as a service manager would: containers end, too, unless it was started with --live-restore. */
  stopDockerd(): Promise<void> {
    return this.#endDockerd('SIGTERM');
  }

  /** Ends dockerd as a crash would. */
  killDockerd(): Promise<void> {
    return this.#endDockerd('SIGKILL');
  }

  /** What the docker CLI prints, without the last line break; throws when its status is not 0. */
  async docker(...words: string[]): Promise<string> {
    const output = await this.tryDocker(words);
    if (output.status !== 0) throw new CommandError(['docker', ...words], output, `status ${output.status}`);
    return output.stdout.trimEnd();
  }

  /** Runs the docker CLI, whatever its status. */
  tryDocker(words: readonly string[], options: RunOptions = {}): Promise<Output> {
    const env = { ...clientSettings, ...options.env };
    return this.attempt(['/usr/bin/docker', ...words], { timeout: 150, ...options, env });
  }

  /** `docker run -d` with these options, of the lab's image, which does nothing by itself. */
  async run(name: string, ...options: string[]): Promise<Container> {
    await this.docker('run', '-d', '--name', name, ...options, labImage);
    return this.container(name);
  }

  container(name: string): Container {
    return new Container(this, name);
  }

  /** Names of all containers, running or not. */
  async containerNames(): Promise<string[]> {
    const names = await this.docker('ps', '-a', '--format', '{{.Names}}');
    return names.split('\n').filter(Boolean);
  }

  // Programs

  override enter(argv: readonly string[]): string[] {
    const namespaces = ['-m', '-u', '-i', '-n', '-p', '-C'];
    return ['nsenter', '-t', `${this.init}`, ...namespaces, '--', ...argv];
  }

  /** The end of both logs, without the chatter of containerd, for the message of a failure. */
  get logs(): string {
    const tail = (text: string) => text.split('\n').slice(-40).join('\n');
    const dockerd = this.dockerdLog.replace(/^.*(module=grpc|loading plugin|serving\.\.\.| shim).*\n/gm, '');
    return `--- weftd on ${this.name}\n${tail(this.weftdLog)}\n--- dockerd on ${this.name}\n${tail(dockerd)}`;
  }

  #disk(path = ''): string {
    return join(this.dir, 'disk', path);
  }

  /** Starts a daemon in the host, as a member of its cgroups; its output goes to a file. */
  async #start(name: string, argv: readonly string[]): Promise<Program> {
    const log = openSync(this.log(name), 'a');
    // /tmp is the machine's.
    const child = spawnIn(this.power.cgroups, log, { TMPDIR: '/run' }, this.enter(argv));
    closeSync(log);
    const pid = await until(`${name} is started on ${this.name}`, () => hasEnded(child) || onlyChild(child));
    if (pid === true) throw new Error(`${name} on ${this.name} ended:\n${read(this.log(name))}`);
    return { child, pid };
  }

  async #endWeftd(signal: NodeJS.Signals): Promise<void> {
    const weftd = this.#weftd;
    this.#weftd = undefined;
    await this.power.api.close();
    await end(weftd, signal);
  }

  async #endDockerd(signal: NodeJS.Signals): Promise<void> {
    const dockerd = this.#dockerd;
    this.#dockerd = undefined;
    await end(dockerd, signal);
  }
}

async function end(program: Program | undefined, signal: NodeJS.Signals): Promise<void> {
  if (program === undefined || hasEnded(program.child)) return;
  process.kill(program.pid, signal);
  await ended(program.child);
}

function running(program: Program | undefined, otherwise: string): Program {
  if (program === undefined) throw new Error(otherwise);
  return program;
}

/** Whether Docker answers on its socket. */
function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path: '/_ping', timeout: 60_000 }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    });
    asked.on('timeout', () => asked.destroy(new Error('no answer in 60 s')));
    asked.on('error', reject);
    asked.end();
  });
}

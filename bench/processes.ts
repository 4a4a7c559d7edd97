import { type ChildProcess, execFileSync, spawn } from 'node:child_process';

/** A program under way in a network namespace. */
export class Running {
  readonly #child: ChildProcess;
  readonly #name: string;
  #stdout = '';
  #stderr = '';
  readonly exited: Promise<number | null>;

  constructor(child: ChildProcess, name: string) {
    this.#child = child;
    this.#name = name;
    child.stdout?.on('data', (chunk: Buffer) => {
      this.#stdout += chunk.toString();
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString()).slice(-4096);
    });
    this.exited = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve(code));
    });
    this.exited.catch(() => undefined);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The last it wrote, for an error message. */
  get complaint(): string {
    return (this.#stderr.trim() || this.#stdout.trim()).slice(-1000);
  }

  /** Resolves once it has printed `text`; rejects when it ends or `milliseconds` pass before. */
  printed(text: string, milliseconds = 10_000): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = (error?: Error) => {
        clearTimeout(timer);
        this.#child.stdout?.off('data', look);
        if (error === undefined) resolve();
        else reject(error);
      };
      const look = () => {
        if (this.#stdout.includes(text)) finish();
      };
      const timer = setTimeout(
        () => finish(new Error(`${this.#name} did not print "${text}"`)),
        milliseconds,
      );
      this.#child.stdout?.on('data', look);
      this.exited.then(
        () => finish(new Error(`${this.#name} ended: ${this.complaint}`)),
        (error: Error) => finish(error),
      );
      look();
    });
  }

  /** Everything that it printed, once it has ended well. */
  async output(): Promise<string> {
    const code = await this.exited;
    if (code !== 0) throw new Error(`${this.#name} failed (${code}): ${this.complaint}`);
    return this.#stdout;
  }

  kill(signal: NodeJS.Signals): void {
    if (this.alive) this.#child.kill(signal);
  }

  /** Asks it to end, and insists after two seconds. */
  async stop(): Promise<void> {
    this.kill('SIGTERM');
    const timer = setTimeout(() => this.kill('SIGKILL'), 2000);
    await this.exited.catch(() => undefined);
    clearTimeout(timer);
  }
}

/** Starts programs in network namespaces, and knows every one that still runs. */
export class Processes {
  readonly #running = new Set<Running>();
  #stopped = false;

  /** `netns` is a name in /run/netns. The child has the PID of the program itself, since `ip netns exec` becomes it. */
  start(netns: string, command: readonly string[]): Running {
    if (this.#stopped) throw new Error('interrupted');
    const child = spawn('ip', ['netns', 'exec', netns, ...command], { stdio: ['ignore', 'pipe', 'pipe'] });
    const running = new Running(child, command[0] ?? '');
    this.#running.add(running);
    const forget = () => this.#running.delete(running);
    running.exited.then(forget, forget);
    return running;
  }

  run(netns: string, command: readonly string[]): Promise<string> {
    return this.start(netns, command).output();
  }

  /** Ends every program and starts no more; what waits for one of them rejects. */
  async stopAll(): Promise<void> {
    this.#stopped = true;
    await Promise.all([...this.#running].map((running) => running.stop()));
  }
}

/** Runs `ip` in our own namespace and waits for it. */
export function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

/**
 * Follows what Docker knows of its containers and networks, in the background. Docker may be away, start later, deny access, or answer
 * nonsense: that is a state to show, and what was known before stays. Nothing waits for this, and it never throws.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import { type Engine, EngineUnavailable, pause } from './engine_api.js';
import { type ContainerFacts, type Inventory, type NameProblem, type Names, notAskedYet } from './names.js';
import { specFiles } from './spec_files.js';

export interface EngineNamesParts {
  /** A new one for each attempt. */
  connect(): Engine;
  /** Name by which Docker knows the plugin. */
  driver: string;
  /** Where Docker looks for spec files. */
  specDirectories: readonly string[];
  log: Logger;
  /** Something that is offered here is another now. */
  onChange(): void;
}

export interface EnginePace {
  /** Milliseconds between attempts to reach Docker: doubled after each that failed. */
  firstRetry: number;
  lastRetry: number;
  /** Between two readings that events ask for. */
  rest: number;
  /** Read again without any event: a stream can die without a word. */
  reread: number;
}

export const enginePace: EnginePace = { firstRetry: 1000, lastRetry: 10_000, rest: 500, reread: 30_000 };

/** The oldest engine that the plugin's protocol was compared with. */
const oldestMajor = 19;

interface Known {
  /** By endpoint. */
  containers: ReadonlyMap<string, ContainerFacts>;
  networks: ReadonlyMap<string, string>;
  version: string | null;
  trouble: string | null;
  problems: readonly NameProblem[];
  /** null when what is known was not read just now. */
  inventory: Inventory | null;
}

export class EngineNames implements Names {
  readonly isOff = false;
  private known: Known = {
    containers: new Map(),
    networks: new Map(),
    version: null,
    trouble: notAskedYet,
    problems: [],
    inventory: null,
  };
  /** By endpoint. */
  private readonly aliases = new Map<string, readonly string[]>();
  private readonly stopping = new AbortController();
  private running: Promise<void> | null = null;
  private engine: Engine | null = null;

  constructor(
    private readonly parts: EngineNamesParts,
    private readonly pace: EnginePace = enginePace,
  ) {}

  containerOf(endpoint: string): ContainerFacts | undefined {
    return this.known.containers.get(endpoint);
  }

  networkName(engineNetwork: string): string | null {
    return this.known.networks.get(engineNetwork) ?? null;
  }

  engineVersion(): string | null {
    return this.known.version;
  }

  inventory(): Inventory | null {
    return this.known.inventory;
  }

  trouble(): string | null {
    return this.known.trouble;
  }

  problems(): readonly NameProblem[] {
    return this.known.problems;
  }

  start(): void {
    this.running ??= this.run();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.engine?.close();
    await this.running;
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    let retry = this.pace.firstRetry;
    while (!signal.aborted) {
      const engine = this.parts.connect();
      this.engine = engine;
      try {
        await this.session(engine, () => {
          retry = this.pace.firstRetry;
        });
      } catch (error) {
        if (!signal.aborted) this.lose(error);
      } finally {
        this.engine = null;
        await engine.close();
      }
      await pause(retry, signal);
      retry = Math.min(retry * 2, this.pace.lastRetry);
    }
  }

  /** Until the connection is lost, which throws. */
  private async session(engine: Engine, onSuccess: () => void): Promise<void> {
    const { version } = await engine.version();
    const identity = await engine.identity();
    // Before the first reading, so that nothing happens unseen in between.
    const events = await engine.events();
    const changes = new Signal();
    const ended = new AbortController();
    const follow = async (): Promise<never> => {
      for await (const _ of events) changes.raise();
      throw new EngineUnavailable('it ended its stream of events');
    };
    const keep = async (): Promise<void> => {
      while (!ended.signal.aborted) {
        changes.lower();
        await this.read(engine, version, identity);
        onSuccess();
        await pause(this.pace.rest, ended.signal);
        await changes.raised(this.pace.reread);
      }
    };
    const reading = keep();
    const following = follow();
    try {
      await Promise.race([following, reading]);
    } finally {
      ended.abort();
      changes.raise();
      await engine.close();
      await Promise.allSettled([following, reading]);
    }
  }

  private async read(engine: Engine, version: string, identity: string): Promise<void> {
    const { driver } = this.parts;
    const all = await engine.networks();
    const ours = all.filter((network) => network.driver === driver);
    const networks = new Map(ours.map(({ id, name }) => [id, name]));
    const containers = new Map<string, ContainerFacts>();
    for (const { endpoints, ...facts } of await engine.containers()) {
      const ids = endpoints.filter(({ network }) => networks.has(network)).map(({ id }) => id);
      await this.readAliases(engine, facts.id, ids);
      for (const id of ids) containers.set(id, { ...facts, aliases: this.aliases.get(id) ?? [] });
    }
    for (const id of this.aliases.keys()) if (!containers.has(id)) this.aliases.delete(id);
    const plugins = await engine.plugins();
    const other = plugins.find(({ name }) => name === driver || name === `${driver}:latest`);
    this.update({
      inventory: { engine: identity, networks: new Set(all.map(({ id }) => id)) },
      containers,
      networks,
      version,
      trouble: null,
      problems: [
        ...(other === undefined ? [] : [otherPlugin(other.name, other.enabled)]),
        ...(Number.parseInt(version, 10) < oldestMajor ? [tooOld(version)] : []),
        ...this.specProblems(),
      ],
    });
  }

  /** The list of containers lacks them. They belong to an endpoint for as long as it lives, so each is asked for once. */
  private async readAliases(engine: Engine, container: string, endpoints: readonly string[]): Promise<void> {
    if (endpoints.every((id) => this.aliases.has(id))) return;
    try {
      for (const [id, aliases] of await engine.aliases(container))
        if (endpoints.includes(id)) this.aliases.set(id, aliases);
    } catch (error) {
      // It ended in the meantime, which the next event tells; if Docker is away, the next request fails as well.
      this.parts.log.debug({ err: error, container }, 'the aliases of a container cannot be read');
    }
  }

  /** What was known of containers stays: with live-restore they run on. */
  private lose(error: unknown): void {
    const trouble = error instanceof EngineUnavailable ? error.message : String(error);
    if (!(error instanceof EngineUnavailable))
      this.parts.log.error({ err: error }, 'reading the names of Docker failed by a defect');
    this.update({ ...this.known, version: null, inventory: null, trouble, problems: this.specProblems() });
  }

  private specProblems(): NameProblem[] {
    const { driver, specDirectories } = this.parts;
    return specFiles(driver, specDirectories).map((file) => ({
      kind: 'spec-file',
      subject: `file ${file}`,
      message: `Docker takes the plugin that ${file} names when the socket of weftd is not there`,
    }));
  }

  private update(now: Known): void {
    if (isDeepStrictEqual(now, this.known)) return;
    const { trouble: before } = this.known;
    this.known = now;
    if (now.trouble !== before) {
      if (now.trouble === null) this.parts.log.info({ version: now.version }, 'Docker tells names');
      else this.parts.log.info({ reason: now.trouble }, 'Docker tells no names');
    }
    this.parts.onChange();
  }
}

/** Somebody waits for something to happen, which may have happened already. */
class Signal {
  private up = false;
  private wake: (() => void) | null = null;

  raise(): void {
    this.up = true;
    this.wake?.();
  }

  lower(): void {
    this.up = false;
  }

  /** At the latest after `timeout` milliseconds. */
  async raised(timeout: number): Promise<void> {
    if (this.up) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeout);
      timer.unref();
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.wake = null;
  }
}

function otherPlugin(name: string, enabled: boolean): NameProblem {
  return {
    kind: 'other-plugin',
    subject: `plugin ${name}`,
    message: enabled
      ? `Docker has a managed plugin "${name}", which it uses instead of weftd`
      : `Docker has a managed plugin "${name}", which is disabled but keeps it from using weftd`,
  };
}

function tooOld(version: string): NameProblem {
  return {
    kind: 'engine-too-old',
    subject: 'Docker',
    message: `Docker ${version} is older than any that weft was tried with`,
  };
}

/**
 * The few requests of Docker's HTTP API that weft makes, all of them reading: GET on its unix socket. Every answer is limited in size
 * and time, and checked; an element of a list that is not as Docker documents it is left out.
 */
import { setTimeout } from 'node:timers/promises';
import { type Dispatcher, Pool } from 'undici';
import { z } from 'zod';

export interface EngineVersion {
  version: string;
  /** Of the API, which the following requests name. */
  api: string;
}

export interface EngineContainer {
  id: string;
  name: string;
  image: string;
  labels: Record<string, string>;
  /** One for each network that the container is on while it runs. */
  endpoints: { id: string; network: string }[];
}

export interface EngineNetwork {
  id: string;
  name: string;
  driver: string;
}

/** A managed plugin; those that are a socket or a spec file are not listed. */
export interface EnginePlugin {
  /** `name:tag` */
  name: string;
  enabled: boolean;
}

/** What {@link EngineNames} needs of it. Every method throws {@link EngineUnavailable}. */
export interface Engine {
  version(): Promise<EngineVersion>;
  /** Of the engine: minted by Docker, and kept with its state. */
  identity(): Promise<string>;
  containers(): Promise<EngineContainer[]>;
  /** Those of all drivers; throws when one of them cannot be understood. */
  networks(): Promise<EngineNetwork[]>;
  plugins(): Promise<EnginePlugin[]>;
  /** Endpoint -> its aliases, without the ID of the container, which Docker adds. */
  aliases(container: string): Promise<Map<string, string[]>>;
  /** Resolves once Docker tells of everything that happens from now on; calls back for what may have changed a name. */
  events(): Promise<AsyncIterable<void>>;
  /** Ends all that is under way. */
  close(): Promise<void>;
}

export interface EngineLimits {
  /** Milliseconds. */
  connect: number;
  /** Milliseconds for a whole answer. */
  answer: number;
  /** Bytes of an answer. */
  bytes: number;
  /** Characters of one event. */
  event: number;
}

export const engineLimits: EngineLimits = {
  connect: 2000,
  answer: 5000,
  bytes: 16 * 1024 * 1024,
  event: 256 * 1024,
};

/** The message is a part of a sentence: why Docker cannot be asked. */
export class EngineUnavailable extends Error {
  override readonly name = 'EngineUnavailable';
}

/** The newest API whose answers were checked against this code; Docker 29 takes none below 1.44, and 20.10 none above 1.41. */
const wantedApi = '1.44';

const text = z.string().max(4096);
const id = z.string().regex(/^[0-9a-f]{1,128}$/);

const VersionAnswer = z.object({
  Version: text,
  ApiVersion: z.string().regex(/^\d+\.\d+$/),
  MinAPIVersion: z
    .string()
    .regex(/^\d+\.\d+$/)
    .optional(),
});

const InfoAnswer = z.object({ ID: text.min(1) });

const Endpoint = z.object({
  NetworkID: z.string(),
  EndpointID: z.string(),
  Aliases: z.array(text).nullish(),
});
const Endpoints = z.record(z.string(), Endpoint.nullable());

const ContainerAnswer = z.object({
  Id: id,
  Names: z.array(text).min(1),
  Image: text,
  Labels: z.record(z.string(), z.string()).nullish(),
  NetworkSettings: z.object({ Networks: Endpoints.nullish() }).nullish(),
});

const InspectAnswer = z.object({ NetworkSettings: z.object({ Networks: Endpoints.nullish() }) });
const NetworkAnswer = z.object({ Id: id, Name: text, Driver: text });
const PluginAnswer = z.object({ Name: text, Enabled: z.boolean() });
const EventAnswer = z.object({ Type: z.string(), Action: z.string() });

/** What may change a name, or what is wrong. Health checks make many other events. */
const relevant: Readonly<Record<string, readonly string[]>> = {
  container: ['start', 'die', 'rename', 'destroy'],
  network: ['create', 'connect', 'disconnect', 'destroy', 'remove'],
  plugin: ['create', 'install', 'pull', 'enable', 'disable', 'remove'],
};

export class EngineApi implements Engine {
  private readonly pool: Pool;
  private prefix = '';

  constructor(
    private readonly socket: string,
    private readonly limits: EngineLimits = engineLimits,
  ) {
    // The stream of events holds one connection.
    this.pool = new Pool('http://docker', {
      connections: 2,
      connect: { socketPath: socket, timeout: limits.connect },
    });
  }

  async version(): Promise<EngineVersion> {
    const answer = VersionAnswer.safeParse(await this.get('/version'));
    if (!answer.success) throw this.unlike('/version');
    const { Version, ApiVersion, MinAPIVersion } = answer.data;
    const newest = older(ApiVersion, wantedApi) ? ApiVersion : wantedApi;
    const api = MinAPIVersion !== undefined && older(newest, MinAPIVersion) ? MinAPIVersion : newest;
    this.prefix = `/v${api}`;
    return { version: Version, api };
  }

  async identity(): Promise<string> {
    const answer = InfoAnswer.safeParse(await this.get(`${this.prefix}/info`));
    if (!answer.success) throw this.unlike('/info');
    return answer.data.ID;
  }

  async containers(): Promise<EngineContainer[]> {
    const all = await this.list('/containers/json', ContainerAnswer);
    return all.map(({ Id, Names, Image, Labels, NetworkSettings }) => ({
      id: Id,
      name: nameOf(Names),
      image: Image,
      labels: Labels ?? {},
      endpoints: Object.values(NetworkSettings?.Networks ?? {}).flatMap((one) =>
        one === null || one.EndpointID === '' ? [] : [{ id: one.EndpointID, network: one.NetworkID }],
      ),
    }));
  }

  async networks(): Promise<EngineNetwork[]> {
    const answer = z.array(NetworkAnswer).safeParse(await this.get(`${this.prefix}/networks`));
    if (!answer.success) throw this.unlike('/networks');
    return answer.data.map(({ Id, Name, Driver }) => ({ id: Id, name: Name, driver: Driver }));
  }

  async plugins(): Promise<EnginePlugin[]> {
    const all = await this.list('/plugins', PluginAnswer);
    return all.map(({ Name, Enabled }) => ({ name: Name, enabled: Enabled }));
  }

  async aliases(container: string): Promise<Map<string, string[]>> {
    const answer = InspectAnswer.safeParse(await this.get(`${this.prefix}/containers/${container}/json`));
    if (!answer.success) throw this.unlike('/containers/ID/json');
    const endpoints = Object.values(answer.data.NetworkSettings.Networks ?? {});
    return new Map(
      endpoints.flatMap((one): [string, string[]][] =>
        one === null
          ? []
          : [[one.EndpointID, (one.Aliases ?? []).filter((alias) => !container.startsWith(alias))]],
      ),
    );
  }

  async events(): Promise<AsyncIterable<void>> {
    const path = `/events${filters({ type: Object.keys(relevant), event: Object.values(relevant).flat() })}`;
    const answer = await this.request(this.prefix + path, 0);
    return this.read(answer.body);
  }

  async close(): Promise<void> {
    await this.pool.destroy();
  }

  private async *read(body: Dispatcher.ResponseData['body']): AsyncGenerator<void> {
    const decoder = new TextDecoder();
    let rest = '';
    try {
      for await (const chunk of body) {
        const lines = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n');
        rest = lines.pop() ?? '';
        if (rest.length > this.limits.event)
          throw new EngineUnavailable('its stream of events has one without end');
        if (lines.some(mayChangeNames)) yield;
      }
    } catch (error) {
      throw this.translate(error);
    }
  }

  private async list<T extends z.ZodType>(path: string, element: T): Promise<z.output<T>[]> {
    const answer = await this.get(this.prefix + path);
    if (!Array.isArray(answer)) throw this.unlike(path.replace(/\?.*/, ''));
    return answer.flatMap((one) => {
      const parsed = element.safeParse(one);
      return parsed.success ? [parsed.data] : [];
    });
  }

  private async get(path: string): Promise<unknown> {
    const deadline = AbortSignal.timeout(this.limits.answer);
    try {
      const answer = await this.request(path, this.limits.answer, deadline);
      const chunks: Uint8Array[] = [];
      let size = 0;
      for await (const chunk of answer.body) {
        size += (chunk as Uint8Array).length;
        if (size > this.limits.bytes)
          throw new EngineUnavailable(`its answer is larger than ${this.limits.bytes} bytes`);
        chunks.push(chunk as Uint8Array);
      }
      return JSON.parse(Buffer.concat(chunks).toString('utf8'));
    } catch (error) {
      throw this.translate(error);
    }
  }

  /** `silence`: milliseconds without a byte of the body; 0: no limit. */
  private async request(
    path: string,
    silence: number,
    signal?: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    try {
      const answer = await this.pool.request({
        method: 'GET',
        path,
        headersTimeout: this.limits.answer,
        bodyTimeout: silence,
        ...(signal === undefined ? {} : { signal }),
      });
      if (answer.statusCode === 200) return answer;
      answer.body.on('error', () => undefined).destroy();
      throw new EngineUnavailable(`it answers HTTP ${answer.statusCode} to GET ${path.replace(/\?.*/, '')}`);
    } catch (error) {
      throw this.translate(error);
    }
  }

  private unlike(path: string): EngineUnavailable {
    return new EngineUnavailable(`what it answers to GET ${path} is not what Docker documents`);
  }

  private translate(error: unknown): EngineUnavailable {
    if (error instanceof EngineUnavailable) return error;
    const { code, name, message } = error as NodeJS.ErrnoException;
    return new EngineUnavailable(this.reason(code, name, message), { cause: error });
  }

  private reason(code: string | undefined, name: string, message: string): string {
    if (code === 'ENOENT') return `there is no socket ${this.socket}`;
    if (code === 'ECONNREFUSED') return `nothing listens on ${this.socket}`;
    if (code === 'EACCES' || code === 'EPERM') return `permission denied on ${this.socket}`;
    if (code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'UND_ERR_HEADERS_TIMEOUT' || name === 'TimeoutError')
      return 'it does not answer in time';
    if (code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE')
      return 'it closed the connection';
    if (name === 'SyntaxError' || name === 'HTTPParserError') return 'what answers is not Docker';
    return message;
  }
}

/** Ends early, and quietly, when the signal aborts. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  try {
    await setTimeout(milliseconds, undefined, { signal, ref: false });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

function mayChangeNames(line: string): boolean {
  try {
    const event = EventAnswer.safeParse(JSON.parse(line));
    return event.success && relevant[event.data.Type]?.includes(event.data.Action) === true;
  } catch {
    return false;
  }
}

/** Containers that others link to have further names, with the name of the other one in front. */
function nameOf(names: readonly string[]): string {
  const plain = names.map((name) => name.replace(/^\//, ''));
  return plain.find((name) => !name.includes('/')) ?? plain[0] ?? '';
}

function filters(values: Record<string, readonly string[]>): string {
  return `?filters=${encodeURIComponent(JSON.stringify(values))}`;
}

/** Whether version `a` of the API is older than `b`. */
function older(a: string, b: string): boolean {
  const [aMajor = 0, aMinor = 0] = a.split('.').map(Number);
  const [bMajor = 0, bMinor = 0] = b.split('.').map(Number);
  return aMajor === bMajor ? aMinor < bMinor : aMajor < bMajor;
}

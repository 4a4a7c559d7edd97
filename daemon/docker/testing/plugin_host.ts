/** A plugin on a socket in a directory of its own, in front of fakes that note what is asked of them. For tests. */
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, type OutgoingHttpHeaders, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Logger, pino } from 'pino';
import { DockerRequests } from '../../telemetry/docker_requests.js';
import type { IpamDriverParts } from '../ipam_driver.js';
import type { NetworkDriverParts } from '../network_driver.js';
import { type PluginLimits, pluginLimits } from '../plugin_http.js';
import { pluginMethods } from '../plugin_methods.js';
import { PluginServer, type PluginServerParts } from '../plugin_server.js';

export interface Answer {
  status: number;
  type: string | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  body: any;
}

export interface Asking {
  headers?: OutgoingHttpHeaders;
  verb?: string;
  /** A connection of its own when there is none. */
  agent?: Agent;
}

/** As Docker does: no content type; no body at all where there is none. */
export function ask(socketPath: string, path: string, body?: unknown, asking: Asking = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
    const headers = {
      accept: 'application/vnd.docker.plugins.v1.2+json',
      ...(text === undefined ? {} : { 'content-length': Buffer.byteLength(text) }),
      ...asking.headers,
    };
    const sent = request(
      {
        socketPath,
        path,
        method: asking.verb ?? 'POST',
        headers,
        agent: asking.agent ?? false,
      },
      (response) => {
        let received = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          received += chunk;
        });
        response.on('end', () => {
          const { statusCode = 0 } = response;
          try {
            resolve({
              status: statusCode,
              type: response.headers['content-type'],
              body: JSON.parse(received),
            });
          } catch {
            reject(new Error(`${path} was answered ${statusCode} with what is no JSON: ${received}`));
          }
        });
        response.on('error', reject);
      },
    );
    sent.on('error', reject);
    sent.end(text);
  });
}

type Handlers = NetworkDriverParts & IpamDriverParts;
export type Fakes = Pick<Handlers, 'networks' | 'endpoints' | 'ipam'>;

/** `calls` gets a line `part.method [arguments]` of every call that a test does not replace. */
export function fakes(calls: string[]): Fakes {
  const note = (name: string, ...given: unknown[]) => {
    calls.push(`${name} ${JSON.stringify(given)}`);
    return Promise.resolve();
  };
  const port = (id: string, mac: string | null, addresses: string[]) => ({
    id: 'p-1',
    name: null,
    network: 'blue',
    ifname: `weft${id.slice(0, 11)}`,
    netns: null,
    mac: mac ?? '02:00:00:00:00:01',
    addresses,
    attach: 'tap' as const,
    owner: { kind: 'docker' as const, ref: id },
  });
  const pool = (subnet: string) => ({
    id: `pool ${subnet}`,
    scope: subnet,
    subnet,
    range: null,
    references: 1,
    bound: false,
    requestedAt: 0,
  });
  return {
    networks: {
      create: async (request) => {
        await note('networks.create', request);
        return { id: request.id, engine: 'docker', network: 'blue', pools: [], internal: request.internal };
      },
      remove: (id) => note('networks.remove', id),
    },
    endpoints: {
      create: async (request) => {
        await note('endpoints.create', request);
        return port(request.id, request.mac, request.addresses);
      },
      join: async (id, sandbox) => {
        await note('endpoints.join', id, sandbox);
        return { ifname: `weft${id.slice(0, 11)}`, onLink: [] };
      },
      leave: (id) => note('endpoints.leave', id),
      remove: (id) => note('endpoints.remove', id),
      find: () => undefined,
    },
    ipam: {
      requestPool: async (request) => {
        await note('ipam.requestPool', request);
        return pool(request.subnet ?? '10.32.0.0/16');
      },
      releasePool: (id) => note('ipam.releasePool', id),
      requestAddress: async (request) => {
        await note('ipam.requestAddress', request);
        return `${request.address ?? '10.32.0.2'}/16`;
      },
      releaseAddress: (id, address) => note('ipam.releaseAddress', id, address),
    },
  };
}

export interface HostOptions {
  parts?: Partial<PluginServerParts>;
  handlers?: Partial<Fakes>;
  limits?: Partial<PluginLimits>;
}

export class PluginHost {
  readonly calls: string[] = [];
  /** Lines of the log, as JSON. */
  readonly logged: string[] = [];
  readonly log: Logger = pino({ level: 'debug' }, { write: (line: string) => void this.logged.push(line) });
  readonly requests: DockerRequests;
  readonly server: PluginServer;
  /** Keeps its connections, as Docker does. */
  readonly agent = new Agent({ keepAlive: true });

  private constructor(
    readonly directory: string,
    readonly path: string,
    { parts, handlers, limits }: HostOptions,
  ) {
    const methods = pluginMethods({ ...fakes(this.calls), ...handlers, log: this.log });
    this.requests = new DockerRequests(methods.keys());
    this.server = new PluginServer(
      {
        path,
        activated: null,
        methods,
        log: this.log,
        ready: Promise.resolve(),
        kernel: { peerCredentials: () => ({ pid: process.pid, uid: 0, gid: 0 }) },
        requests: this.requests,
        ...parts,
      },
      { ...pluginLimits, ...limits },
    );
  }

  static async start(options: HostOptions = {}): Promise<PluginHost> {
    const directory = mkdtempSync(join(tmpdir(), 'weft-plugin-'));
    const host = new PluginHost(directory, join(directory, 'plugins', 'weft.sock'), options);
    await host.server.open();
    return host;
  }

  ask(method: string, body?: unknown, asking: Asking = {}): Promise<Answer> {
    return ask(this.path, `/${method}`, body, { agent: this.agent, ...asking });
  }

  async stop(): Promise<void> {
    this.agent.destroy();
    await this.server.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

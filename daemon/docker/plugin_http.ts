/**
 * The transport of Docker's plugins: POST /Receiver.Method, 200 with a JSON body or an error status with the reason in it.
 * Docker's client (moby pkg/plugins/client.go) has no time limit of its own, and repeats a request whose connection broke, so each
 * request is answered within a few seconds, and no idle connection is ever closed from this side.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { WeftError } from '../errors.js';
import { steadyNow } from '../steady_time.js';
import type { DockerRequests, RequestOutcome } from '../telemetry/docker_requests.js';
import { activate, type PluginMethods } from './plugin_methods.js';
import { type Call, invalid } from './protocol.js';

export interface PluginHttpParts {
  methods: PluginMethods;
  log: Logger;
  /** Until then, only constant answers are given. */
  ready: Promise<void>;
  requests: Pick<DockerRequests, 'count'>;
  /** Docker asked for the plugin. */
  onActivate(): void;
}

export interface PluginLimits {
  /** Milliseconds that a request may wait for weftd to be ready, and then for its handler. */
  patience: number;
  /** Milliseconds in which a request must have come in. */
  receipt: number;
  /** Bytes of a body. */
  body: number;
  connections: number;
}

export const pluginLimits: PluginLimits = {
  patience: 2_000,
  receipt: 10_000,
  body: 1024 * 1024,
  connections: 1024,
};

/** Docker accepts any; this is what its own SDK answers. */
const contentType = 'application/vnd.docker.plugins.v1.2+json';
const sweepInterval = 1_000;
/** Milliseconds that requests under way may take to end when the server is closed. */
const closingPatience = 1_000;

interface Connection {
  /** Requests that are not answered yet. */
  active: number;
  /** Bytes that had come when the last request was answered. */
  seen: number;
  /** When a sweep first saw a request that has begun and is not whole; null: none has. */
  begun: number | null;
}

export class PluginHttp {
  private readonly connections = new Map<Socket, Connection>();
  private readonly sweeper: NodeJS.Timeout;
  private isReady = false;
  private closing = false;
  private onEmpty = (): void => undefined;
  /** How many calls of the same method with the same body are being carried out. */
  private readonly underWay = new Map<string, number>();

  constructor(
    private readonly parts: PluginHttpParts,
    private readonly limits: PluginLimits = pluginLimits,
  ) {
    parts.ready.then(
      () => {
        this.isReady = true;
      },
      () => undefined,
    );
    this.sweeper = setInterval(() => this.sweep(), sweepInterval).unref();
  }

  /** A server that does not listen yet; all of them share the limits of this object. */
  createServer(): Server {
    const server = createServer({
      // Node's own limits would also cut a fresh connection that Docker keeps for later: see sweep().
      keepAliveTimeout: 0,
      headersTimeout: 0,
      requestTimeout: 0,
      requireHostHeader: false,
    });
    server.on('connection', (socket) => this.accept(socket));
    server.on('request', (request, response) => void this.serve(request, response));
    server.on('clientError', (error: NodeJS.ErrnoException, socket) => refuseRaw(error, socket as Socket));
    return server;
  }

  /** Answers what is under way, if that is soon, and cuts all connections. The servers must have stopped listening. */
  async close(): Promise<void> {
    this.closing = true;
    clearInterval(this.sweeper);
    for (const [socket, { active }] of this.connections) if (active === 0) socket.destroy();
    if (this.connections.size > 0) {
      const allGone = new Promise<void>((resolve) => {
        this.onEmpty = resolve;
      });
      await within(allGone, closingPatience);
    }
    for (const socket of this.connections.keys()) socket.destroy();
  }

  private accept(socket: Socket): void {
    if (this.closing || this.connections.size >= this.limits.connections) {
      socket.destroy();
      return;
    }
    this.connections.set(socket, { active: 0, seen: 0, begun: null });
    socket.once('close', () => {
      this.connections.delete(socket);
      if (this.connections.size === 0) this.onEmpty();
    });
  }

  /** Cuts clients that began a request and do not go on. A connection without a request may stay for ever. */
  private sweep(): void {
    const now = steadyNow();
    for (const [socket, connection] of this.connections) {
      if (connection.active > 0 || socket.bytesRead === connection.seen) connection.begun = null;
      else if (connection.begun === null) connection.begun = now;
      else if (now - connection.begun >= this.limits.receipt) socket.destroy();
    }
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request;
    const connection = this.connections.get(socket);
    if (connection !== undefined) connection.active++;
    response.once('close', () => {
      if (connection === undefined) return;
      connection.active--;
      connection.seen = socket.bytesRead;
      if (this.closing && connection.active === 0) socket.destroy();
    });
    const started = performance.now();
    const name = (request.url ?? '').split('?')[0]?.slice(1, 128) ?? '';
    const ids: Record<string, string> = {};
    let status = 200;
    let outcome: RequestOutcome = 'answered';
    let answer: object;
    try {
      const body = await this.receive(request);
      if (body === 'gone') return;
      answer = await this.answer(name, request.method, body, ids);
    } catch (error) {
      const known = toWeftError(error);
      outcome = known.code === 'WEFT_INTERNAL' ? 'failed' : 'refused';
      if (outcome === 'failed')
        this.parts.log.error({ method: name, err: error }, 'a request of Docker met a defect');
      status = error instanceof NoSuchMethod ? error.status : 500;
      const text = known.toText();
      // The network driver's client reads Err, the IPAM driver's one reads Error.
      answer = { Err: text, Error: text };
    }
    const milliseconds = performance.now() - started;
    this.parts.requests.count(name, outcome, milliseconds / 1000);
    const told = { method: name, ...ids, milliseconds: Math.round(milliseconds) };
    if (outcome === 'answered') this.parts.log.debug(told, 'answered Docker');
    else
      this.parts.log.warn(
        { ...told, reason: (answer as { Err: string }).Err },
        'refused a request of Docker',
      );
    // A body that did not end in time leaves a connection on which no next request can be told.
    if (!request.complete) response.setHeader('connection', 'close');
    const body = Buffer.from(`${JSON.stringify(answer)}\n`);
    response.writeHead(status, { 'content-type': contentType, 'content-length': body.length }).end(body);
  }

  private async answer(
    name: string,
    verb: string | undefined,
    received: Buffer | 'late' | 'large',
    ids: Record<string, string>,
  ): Promise<object> {
    const method = this.parts.methods.get(name);
    if (method === undefined) throw new NoSuchMethod(name, 404, 'weft has no such method');
    if (verb !== 'POST') throw new NoSuchMethod(name, 405, 'only POST is understood');
    if (received === 'late')
      throw invalid(name, `its body did not come within ${this.limits.receipt / 1000} s`);
    if (received === 'large') throw new WeftError('WEFT_TOO_LARGE', { limit: this.limits.body });
    if (name === activate) this.parts.onActivate();
    if (!method.needsBody && method.always) return await method.prepare(null).run();

    const body = parse(name, received, method.needsBody);
    Object.assign(ids, idsOf(body));
    if (!method.always) await this.untilReady();
    return await this.bounded(name, `${name} ${received.toString('latin1')}`, method.prepare(body));
  }

  /** The whole body. What is too large is read to its end, so that the connection can go on. `gone`: the client broke off. */
  private receive(request: IncomingMessage): Promise<Buffer | 'late' | 'large' | 'gone'> {
    return new Promise((resolve) => {
      const chunks: Buffer[] = [];
      let size = 0;
      const timer = setTimeout(() => {
        request.off('data', take).resume();
        resolve('late');
      }, this.limits.receipt);
      const take = (chunk: Buffer) => {
        size += chunk.length;
        if (size <= this.limits.body) chunks.push(chunk);
        else chunks.length = 0;
      };
      request.on('data', take);
      request.once('end', () => resolve(size > this.limits.body ? 'large' : Buffer.concat(chunks)));
      request.once('error', () => resolve('gone'));
      request.once('close', () => {
        clearTimeout(timer);
        resolve('gone');
      });
    });
  }

  private async untilReady(): Promise<void> {
    if (this.isReady) return;
    if ((await within(this.parts.ready, this.limits.patience)) === late) throw new WeftError('WEFT_STARTING');
  }

  private async bounded(name: string, key: string, call: Call): Promise<object> {
    const running = this.track(key, call);
    const answer = await within(running, this.limits.patience);
    if (answer !== late) return answer;
    running
      // When Docker has repeated the request, that one is told what was made.
      .then((made) => (this.underWay.has(key) ? undefined : call.undo(made)))
      .catch((error: Error) => {
        this.parts.log.warn(
          { method: name, reason: error.message },
          'a request of Docker failed after its time',
        );
      });
    throw new WeftError('WEFT_DOCKER_SLOW', { method: name, seconds: this.limits.patience / 1000 });
  }

  private async track(key: string, call: Call): Promise<object> {
    this.underWay.set(key, (this.underWay.get(key) ?? 0) + 1);
    try {
      return await call.run();
    } finally {
      const others = (this.underWay.get(key) ?? 1) - 1;
      if (others > 0) this.underWay.set(key, others);
      else this.underWay.delete(key);
    }
  }
}

/** Answered by 404 or 405, from which Docker tells what a driver does not have. */
class NoSuchMethod extends Error {
  constructor(
    readonly method: string,
    readonly status: 404 | 405,
    reason: string,
  ) {
    super(reason);
  }
}

function toWeftError(error: unknown): WeftError {
  if (error instanceof WeftError) return error;
  if (error instanceof NoSuchMethod) return invalid(error.method, error.message);
  return new WeftError('WEFT_INTERNAL', { reason: error instanceof Error ? error.message : String(error) });
}

const late = Symbol('late');

/** `late` when the promise is not settled after so many milliseconds. */
async function within<T>(promise: Promise<T>, milliseconds: number): Promise<T | typeof late> {
  let timer: NodeJS.Timeout | undefined;
  const alarm = new Promise<typeof late>((resolve) => {
    timer = setTimeout(resolve, milliseconds, late);
  });
  try {
    return await Promise.race([promise, alarm]);
  } finally {
    clearTimeout(timer);
  }
}

/** The type of the content is not looked at: Docker does not send one. */
function parse(name: string, bytes: Buffer, needed: boolean): unknown {
  if (bytes.length === 0) {
    if (!needed) return null;
    throw new WeftError('WEFT_DOCKER_INTERRUPTED', { method: name });
  }
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    if (!needed) return null;
    throw invalid(name, 'the body is not JSON');
  }
}

/** What may be logged of a request: never its options, which may hold secrets. */
function idsOf(body: unknown): Record<string, string> {
  if (typeof body !== 'object' || body === null) return {};
  const { NetworkID, EndpointID, PoolID } = body as Record<string, unknown>;
  return {
    ...(typeof NetworkID === 'string' ? { engineNetwork: NetworkID.slice(0, 12) } : {}),
    ...(typeof EndpointID === 'string' ? { endpoint: EndpointID.slice(0, 12) } : {}),
    ...(typeof PoolID === 'string' ? { pool: PoolID.slice(0, 128) } : {}),
  };
}

/** To what is no HTTP. */
function refuseRaw(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const status =
    error.code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : '400 Bad Request';
  const text = invalid('', `it is no HTTP that weft understands (${error.code ?? error.message})`).toText();
  const body = JSON.stringify({ Err: text, Error: text });
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: ${contentType}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}

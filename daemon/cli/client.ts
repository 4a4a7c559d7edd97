/** The daemon's REST API over its unix socket. What answers there is checked before it is believed. */
import type { Client, Dispatcher } from 'undici';
import { WeftError } from '../errors.js';
import { type FailureBody, RemoteError } from './failure.js';
import type { Limits } from './io.js';

type Query = Readonly<Record<string, string | number | undefined>>;

/**
 * Opened by the first request; `close` lets the process end.
 * Every method throws WeftError (WEFT_UNREACHABLE, WEFT_SOCKET_DENIED) or RemoteError (an error that the daemon answered).
 */
export class ApiClient {
  readonly #socket: string;
  readonly #limits: Limits;
  #client: Client | undefined;

  constructor(socket: string, limits: Limits) {
    this.#socket = socket;
    this.#limits = limits;
  }

  /** A resource that is one object. The shape is the caller's claim; only "an object" is checked. */
  async get<T extends object>(path: string): Promise<T> {
    return this.#object<T>((await this.#exchange('GET', path)).text);
  }

  /** A resource that is a list. */
  async list<T extends object>(path: string, query: Query = {}): Promise<T[]> {
    return (await this.page<T>(path, query)).items;
  }

  /** A list that the daemon may have cut: `more` says so. */
  async page<T extends object>(path: string, query: Query = {}): Promise<{ items: T[]; more: boolean }> {
    const { text, headers } = await this.#exchange('GET', path + search(query));
    const value = parseJson(text);
    if (!Array.isArray(value) || !value.every((item) => typeof item === 'object' && item !== null)) {
      throw this.#unreachable('its answer is not the list that the API promises');
    }
    return { items: value as T[], more: headers['weft-more'] === 'true' };
  }

  async post<T extends object>(path: string, body: object = {}): Promise<T> {
    return this.#object<T>((await this.#exchange('POST', path, body)).text);
  }

  async patch<T extends object>(path: string, body: object): Promise<T> {
    return this.#object<T>((await this.#exchange('PATCH', path, body)).text);
  }

  /** A request whose answer carries nothing that is wanted. */
  async send(
    method: 'POST' | 'DELETE',
    path: string,
    options: { query?: Query; body?: object } = {},
  ): Promise<void> {
    await this.#exchange(method, path + search(options.query ?? {}), options.body);
  }

  /** The objects of a newline-delimited stream until the signal aborts; blank lines are heartbeats. Throws when the daemon ends it. */
  async *stream<T extends object>(path: string, signal: AbortSignal): AsyncGenerator<T> {
    try {
      const answer = await this.#request('GET', path, undefined, signal, this.#limits.silence);
      if (answer.statusCode >= 400) throw this.#refusal(answer.statusCode, await this.#text(answer));
      const decoder = new TextDecoder();
      let rest = '';
      for await (const chunk of answer.body) {
        const parts = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n');
        rest = parts.pop() ?? '';
        if (rest.length > this.#limits.line) throw this.#unreachable('it sends a line without end');
        for (const line of parts) if (line.trim() !== '') yield this.#object<T>(line);
      }
    } catch (error) {
      if (signal.aborted) return;
      throw this.#translate(error);
    }
    if (!signal.aborted) throw this.#unreachable('it ended the stream');
  }

  /**
   * Begins a capture: its ID, and its bytes until it ends. It has a connection of its own, which ends when nobody takes the bytes any
   * more; the others go on meanwhile.
   */
  async capture(path: string, body: object): Promise<{ id: string; chunks: AsyncGenerator<Uint8Array> }> {
    const client = await this.#connect();
    try {
      const answer = await client.request({
        method: 'POST',
        path,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
        headersTimeout: this.#limits.response,
        bodyTimeout: 0,
      });
      if (answer.statusCode !== 200) throw this.#refusal(answer.statusCode, await this.#text(answer));
      const id = answer.headers['weft-capture'];
      if (typeof id !== 'string') throw this.#unreachable('its answer has no ID of a capture');
      return { id: encodeURIComponent(id), chunks: this.#chunks(client, answer) };
    } catch (error) {
      await client.destroy();
      throw this.#translate(error);
    }
  }

  /** What is thrown when the daemon does not do what it began. */
  broken(reason: string): WeftError {
    return this.#unreachable(reason);
  }

  async close(): Promise<void> {
    await this.#client?.destroy();
    this.#client = undefined;
  }

  async #exchange(
    method: Dispatcher.HttpMethod,
    path: string,
    body?: object,
  ): Promise<{ text: string; headers: Dispatcher.ResponseData['headers'] }> {
    const deadline = AbortSignal.timeout(this.#limits.response);
    try {
      const answer = await this.#request(method, path, body, deadline, this.#limits.response);
      const text = await this.#text(answer);
      if (answer.statusCode < 200 || answer.statusCode >= 300) throw this.#refusal(answer.statusCode, text);
      return { text, headers: answer.headers };
    } catch (error) {
      throw this.#translate(error);
    }
  }

  async #request(
    method: Dispatcher.HttpMethod,
    path: string,
    body: object | undefined,
    signal: AbortSignal,
    silence: number,
  ): Promise<Dispatcher.ResponseData> {
    const client = await this.#open();
    return client.request({
      method,
      path,
      signal,
      headers: body === undefined ? {} : { 'content-type': 'application/json' },
      body: body === undefined ? null : JSON.stringify(body),
      headersTimeout: this.#limits.response,
      bodyTimeout: silence,
    });
  }

  /** undici takes longer to load than everything else together, so that --help and usage errors do without it. */
  async #open(): Promise<Client> {
    this.#client ??= await this.#connect();
    return this.#client;
  }

  async #connect(): Promise<Client> {
    const undici = await import('undici');
    const connect = { socketPath: this.#socket, timeout: this.#limits.connect };
    return new undici.Client('http://weft', { connect });
  }

  /** To the end of the connection, however it ends: what is whole is for the reader to tell. */
  async *#chunks(client: Client, answer: Dispatcher.ResponseData): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of answer.body) yield chunk as Uint8Array;
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'UND_ERR_SOCKET') throw this.#translate(error);
    } finally {
      await client.destroy();
    }
  }

  async #text(answer: Dispatcher.ResponseData): Promise<string> {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of answer.body) {
      const bytes = chunk as Uint8Array;
      size += bytes.length;
      if (size > this.#limits.answer)
        throw this.#unreachable(`its answer is larger than ${this.#limits.answer} bytes`);
      chunks.push(bytes);
    }
    return Buffer.concat(chunks).toString('utf8');
  }

  #object<T extends object>(text: string): T {
    const value = parseJson(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw this.#unreachable('its answer is not the object that the API promises');
    }
    return value as T;
  }

  #refusal(status: number, text: string): Error {
    const body = toFailureBody(parseJson(text));
    return body === null
      ? this.#unreachable(`it answered HTTP ${status} without saying why`)
      : new RemoteError(status, body);
  }

  #unreachable(reason: string, cause?: unknown): WeftError {
    return new WeftError('WEFT_UNREACHABLE', { socket: this.#socket, reason }, { cause });
  }

  #translate(error: unknown): Error {
    if (error instanceof WeftError || error instanceof RemoteError) return error;
    const code = (error as { code?: unknown }).code;
    if (code === 'EACCES' || code === 'EPERM') {
      return new WeftError('WEFT_SOCKET_DENIED', { socket: this.#socket }, { cause: error });
    }
    return this.#unreachable(this.#reason(error as Error, code), error);
  }

  #reason(error: Error, code: unknown): string {
    if (code === 'ENOENT') return 'there is no such socket';
    if (code === 'ECONNREFUSED') return 'nothing listens on it';
    if (code === 'ENOTSOCK') return 'it is not a socket';
    if (code === 'UND_ERR_CONNECT_TIMEOUT') return `no connection within ${seconds(this.#limits.connect)}`;
    if (code === 'UND_ERR_BODY_TIMEOUT') return 'it fell silent in the middle of its answer';
    if (error.name === 'TimeoutError' || code === 'UND_ERR_HEADERS_TIMEOUT')
      return `no answer within ${seconds(this.#limits.response)}`;
    if (code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE')
      return 'it closed the connection without an answer';
    if (error.name === 'HTTPParserError') return 'what answers does not speak HTTP';
    return error.message;
  }
}

function seconds(milliseconds: number): string {
  return `${milliseconds / 1000} s`;
}

function search(query: Query): string {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined) parameters.set(key, String(value));
  }
  return parameters.size === 0 ? '' : `?${parameters}`;
}

/** undefined when it is no JSON, which no caller takes for an answer. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function toFailureBody(value: unknown): FailureBody | null {
  if (typeof value !== 'object' || value === null) return null;
  const { code, message, remedy, details } = value as Partial<Record<keyof FailureBody, unknown>>;
  if (typeof code !== 'string' || typeof message !== 'string' || typeof remedy !== 'string') return null;
  const entries = typeof details === 'object' && details !== null ? Object.entries(details) : [];
  const plain = entries.filter(([, item]) => typeof item === 'string' || typeof item === 'number');
  return { code, message, remedy, details: Object.fromEntries(plain) as FailureBody['details'] };
}

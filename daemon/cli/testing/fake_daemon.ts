/** An HTTP server on a unix socket that answers what a test tells it, and remembers what it was asked. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface AskedFor {
  method: string;
  /** Path and query as they were sent. */
  path: string;
  /** undefined when there was none. */
  body: unknown;
}

/** `METHOD /path?query` -> what to answer. */
export type Answers = Record<string, Answer | ((response: ServerResponse) => void)>;

interface Answer {
  status: number;
  /** A string goes out as it is, anything else as JSON. */
  body?: unknown;
  headers?: Record<string, string>;
}

export class FakeDaemon {
  readonly socket: string;
  readonly asked: AskedFor[] = [];
  answers: Answers = {};
  readonly #directory: string;
  readonly #server: Server;

  private constructor() {
    this.#directory = mkdtempSync(join(tmpdir(), 'weft-cli-'));
    this.socket = join(this.#directory, 'weft.sock');
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  static async start(): Promise<FakeDaemon> {
    const daemon = new FakeDaemon();
    await new Promise<void>((listening) => daemon.#server.listen(daemon.socket, listening));
    return daemon;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((closed) => this.#server.close(closed));
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString('utf8');
    const { method = '', url: path = '' } = request;
    this.asked.push({ method, path, body: text === '' ? undefined : JSON.parse(text) });
    const answer = this.answers[`${method} ${path}`];
    if (typeof answer === 'function') return answer(response);
    const { status, body, headers } = answer ?? {
      status: 404,
      body: refusal('WEFT_NO_SUCH_ROUTE', `the API has no ${method} ${path}`).body,
    };
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(typeof body === 'string' ? body : body === undefined ? undefined : JSON.stringify(body));
  }
}

/** An answer in the shape of ErrorSchema; `status` matters only for codes that the CLI does not know. */
export function refusal(code: string, message: string, status = 404): { status: number; body: object } {
  return { status, body: { code, message, remedy: 'Do something else.', details: { name: 'x' } } };
}

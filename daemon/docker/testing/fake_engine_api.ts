/** Docker's API as a test wants it, over HTTP on a unix socket. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Path without version and query -> the body: a string as it is, anything else as JSON. A function answers itself. */
export type EngineAnswers = Record<string, unknown | ((response: ServerResponse) => void)>;

export const driverNetwork = { Id: 'aa'.repeat(32), Name: 'front', Driver: 'weft' };

export function container(name: string, endpoint: string, network = driverNetwork.Id): object {
  return {
    Id: containerId(name),
    Names: [`/${name}`],
    Image: 'nginx:1',
    Labels: { app: name },
    NetworkSettings: { Networks: { front: { NetworkID: network, EndpointID: endpoint, Aliases: null } } },
  };
}

export function containerId(name: string): string {
  return Buffer.from(name.padEnd(32, '-')).toString('hex');
}

export class FakeEngineApi {
  readonly directory = mkdtempSync(join(tmpdir(), 'weft-docker-'));
  readonly socket = join(this.directory, 'docker.sock');
  /** Paths with version and query, as they came. */
  readonly asked: string[] = [];
  answers: EngineAnswers = {
    '/info': { ID: 'AAAA:BBBB' },
    '/version': { Version: '20.10.24', ApiVersion: '1.41', MinAPIVersion: '1.12' },
    '/containers/json': [],
    '/networks': [driverNetwork],
    '/plugins': [],
  };
  private server: Server | null = null;
  private readonly streams = new Set<ServerResponse>();

  async start(): Promise<this> {
    const server = createServer((request, response) => this.answer(request.url ?? '', response));
    await new Promise<void>((listening) => server.listen(this.socket, listening));
    this.server = server;
    return this;
  }

  /** As `systemctl stop docker` does: connections end, the socket goes. */
  async stop(): Promise<void> {
    const { server } = this;
    if (server === null) return;
    this.server = null;
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
    this.streams.clear();
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** How many follow the events now. */
  get followers(): number {
    return this.streams.size;
  }

  /** Sends it to all who follow the events. */
  tell(text: string): void {
    for (const stream of this.streams) stream.write(text);
  }

  event(type: string, action: string): void {
    this.tell(`${JSON.stringify({ Type: type, Action: action, Actor: { ID: 'x' } })}\n`);
  }

  /** Ends the streams of events, after all that was told. */
  endStreams(): void {
    for (const stream of this.streams) stream.end();
  }

  /** Breaks the streams of events. */
  cut(): void {
    for (const stream of this.streams) stream.destroy();
  }

  private answer(url: string, response: ServerResponse): void {
    this.asked.push(url);
    const path = url.replace(/^\/v[\d.]+/, '').replace(/\?.*/, '');
    if (path === '/events' && this.answers[path] === undefined) {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.flushHeaders();
      this.streams.add(response);
      response.on('close', () => this.streams.delete(response));
      return;
    }
    const body = this.answers[path];
    if (typeof body === 'function') {
      body(response);
      return;
    }
    response.writeHead(body === undefined ? 404 : 200, { 'content-type': 'application/json' });
    response.end(typeof body === 'string' ? body : JSON.stringify(body ?? { message: 'page not found' }));
  }
}

/**
 * Docker keeps its connections to a plugin: for 30 s of idleness in recent engines, for ever in old ones. A server that closes one at the
 * moment at which a request is sent makes the request fail, and Docker sends it again without its body. Node closes after 5 s by itself.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';

const connections = 200;
const callsOfEach = 50;
/** Milliseconds around the idle times of Node's servers and of Docker's client. */
const nodes = 5_000;
const dockers = 30_000;

const ids = { NetworkID: 'ab'.repeat(32), EndpointID: 'cd'.repeat(32) };
const calls: readonly (readonly [string, object | null])[] = [
  ['Plugin.Activate', null],
  ['NetworkDriver.GetCapabilities', null],
  ['IpamDriver.RequestAddress', { PoolID: 'x', Address: '', Options: null }],
  ['NetworkDriver.CreateEndpoint', { ...ids, Interface: { Address: '10.32.0.2/16' }, Options: {} }],
  ['NetworkDriver.Join', { ...ids, SandboxKey: '/var/run/docker/netns/7062d73ede71', Options: {} }],
  ['NetworkDriver.EndpointOperInfo', ids],
  ['NetworkDriver.Leave', ids],
  ['NetworkDriver.DeleteEndpoint', ids],
  ['IpamDriver.ReleaseAddress', { PoolID: 'x', Address: '10.32.0.2' }],
];

let directory: string;
let path: string;
let plugin: ChildProcess;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'weft-keepalive-'));
  path = join(directory, 'weft.sock');
  const script = fileURLToPath(new URL('../../daemon/docker/testing/plugin_process.ts', import.meta.url));
  plugin = spawn(process.execPath, ['--import', 'tsx', script, path], { stdio: ['pipe', 'pipe', 'inherit'] });
  if (plugin.stdout === null) throw new Error('no output');
  await once(plugin.stdout, 'data');
});
afterAll(async () => {
  plugin.stdin?.end();
  await once(plugin, 'exit');
  rmSync(directory, { recursive: true });
});

/** One connection that is never made again: whatever happens to it is a failed call. */
class Kept {
  private received = '';
  private ended: string | null = null;
  private wake = (): void => undefined;

  private constructor(private readonly socket: Socket) {
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      this.received += chunk;
      this.wake();
    });
    socket.on('error', (error) => this.end(error.message));
    socket.on('close', () => this.end('the server closed the connection'));
  }

  static async open(): Promise<Kept> {
    const socket = connect(path);
    await once(socket, 'connect');
    return new Kept(socket);
  }

  /** Throws unless the answer is 200 with a JSON body. */
  async call(method: string, body: object | null): Promise<void> {
    if (this.ended !== null) throw new Error(`before ${method}: ${this.ended}`);
    const text = body === null ? '' : JSON.stringify(body);
    this.socket.write(
      `POST /${method} HTTP/1.1\r\nHost: plugin.moby.localhost\r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: ${text.length}\r\n` +
        `Accept: application/vnd.docker.plugins.v1.2+json\r\n\r\n${text}`,
    );
    for (;;) {
      const [, status, length, rest] =
        /^HTTP\/1\.1 (\d+) [\s\S]*?\r\ncontent-length: (\d+)\r\n[\s\S]*?\r\n\r\n([\s\S]*)$/i.exec(
          this.received,
        ) ?? [];
      if (rest !== undefined && rest.length >= Number(length)) {
        this.received = rest.slice(Number(length));
        JSON.parse(rest.slice(0, Number(length)));
        if (status !== '200') throw new Error(`${method}: ${status} ${rest}`);
        return;
      }
      if (this.ended !== null) throw new Error(`${method}: ${this.ended}`);
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }

  close(): void {
    this.socket.removeAllListeners('close');
    this.socket.destroy();
  }

  private end(reason: string): void {
    this.ended ??= reason;
    this.wake();
  }
}

/** Pauses of one connection, each behind so many calls: a minute in all at most. They differ by a millisecond from one to the next. */
function pausesOf(connection: number): ReadonlyMap<number, number> {
  const near = (time: number, step: number) => time - 100 + ((connection + step * 67) % 200);
  if (connection % 2 === 0)
    return new Map(Array.from({ length: 10 }, (_, step) => [4 + step * 4, near(nodes, step)]));
  if (connection % 4 === 1) return new Map([15, 30].map((after, step) => [after, near(dockers, step)]));
  return new Map([
    [1, near(dockers, 0)],
    ...[10, 20, 30, 40].map((after, step): [number, number] => [after, near(nodes, step)]),
  ]);
}

it('answers 10,000 calls on 200 connections that pause around the idle times of Node and Docker', async () => {
  let answered = 0;
  const failures: string[] = [];
  const use = async (_: unknown, index: number) => {
    const kept = await Kept.open();
    const pauses = pausesOf(index);
    try {
      for (let done = 0; done < callsOfEach; done++) {
        const pause = pauses.get(done);
        if (pause !== undefined) await setTimeout(pause);
        const [method, body] = calls[(index + done) % calls.length] ?? ['Plugin.Activate', null];
        await kept.call(method, body);
        answered++;
      }
    } catch (error) {
      failures.push(`connection ${index}: ${(error as Error).message}`);
    }
    kept.close();
  };
  await Promise.all(Array.from({ length: connections }, use));
  expect(failures).toEqual([]);
  expect(answered).toBe(connections * callsOfEach);
});

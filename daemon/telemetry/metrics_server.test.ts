import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { until } from '../../lab/wait.js';
import type { Health } from '../api/schema.js';
import { MetricsServer } from './metrics_server.js';

/** Of no other test, so that nobody gets a port while it is free. */
const host = '127.7.7.7';
const quick = { receipt: 300, answer: 300, retry: 20 };

describe('the server of the metrics', () => {
  let server: MetricsServer | null = null;
  let changes = 0;
  let health: Health = { status: 'degraded', reasons: ['it waits (NETNS_GONE)'] };
  let text = async () => Buffer.from('weft_healthy 1\n');

  afterEach(async () => {
    await server?.close();
    changes = 0;
    health = { status: 'degraded', reasons: ['it waits (NETNS_GONE)'] };
    text = async () => Buffer.from('weft_healthy 1\n');
  });

  function make(): MetricsServer {
    server = new MetricsServer(
      {
        metrics: { text: () => text() },
        health: { health: () => health },
        log: pino({ level: 'silent' }),
        onChange: () => changes++,
      },
      quick,
    );
    return server;
  }

  /** A free port, and what keeps it from being free. */
  async function taken() {
    const holder = createServer().listen(0, host);
    await once(holder, 'listening');
    const { port } = holder.address() as { port: number };
    const release = () => new Promise((resolve) => holder.close(resolve));
    return { port, release };
  }

  async function listening(): Promise<number> {
    const { port, release } = await taken();
    await release();
    await make().use(`${host}:${port}`);
    expect(server?.findings()).toEqual([]);
    return port;
  }

  async function get(port: number, path: string, method = 'GET') {
    const answer = await fetch(`http://${host}:${port}${path}`, { method });
    return [answer.status, await answer.text()] as const;
  }

  it('serves metrics and health, and nothing else', async () => {
    const port = await listening();
    const answer = await fetch(`http://${host}:${port}/metrics?x=1`);
    expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(await answer.text()).toBe('weft_healthy 1\n');
    expect(await get(port, '/healthz')).toEqual([
      200,
      '{"status":"degraded","reasons":["it waits (NETNS_GONE)"]}\n',
    ]);
    health = { status: 'failing', reasons: [] };
    expect((await get(port, '/healthz'))[0]).toBe(503);
    expect((await get(port, '/x'))[0]).toBe(404);
    expect((await get(port, '/metrics', 'POST'))[0]).toBe(405);
    text = () => Promise.reject(new Error('defect'));
    expect((await get(port, '/metrics'))[0]).toBe(500);
  });

  it('tells of an address that is taken, and takes it when it is free', async () => {
    const { port, release } = await taken();
    await make().use(`${host}:${port}`);
    expect(server?.findings()).toMatchObject([
      { code: 'METRICS_LISTEN', message: `${host}:${port} cannot be listened on (EADDRINUSE)` },
    ]);
    await release();
    expect(changes).toBe(1);
    await until('the address is taken over', () => server?.findings().length === 0);
    expect(changes).toBe(2);
    expect((await get(port, '/metrics'))[0]).toBe(200);
  });

  it('goes where it is told, and gives up what it waits for', async () => {
    const first = await listening();
    const { port, release } = await taken();
    await server?.use(`${host}:${port}`);
    await expect(get(first, '/metrics')).rejects.toThrow();
    expect(server?.findings()).toHaveLength(1);
    await server?.use(null);
    expect(server?.findings()).toEqual([]);
    await release();
    await expect(get(port, '/metrics')).rejects.toThrow();
  });

  it('waits for an address that is not there', async () => {
    await make().use('192.0.2.1:9478');
    expect(server?.findings()).toMatchObject([
      { message: '192.0.2.1:9478 cannot be listened on (EADDRNOTAVAIL)' },
    ]);
  });

  it('cuts who does not ask, and who does not take the answer', async () => {
    const port = await listening();
    // More than the sockets of both ends hold.
    text = async () => Buffer.alloc(32 * 1024 * 1024, 'x');
    const mute = connect(port, host);
    const deaf = connect(port, host);
    deaf.pause();
    deaf.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
    const closed = [mute, deaf].map((socket) => {
      socket.on('error', () => undefined);
      return once(socket, 'close');
    });
    mute.resume();
    await closed[0];
    // Only who reads learns that it was cut.
    await until('the answer is given up', () => connections().then((count) => count === 0));
    deaf.resume();
    await closed[1];
    expect(deaf.bytesRead).toBeLessThan(32 * 1024 * 1024);
  });

  async function connections(): Promise<number> {
    const { server: inner } = server as unknown as {
      server: { getConnections(done: (error: Error | null, count: number) => void): void };
    };
    return new Promise((resolve) => inner.getConnections((_, count) => resolve(count)));
  }
});

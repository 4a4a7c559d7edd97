import { statSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import type { Container } from '../../lab/container.js';
import { createNetwork, twoEngines, untilUp } from './engines.js';

const engines = twoEngines();
const socketPath = () => engines.h1.path('/run/docker/plugins/weft.sock');
let near: Container;
let far: Container;

beforeAll(async () => {
  const { h1, h2 } = engines;
  await createNetwork([h1, h2], 'blue', '--subnet', '10.32.0.0/16');
  near = await h1.run('near', '--network', 'blue');
  far = await h2.run('far', '--network', 'blue');
  await near.reach((await far.attachment('blue')).ipv4);
});

interface Answer {
  status: number;
  text: string;
}

function call(path: string, body: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath: socketPath(), method: 'POST', path, agent: false }, (answer) => {
      let text = '';
      answer.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

const methods = [
  ...[
    'CreateNetwork',
    'DeleteNetwork',
    'CreateEndpoint',
    'DeleteEndpoint',
    'EndpointOperInfo',
    'Join',
    'Leave',
  ].map((name) => `/NetworkDriver.${name}`),
  ...['RequestPool', 'ReleasePool', 'RequestAddress', 'ReleaseAddress'].map((name) => `/IpamDriver.${name}`),
];

/** The container that was there before is served, and new ones are. */
async function allIsWell(): Promise<void> {
  const { h1 } = engines;
  const { ipv4 } = await far.attachment('blue');
  expect(await near.ping(ipv4)).toBe(true);
  const another = await h1.run('another', '--network', 'blue');
  await another.reach(ipv4);
  await another.remove();
  await untilUp(h1, 1);
}

it('has a socket that only root may use', () => {
  const { mode, uid, gid } = statSync(socketPath());
  expect([(mode & 0o7777).toString(8), uid, gid]).toEqual(['660', 0, 0]);
});

it('answers whatever is sent to it, and serves the containers as before', async () => {
  const { weftdPid } = engines.h1;
  const id = fc.string({ unit: 'grapheme', maxLength: 70 });
  const ids = fc.record({ NetworkID: id, EndpointID: id, PoolID: id, Address: id, Pool: id, SandboxKey: id });
  const body = fc.oneof(
    fc.string(),
    fc.json(),
    ids.map((value) => JSON.stringify(value)),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...methods, '/', '/NetworkDriver.Nonsense'),
      body,
      async (path, text) => {
        const { status, text: answer } = await call(path, text);
        expect([200, 400, 404, 413, 500]).toContain(status);
        expect(() => JSON.parse(answer)).not.toThrow();
      },
    ),
    { numRuns: 300 },
  );
  expect(
    (await call('/NetworkDriver.Join', `{"NetworkID":"${'a'.repeat(5_000_000)}"}`).catch(() => null))?.status,
  ).not.toBe(200);
  expect(engines.h1.weftdPid).toBe(weftdPid);
  await allIsWell();
});

it('is not held up by connections that never end their request', async () => {
  const sockets = Array.from({ length: 100 }, () => {
    const socket = connect(socketPath());
    socket.on('error', () => {});
    socket.write('POST /NetworkDriver.Join HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{');
    return socket;
  });
  await allIsWell();
  for (const socket of sockets) socket.destroy();
});

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EngineApi, engineLimits } from './engine_api.js';
import { container, containerId, driverNetwork, FakeEngineApi } from './testing/fake_engine_api.js';

let docker: FakeEngineApi;
let api: EngineApi;

beforeEach(async () => {
  docker = await new FakeEngineApi().start();
  api = new EngineApi(docker.socket, { ...engineLimits, bytes: 4096, event: 1000 });
});
afterEach(async () => {
  await api.close();
  await docker.remove();
});

describe('the version of the API', () => {
  it.each([
    ['20.10.24', '1.41', '1.12', '1.41'],
    ['25.0.0', '1.44', '1.24', '1.44'],
    ['29.0.1', '1.52', '1.44', '1.44'],
    ['40.0.0', '1.90', '1.60', '1.60'],
    ['1.9', '1.9', undefined, '1.9'],
  ])('of Docker %s (%s, at least %s) is %s', async (Version, ApiVersion, MinAPIVersion, chosen) => {
    docker.answers['/version'] = { Version, ApiVersion, MinAPIVersion };
    expect(await api.version()).toEqual({ version: Version, api: chosen });
    await api.plugins();
    expect(docker.asked).toEqual(['/version', `/v${chosen}/plugins`]);
  });

  it.each([['"1"'], ['{}'], ['{"Version":"1","ApiVersion":"../../x"}'], ['null']])(
    'is not taken from %s',
    async (body) => {
      docker.answers['/version'] = body;
      await expect(api.version()).rejects.toThrow('is not what Docker documents');
    },
  );
});

describe('answers', () => {
  it('lack the elements that are not as documented, and keep the others', async () => {
    docker.answers['/containers/json'] = [
      { Id: '../../etc', Names: ['/a'], Image: 'i' },
      'x',
      null,
      { ...container('web', 'e1'), Names: ['/db/web-link', '/web'], Labels: null },
      { ...container('idle', '') },
    ];
    expect(await api.containers()).toEqual([
      {
        id: containerId('web'),
        name: 'web',
        image: 'nginx:1',
        labels: {},
        endpoints: [{ id: 'e1', network: driverNetwork.Id }],
      },
      { id: containerId('idle'), name: 'idle', image: 'nginx:1', labels: { app: 'idle' }, endpoints: [] },
    ]);
  });

  it('have all networks, and none when one of them cannot be understood', async () => {
    docker.answers['/networks'] = [driverNetwork, { ...driverNetwork, Driver: 'bridge' }];
    expect(await api.networks()).toEqual([
      { id: driverNetwork.Id, name: 'front', driver: 'weft' },
      { id: driverNetwork.Id, name: 'front', driver: 'bridge' },
    ]);
    docker.answers['/networks'] = [driverNetwork, { ...driverNetwork, Id: 7 }];
    await expect(api.networks()).rejects.toThrow('/networks');
  });

  it('have aliases without the ID that Docker adds', async () => {
    const id = containerId('web');
    docker.answers[`/containers/${id}/json`] = {
      NetworkSettings: {
        Networks: { n: { NetworkID: 'n', EndpointID: 'e1', Aliases: ['db', id.slice(0, 12)] } },
      },
    };
    expect(await api.aliases(id)).toEqual(new Map([['e1', ['db']]]));
  });

  it.each([
    ['no JSON', '<html>', 'what answers is not Docker'],
    ['another shape', '{}', 'what it answers to GET /plugins is not what Docker documents'],
    ['too many bytes', 'x'.repeat(5000), 'larger than 4096 bytes'],
  ])('of %s are refused', async (_what, body, reason) => {
    docker.answers['/plugins'] = body;
    await expect(api.plugins()).rejects.toThrow(reason);
  });

  it('that trickle are cut off', async () => {
    docker.answers['/plugins'] = (response: import('node:http').ServerResponse) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write(' '), 20);
      response.on('close', () => clearInterval(timer));
    };
    const hasty = new EngineApi(docker.socket, { ...engineLimits, answer: 300 });
    await expect(hasty.plugins()).rejects.toThrow('it does not answer in time');
    await hasty.close();
  });

  it('of an error name it', async () => {
    docker.answers['/plugins'] = (response: import('node:http').ServerResponse) =>
      response.writeHead(500).end('x');
    await expect(api.plugins()).rejects.toThrow('it answers HTTP 500 to GET /plugins');
  });
});

describe('the stream of events', () => {
  it('calls for what may change a name, whatever else comes', async () => {
    const events = (await api.events())[Symbol.asyncIterator]();
    await expect.poll(() => docker.followers, { timeout: 15_000 }).toBe(1);
    docker.tell('garbage\n{"Type":7}\n\u0000\n{"Type":"container","Action":"exec_start: x"}\n{"Type":"con');
    docker.tell('tainer","Action":"start"}\n');
    expect(await events.next()).toEqual({ value: undefined, done: false });
    docker.tell('{"Type":"constructor","Action":"name"}\n');
    docker.event('network', 'connect');
    expect(await events.next()).toEqual({ value: undefined, done: false });
    docker.cut();
    await expect(events.next()).rejects.toThrow('it closed the connection');
  });

  it('is silent about what changes no name', async () => {
    const events = (await api.events())[Symbol.asyncIterator]();
    await expect.poll(() => docker.followers, { timeout: 15_000 }).toBe(1);
    for (const [type, action] of [
      ['container', 'exec_start: true'],
      ['container', 'health_status: healthy'],
      ['image', 'pull'],
      ['constructor', 'name'],
    ] as const)
      docker.event(type, action);
    docker.tell('garbage\n');
    docker.endStreams();
    expect(await events.next()).toEqual({ value: undefined, done: true });
  });

  it('ends when a line has no end', async () => {
    const events = (await api.events())[Symbol.asyncIterator]();
    await expect.poll(() => docker.followers, { timeout: 15_000 }).toBe(1);
    docker.tell('x'.repeat(2000));
    await expect(events.next()).rejects.toThrow('without end');
  });
});

it('says why Docker cannot be asked', async () => {
  await docker.stop();
  await expect(api.version()).rejects.toThrow(`there is no socket ${docker.socket}`);
});

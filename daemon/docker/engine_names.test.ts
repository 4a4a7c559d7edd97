import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EngineApi, engineLimits } from './engine_api.js';
import { EngineNames } from './engine_names.js';
import { container, containerId, driverNetwork, FakeEngineApi } from './testing/fake_engine_api.js';

/** A loaded machine takes its time. */
const poll = <T>(read: () => T) => expect.poll(read, { timeout: 15_000 });
const pace = { firstRetry: 5, lastRetry: 40, rest: 5, reread: 60_000 };
let docker: FakeEngineApi;
let names: EngineNames;
let changes: number;

function follow(specDirectories: string[] = [], rhythm = pace, answer = engineLimits.answer): EngineNames {
  const connect = () => new EngineApi(docker.socket, { ...engineLimits, answer });
  const onChange = () => {
    changes++;
  };
  const log = pino({ level: 'silent' });
  const made = new EngineNames({ connect, driver: 'weft', specDirectories, log, onChange }, rhythm);
  made.start();
  return made;
}

function run(name: string, endpoint: string, aliases: string[] = []): void {
  const list = docker.answers['/containers/json'] as object[];
  docker.answers['/containers/json'] = [...list, container(name, endpoint)];
  docker.answers[`/containers/${containerId(name)}/json`] = {
    NetworkSettings: {
      Networks: { front: { NetworkID: driverNetwork.Id, EndpointID: endpoint, Aliases: aliases } },
    },
  };
}

beforeEach(async () => {
  changes = 0;
  docker = await new FakeEngineApi().start();
});
afterEach(async () => {
  await names.stop();
  await docker.remove();
});

describe('names', () => {
  it('are those of containers on networks of the plugin', async () => {
    run('web', 'e1', ['www']);
    docker.answers['/containers/json'] = [
      ...(docker.answers['/containers/json'] as object[]),
      container('other', 'e2', 'bb'.repeat(32)),
    ];
    names = follow();
    await poll(() => names.trouble()).toBeNull();
    expect(names.containerOf('e1')).toEqual({
      id: containerId('web'),
      name: 'web',
      image: 'nginx:1',
      labels: { app: 'web' },
      aliases: ['www'],
    });
    expect(names.containerOf('e2')).toBeUndefined();
    expect([names.networkName(driverNetwork.Id), names.networkName('cc')]).toEqual(['front', null]);
    expect(names.engineVersion()).toBe('20.10.24');
    expect(changes).toBe(1);
  });

  it('follow the events, and aliases are asked for once', async () => {
    run('web', 'e1');
    names = follow();
    await poll(() => names.containerOf('e1')?.name).toBe('web');
    run('db', 'e3', ['data']);
    docker.event('container', 'start');
    await poll(() => names.containerOf('e3')?.aliases).toEqual(['data']);
    docker.answers['/containers/json'] = [{ ...container('db', 'e3'), Names: ['/store'] }];
    docker.event('container', 'rename');
    await poll(() => names.containerOf('e3')?.name).toBe('store');
    expect(names.containerOf('e1')).toBeUndefined();
    expect(docker.asked.filter((path) => path.includes(containerId('db')))).toHaveLength(1);
  });

  it('are read with a pause in between, however fast the events come', async () => {
    const readings: number[] = [];
    docker.answers['/networks'] = (response: ServerResponse) => {
      readings.push(performance.now());
      response.end(JSON.stringify([driverNetwork]));
      for (let event = 0; event < 100; event++) docker.event('network', 'connect');
    };
    names = follow([], { ...pace, rest: 50 });
    await poll(() => readings.length).toBeGreaterThan(4);
    // Timers are never early; they may be late.
    const short = readings.slice(1).filter((at, index) => at - (readings[index] ?? 0) < 48);
    expect(short).toEqual([]);
  });

  it('are read again without any event', async () => {
    names = follow([], { ...pace, reread: 20 });
    await poll(() => names.trouble()).toBeNull();
    run('web', 'e1');
    await poll(() => names.containerOf('e1')?.name).toBe('web');
  });

  it('survive a restart of Docker, as its containers may', async () => {
    run('web', 'e1');
    names = follow();
    await poll(() => names.containerOf('e1')?.name).toBe('web');
    await docker.stop();
    await poll(() => names.trouble()).toBe(`there is no socket ${docker.socket}`);
    expect(names.engineVersion()).toBeNull();
    expect(names.containerOf('e1')?.name).toBe('web');
    run('db', 'e3');
    await docker.start();
    await poll(() => names.containerOf('e3')?.name).toBe('db');
    expect(names.trouble()).toBeNull();
  });

  it('come back when only the stream of events was cut', async () => {
    names = follow();
    await poll(() => names.trouble()).toBeNull();
    docker.cut();
    run('web', 'e1');
    await poll(() => names.containerOf('e1')?.name).toBe('web');
  });
});

describe('Docker that cannot be asked', () => {
  it.each([
    ['nonsense', '<html>', 'what answers is not Docker'],
    ['another program', { hello: 1 }, 'what it answers to GET /version is not what Docker documents'],
    [
      'silence',
      (response: ServerResponse) => {
        response.writeHead(200).write('{');
      },
      'it does not answer in time',
    ],
  ])('because of %s is a state', async (_what, answer, trouble) => {
    docker.answers['/version'] = answer;
    names = follow([], pace, 500);
    await poll(() => names.trouble()).toBe(trouble);
    expect(names.engineVersion()).toBeNull();
  });

  it('is tried again with growing pauses', async () => {
    const attempts: number[] = [];
    docker.answers['/version'] = (response: ServerResponse) => {
      attempts.push(performance.now());
      response.writeHead(500).end();
    };
    names = follow([], { ...pace, firstRetry: 10, lastRetry: 80 });
    await poll(() => attempts.length).toBe(6);
    const pauses = attempts.slice(1).map((at, index) => at - (attempts[index] ?? 0));
    // Timers are never early; they may be late.
    const short = [10, 20, 40, 80, 80].filter((least, index) => (pauses[index] ?? 0) < least - 2);
    expect(short).toEqual([]);
  });

  it('does not hold up stopping', async () => {
    docker.answers['/version'] = () => undefined;
    names = follow();
    await poll(() => docker.asked.length).toBe(1);
    await names.stop();
    expect(docker.asked).toHaveLength(1);
  });
});

describe('problems', () => {
  it.each([
    ['weft:latest', true, ['Docker has a managed plugin "weft:latest", which it uses instead of weftd']],
    [
      'weft:latest',
      false,
      ['Docker has a managed plugin "weft:latest", which is disabled but keeps it from using weftd'],
    ],
    ['acme/weft:latest', true, []],
  ])('are a managed plugin %s (enabled: %s)', async (Name, Enabled, expected) => {
    docker.answers['/plugins'] = [{ Name, Enabled }];
    names = follow();
    await poll(() => names.trouble()).toBeNull();
    expect(names.problems().map(({ message }) => message)).toEqual(expected);
  });

  it('are a Docker that is too old', async () => {
    docker.answers['/version'] = { Version: '18.09.1', ApiVersion: '1.39' };
    names = follow();
    await poll(() => names.problems().map(({ message }) => message)).toEqual([
      'Docker 18.09.1 is older than any that weft was tried with',
    ]);
  });

  it('are spec files, also while Docker is away, until they go', async () => {
    const plugins = join(docker.directory, 'plugins');
    mkdirSync(join(plugins, 'weft'), { recursive: true });
    const file = join(plugins, 'weft', 'weft.json');
    writeFileSync(file, '{}');
    writeFileSync(join(plugins, 'other.spec'), '');
    await docker.stop();
    names = follow([plugins]);
    await poll(() => names.problems()).toEqual([
      {
        kind: 'spec-file',
        subject: `file ${file}`,
        message: expect.stringContaining(`the plugin that ${file} names`) as string,
      },
    ]);
    rmSync(file);
    await poll(() => names.problems()).toEqual([]);
  });
});

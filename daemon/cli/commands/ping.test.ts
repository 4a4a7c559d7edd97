import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeDaemon, refusal } from '../testing/fake_daemon.js';
import { type Result, runCli } from '../testing/run_cli.js';
import { host2 } from '../testing/samples.js';

let daemon: FakeDaemon;
const weft = (...argv: string[]): Promise<Result> => runCli(['--socket', daemon.socket, ...argv]);
const answers = (body: object) => ({
  'GET /v1/peers/h2': { status: 200, body: host2 },
  'POST /v1/peers/h2/ping': { status: 200, body },
});

beforeEach(async () => {
  daemon = await FakeDaemon.start();
});
afterEach(() => daemon.stop());

describe('weft ping', () => {
  it('prints each answer, and what came of all', async () => {
    daemon.answers = answers({ answered: true, rtt: 0.3456, error: null });
    expect(
      await weft('ping', 'h2', '--count', '2', '--interval', '0.05', '--size', '1500', '--timeout', '0.5'),
    ).toEqual({
      exit: 0,
      stdout:
        '10.99.0.2: answer 1 after 0.346 ms\n10.99.0.2: answer 2 after 0.346 ms\n' +
        '2 sent, 2 answered, 0 % lost; least, mean and most: 0.346 ms, 0.346 ms, 0.346 ms\n',
      stderr: '',
    });
    const asked = daemon.asked.filter(({ method }) => method === 'POST');
    expect(asked.map(({ body }) => body)).toEqual([
      { size: 1500, timeout: 0.5 },
      { size: 1500, timeout: 0.5 },
    ]);
  });

  it('fails when nobody answers', async () => {
    daemon.answers = answers({ answered: false, rtt: null, error: null });
    const { exit, stdout, stderr } = await weft('ping', 'h2', '--count', '1');
    expect([exit, stdout]).toEqual([1, '10.99.0.2: no answer to 1\n1 sent, 0 answered, 100 % lost\n']);
    expect(stderr).toContain('peer 10.99.0.2 answered none of 1 hello(s) (WEFT_PEER_NO_ANSWER)');
    daemon.answers = answers({ answered: false, rtt: null, error: 'EMSGSIZE' });
    expect((await weft('ping', 'h2', '--count', '1')).stdout).toContain('1 could not be sent (EMSGSIZE)');
  });

  it('prints one document with --json, whatever came of it', async () => {
    daemon.answers = answers({ answered: false, rtt: null, error: null });
    const { exit, stdout } = await weft('--json', 'ping', 'h2', '--count', '1');
    expect([exit, JSON.parse(stdout)]).toEqual([
      1,
      { peer: '10.99.0.2', state: 'alive', sent: 1, answered: 0, rtts: [null] },
    ]);
  });

  it.each([
    [['--count', '0'], '--count'],
    [['--interval', '0.01'], '--interval: expected seconds from 0.05 to 3600'],
    [['--timeout', '1s'], '--timeout: expected seconds'],
    [['--size', '100'], '--size'],
  ])('refuses %j', async (argv, message) => {
    const { exit, stderr } = await weft('ping', 'h2', ...argv);
    expect([exit, stderr]).toEqual([2, expect.stringContaining(message)]);
    expect(daemon.asked).toEqual([]);
  });

  it('fails for a peer that there is not', async () => {
    daemon.answers = { 'GET /v1/peers/h3': refusal('WEFT_PEER_NOT_FOUND', 'there is no peer "h3"') };
    expect((await weft('ping', 'h3')).exit).toBe(4);
  });
});

describe('weft wait', () => {
  const health = { 'GET /v1/health': { status: 200, body: { status: 'degraded', reasons: ['x'] } } };
  const unknown = { ...host2, hello: { ...host2.hello, state: 'unknown' } };

  it('ends when weftd is ready, whatever it finds', async () => {
    daemon.answers = health;
    expect(await weft('wait')).toEqual({ exit: 0, stdout: 'weftd is ready.\n', stderr: '' });
  });

  it('ends when the peers answer', async () => {
    daemon.answers = {
      ...health,
      'GET /v1/peers/h2': { status: 200, body: host2 },
      'GET /v1/peers': { status: 200, body: [host2, { ...unknown, state: 'self' }] },
    };
    expect((await weft('wait', '--peer', 'h2', '--peers')).stdout).toBe('The peers answer.\n');
  });

  it('fails with what is missing when the time is over', async () => {
    daemon.answers = { ...health, 'GET /v1/peers/h2': { status: 200, body: unknown } };
    const { exit, stderr } = await weft('wait', '--peer', 'h2', '--timeout', '0.3');
    expect([exit, stderr]).toEqual([
      1,
      expect.stringContaining('waited 0.3 s: peer 10.99.0.2 is unknown (WEFT_WAITED)'),
    ]);
    const asked = daemon.asked.filter(({ path }) => path === '/v1/peers/h2');
    expect(asked.length).toBeGreaterThan(1);
  });

  it('goes on while weftd starts', async () => {
    daemon.answers = { 'GET /v1/health': refusal('WEFT_STARTING', 'weftd is starting') };
    const waited = weft('wait', '--timeout', '20');
    while (daemon.asked.length < 2) await new Promise((resolve) => setTimeout(resolve, 10));
    daemon.answers = health;
    expect((await waited).exit).toBe(0);
  });

  it('goes on while weftd is away, and ends when it is back', async () => {
    daemon.answers = { ...health, 'GET /v1/peers/h2': (response) => void response.destroy() };
    const waited = weft('wait', '--peer', 'h2', '--timeout', '20');
    while (daemon.asked.length < 3) await new Promise((resolve) => setTimeout(resolve, 10));
    daemon.answers = { ...health, 'GET /v1/peers/h2': { status: 200, body: host2 } };
    expect((await waited).exit).toBe(0);
  });

  it.each([[false], [true]])('does not wait for an answer that never comes (interrupted: %s)', async (is) => {
    daemon.answers = { 'GET /v1/health': () => undefined };
    const interruption = new AbortController();
    const waited = runCli(['--socket', daemon.socket, 'wait', '--timeout', is ? '600' : '0.3'], {
      interruption,
    });
    while (daemon.asked.length < 1) await new Promise((resolve) => setTimeout(resolve, 10));
    if (is) interruption.abort();
    expect(await waited).toMatchObject({ exit: 3, stderr: expect.stringContaining('no answer in time') });
  });

  it('fails otherwise when no weftd answers at all, and at once for a peer that there is not', async () => {
    const { exit, stderr } = await runCli(['--socket', `${daemon.socket}.none`, 'wait', '--timeout', '0.3']);
    expect([exit, stderr]).toEqual([3, expect.stringContaining('WEFT_UNREACHABLE')]);
    daemon.answers = {
      ...health,
      'GET /v1/peers/h3': refusal('WEFT_PEER_NOT_FOUND', 'there is no peer "h3"'),
    };
    expect((await weft('wait', '--peer', 'h3')).exit).toBe(4);
  });
});

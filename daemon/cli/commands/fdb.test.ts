import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeDaemon, refusal } from '../testing/fake_daemon.js';
import { type Result, runCli } from '../testing/run_cli.js';
import { entry } from '../testing/samples.js';

let daemon: FakeDaemon;
const weft = (...argv: string[]): Promise<Result> => runCli(['--socket', daemon.socket, ...argv]);

beforeEach(async () => {
  daemon = await FakeDaemon.start();
});
afterEach(() => daemon.stop());

const mac = '02:00:5e:10:00:01';

describe('weft fdb ls', () => {
  it('prints a table', async () => {
    const remote = { ...entry, kind: 'peer', label: '10.99.0.2', frozen: true };
    const declared = { ...entry, type: 'static' };
    daemon.answers = { 'GET /v1/fdb': { status: 200, body: [entry, remote, declared] } };
    expect((await weft('fdb', 'ls')).stdout).toBe(
      [
        'NETWORK  MAC                WHERE           TYPE              IDLE',
        'blue     02:00:5e:10:00:01  port eth0@c1    learned          1m 5s',
        'blue     02:00:5e:10:00:01  peer 10.99.0.2  learned, frozen  1m 5s',
        'blue     02:00:5e:10:00:01  port eth0@c1    static               -',
        '',
      ].join('\n'),
    );
  });

  it('asks for a network and a limit', async () => {
    daemon.answers = { 'GET /v1/fdb?network=10.0.0.0%2F8&limit=20': { status: 200, body: [] } };
    expect(await weft('fdb', 'ls', '10.0.0.0/8', '--limit', '20')).toEqual({
      exit: 0,
      stdout: '',
      stderr: 'The FDB of network 10.0.0.0/8 is empty.\n',
    });
    expect((await weft('fdb', 'ls', '--limit', '0')).exit).toBe(2);
  });
});

describe('weft fdb ls of a long list', () => {
  it('says on standard error that it was cut', async () => {
    const headers = { 'weft-more': 'true' };
    daemon.answers = { 'GET /v1/fdb': { status: 200, body: [entry], headers } };
    const { stdout, stderr } = await weft('fdb', 'ls', '--json');
    expect(JSON.parse(stdout)).toEqual([entry]);
    expect(stderr).toBe('These are the first 1 entries; --limit N shows more.\n');
  });
});

describe('weft fdb add', () => {
  it('declares a MAC at a port', async () => {
    daemon.answers = { 'POST /v1/fdb': { status: 201, body: { ...entry, type: 'static' } } };
    expect(await weft('fdb', 'add', 'blue', '02-00-5E-10-00-01', '--port', 'web')).toEqual({
      exit: 0,
      stdout: `${mac} is declared at port eth0@c1 on network blue.\n`,
      stderr: '',
    });
    expect(daemon.asked[0]?.body).toEqual({ network: 'blue', mac, port: 'web' });
  });

  it('declares a MAC at a peer', async () => {
    daemon.answers = { 'POST /v1/fdb': { status: 201, body: entry } };
    await weft('fdb', 'add', 'blue', mac, '--peer', '10.99.0.2');
    expect(daemon.asked[0]?.body).toEqual({ network: 'blue', mac, peer: '10.99.0.2' });
  });

  it.each([
    [[mac], 'one of --port and --peer is needed'],
    [[mac, '--port', 'a', '--peer', 'b'], 'one of --port and --peer is needed'],
    [['nonsense', '--port', 'a'], '<mac>: expected a MAC'],
    [[], '"fdb add" needs <mac>'],
  ])('refuses %j without asking the daemon', async (argv, message) => {
    const { exit, stderr } = await weft('fdb', 'add', 'blue', ...argv);
    expect(exit).toBe(2);
    expect(stderr).toContain(message);
    expect(daemon.asked).toEqual([]);
  });
});

describe('weft fdb rm', () => {
  const path = 'DELETE /v1/fdb?network=blue&mac=02%3A00%3A5e%3A10%3A00%3A01';

  it('removes', async () => {
    daemon.answers = { [path]: { status: 204 } };
    expect((await weft('fdb', 'rm', 'blue', mac)).stdout).toBe(
      `The entry for ${mac} is removed from network blue.\n`,
    );
  });

  it.each(['WEFT_FDB_NOT_FOUND', 'WEFT_NETWORK_NOT_FOUND'])('minds --if-exists for %s', async (code) => {
    daemon.answers = { [path]: refusal(code, 'there is none') };
    expect((await weft('fdb', 'rm', 'blue', mac)).exit).toBe(4);
    expect((await weft('fdb', 'rm', 'blue', mac, '--if-exists')).exit).toBe(0);
  });
});

describe('weft fdb flush', () => {
  it('flushes one network or all', async () => {
    daemon.answers = { 'POST /v1/fdb/flush': { status: 204 } };
    expect((await weft('fdb', 'flush', 'blue')).stdout).toBe(
      'The learned entries of network blue are forgotten.\n',
    );
    expect((await weft('fdb', 'flush')).stdout).toBe('All learned entries are forgotten.\n');
    expect(daemon.asked.map(({ body }) => body)).toEqual([{ network: 'blue' }, {}]);
  });
});

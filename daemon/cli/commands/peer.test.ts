import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeDaemon, refusal } from '../testing/fake_daemon.js';
import { type Result, runCli } from '../testing/run_cli.js';
import { host2 } from '../testing/samples.js';

let daemon: FakeDaemon;
const weft = (...argv: string[]): Promise<Result> => runCli(['--socket', daemon.socket, ...argv]);

beforeEach(async () => {
  daemon = await FakeDaemon.start();
});
afterEach(() => daemon.stop());

describe('weft peer add', () => {
  it.each([
    [['10.99.0.2'], { address: '10.99.0.2' }],
    [['10.99.0.2:8472'], { address: '10.99.0.2', port: 8472 }],
    [['10.99.0.2', '--port', '8472'], { address: '10.99.0.2', port: 8472 }],
    [['fd00::2'], { address: 'fd00::2' }],
    [['[FD00::2]:8472'], { address: 'fd00::2', port: 8472 }],
    [['[fd00::2]'], { address: 'fd00::2' }],
    [
      ['host3.example:8472', '--checksum', 'zero', '--offload', 'off'],
      { address: 'host3.example', port: 8472, checksum: 'zero', offload: 'off' },
    ],
  ])('sends %j as %j', async (argv, body) => {
    daemon.answers = { 'POST /v1/peers': { status: 201, body: host2 } };
    expect(await weft('peer', 'add', ...argv)).toEqual({
      exit: 0,
      stdout: 'Peer v-1a2b3c4d (10.99.0.2, UDP port 4789) is added and active.\n',
      stderr: '',
    });
    expect(daemon.asked).toEqual([{ method: 'POST', path: '/v1/peers', body }]);
  });

  it.each([
    [{ state: 'silent', reason: null, idle: null }, 'is added; nothing was heard from it yet.'],
    [
      { state: 'silent', reason: 'there is no route', idle: null },
      'is added; nothing was heard from it yet (there is no route).',
    ],
    [{ state: 'silent', reason: null, idle: 700 }, 'is added and silent.'],
    [
      { state: 'self', reason: 'this is an address of this host', idle: null },
      'is added, and ignored here: it is an address of this host.',
    ],
    [{ state: 'unresolved', reason: 'ENOTFOUND', idle: null }, 'is added and unresolved (ENOTFOUND).'],
  ])('says of %j what that means', async (change, sentence) => {
    daemon.answers = { 'POST /v1/peers': { status: 201, body: { ...host2, ...change } } };
    expect((await weft('peer', 'add', '10.99.0.2')).stdout).toBe(
      `Peer v-1a2b3c4d (10.99.0.2, UDP port 4789) ${sentence}\n`,
    );
  });

  it.each([
    [['10.99.0'], '<address>: expected an IPv4 address'],
    [['10.99.0.2:0'], '<address>: "10.99.0.2:0": port must be 1-65535'],
    [['[fd00::2]:99999'], 'port must be 1-65535'],
    [['host3.example:123456'], 'port must be 1-65535'],
    [['224.0.0.1'], 'is multicast; a peer has'],
    [['ff02::1'], 'is multicast'],
    [['0.0.0.0'], 'is unspecified'],
    [['[::]:4789'], 'is unspecified'],
    [['255.255.255.255:4789'], 'is broadcast'],
    [['10.99.0.2:8472', '--port', '8472'], 'the port is given twice'],
    [['10.99.0.2', '--port', '65536'], '--port: expected a whole number from 1 to 65535, got "65536"'],
    [['10.99.0.2', '--checksum', 'some'], '--checksum: expected "full" or "zero"'],
    [['10.99.0.2', '--offload', 'on'], '--offload: expected "auto" or "off"'],
  ])('refuses %j without asking the daemon', async (argv, message) => {
    const { exit, stderr } = await weft('peer', 'add', ...argv);
    expect(exit).toBe(2);
    expect(stderr).toContain(message);
    expect(daemon.asked).toEqual([]);
  });
});

describe('weft peer ls', () => {
  it('prints a table', async () => {
    const lost = {
      ...host2,
      address: 'h3',
      endpoint: null,
      state: 'unresolved',
      reason: 'NXDOMAIN',
      hello: { ...host2.hello, state: 'unknown' as const, rtt: null },
      pathMtu: null,
      idle: null,
    };
    daemon.answers = { 'GET /v1/peers': { status: 200, body: [host2, lost] } };
    expect((await weft('peer', 'ls')).stdout).toBe(
      [
        'ID          ADDRESS    PORT  PATH-MTU  HELLO         RTT         IDLE  ORIGIN  STATE',
        'v-1a2b3c4d  10.99.0.2  4789      1500  alive    0.346 ms           3s  api     active',
        'v-1a2b3c4d  h3         4789         -  unknown         -  never heard  api     unresolved: NXDOMAIN',
        '',
      ].join('\n'),
    );
  });

  it('says so when there is nothing', async () => {
    daemon.answers = { 'GET /v1/peers': { status: 200, body: [] } };
    expect(await weft('peer', 'ls')).toEqual({ exit: 0, stdout: '', stderr: 'There are no peers.\n' });
  });
});

describe('weft peer inspect', () => {
  it('prints a block', async () => {
    const body = { ...host2, offloadDisabled: 'it refused bursts' };
    daemon.answers = { 'GET /v1/peers/fd00%3A%3A2': { status: 200, body } };
    const { stdout } = await weft('peer', 'inspect', 'fd00::2');
    expect(stdout).toContain(' Offload: auto, not used: it refused bursts\n');
    expect(stdout).toContain('Path MTU: 1500 bytes\n');
  });
});

it('says when a peer was checked', async () => {
  const at = new Date(Date.now() - 245_000).toISOString();
  const body = { ...host2, offloadCheck: { ...host2.offloadCheck, at } };
  daemon.answers = { 'GET /v1/peers/h2': { status: 200, body } };
  expect((await weft('peer', 'inspect', 'h2')).stdout).toMatch(
    /arrived as they were sent\), 4m( \d+s)? ago\n/,
  );
});

describe('weft peer check', () => {
  it('prints what came of it', async () => {
    const failed = { state: 'failed', at: null, detail: 'bursts arrive damaged (6 of 6 datagrams)' };
    daemon.answers = {
      'POST /v1/peers/10.99.0.2/check': { status: 200, body: host2 },
      'POST /v1/peers/h3/check': { status: 200, body: { ...host2, address: 'h3', offloadCheck: failed } },
    };
    expect((await weft('peer', 'check', '10.99.0.2')).stdout).toBe(
      'Peer 10.99.0.2: passed (bursts of 2, 44, 127 datagrams arrived as they were sent); path MTU 1500 bytes.\n',
    );
    expect((await weft('peer', 'check', 'h3')).stdout).toBe(
      'Peer h3: failed (bursts arrive damaged (6 of 6 datagrams)); path MTU 1500 bytes.\n',
    );
  });
});

describe('weft peer rm', () => {
  it('removes, and minds --if-exists', async () => {
    daemon.answers = {
      'DELETE /v1/peers/10.99.0.2': { status: 204 },
      'DELETE /v1/peers/10.99.0.3': refusal('WEFT_PEER_NOT_FOUND', 'there is no peer "10.99.0.3"'),
    };
    expect((await weft('peer', 'rm', '10.99.0.2')).stdout).toBe('Peer 10.99.0.2 is removed.\n');
    expect((await weft('peer', 'rm', '10.99.0.3')).exit).toBe(4);
    expect((await weft('peer', 'rm', '10.99.0.3', '--if-exists')).exit).toBe(0);
  });
});

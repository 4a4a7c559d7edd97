import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ErrorCode, errorTable } from '../errors.js';
import { FakeDaemon, refusal } from './testing/fake_daemon.js';
import { type Result, runCli } from './testing/run_cli.js';

describe('an error that the daemon answers', () => {
  let daemon: FakeDaemon;
  const status = (...argv: string[]): Promise<Result> =>
    runCli(['--socket', daemon.socket, 'status', ...argv]);

  beforeEach(async () => {
    daemon = await FakeDaemon.start();
  });
  afterEach(() => daemon.stop());

  it.each(Object.keys(errorTable) as ErrorCode[])('%s has the exit status of the table', async (code) => {
    daemon.answers = { 'GET /v1/status': refusal(code, 'no', errorTable[code].http) };
    expect((await status()).exit).toBe(errorTable[code].exit);
  });

  it.each([
    [400, 2],
    [404, 4],
    [409, 5],
    [500, 1],
  ])('with a code of a newer daemon and HTTP %i exits with %i', async (http, exit) => {
    daemon.answers = { 'GET /v1/status': refusal('toString', 'no', http) };
    expect((await status()).exit).toBe(exit);
  });

  it('is printed as JSON on standard error', async () => {
    const answer = refusal('WEFT_PORT_AMBIGUOUS', 'two of them', 409);
    daemon.answers = { 'GET /v1/status': answer };
    const { exit, stdout, stderr } = await status('--json');
    expect({ exit, stdout }).toEqual({ exit: 5, stdout: '' });
    expect(JSON.parse(stderr)).toEqual(answer.body);
  });

  it('cannot write to the terminal', async () => {
    daemon.answers = { 'GET /v1/status': refusal('WEFT_KERNEL', '\x1b[2Jgone', 500) };
    expect((await status()).stderr).toBe('weft: \ufffd[2Jgone (WEFT_KERNEL). Do something else.\n');
  });
});

describe('an answer that is not of weftd', () => {
  let daemon: FakeDaemon;
  const sizes = { answer: 10_000, line: 1000 };
  const weft = (...argv: string[]): Promise<Result> =>
    runCli(['--socket', daemon.socket, ...argv], { limits: sizes });
  const hastyStatus = (): Promise<Result> =>
    runCli(['--socket', daemon.socket, 'status'], { limits: { ...sizes, response: 300, silence: 300 } });

  beforeEach(async () => {
    daemon = await FakeDaemon.start();
  });
  afterEach(() => daemon.stop());

  it.each([
    ['no JSON', { status: 200, body: '<html>' }, 'its answer is not the object that the API promises'],
    ['nothing', { status: 200 }, 'its answer is not the object that the API promises'],
    ['a list', { status: 200, body: [] }, 'its answer is not the object that the API promises'],
    ['null', { status: 200, body: 'null' }, 'its answer is not the object that the API promises'],
    ['an error page', { status: 502, body: 'Bad Gateway' }, 'it answered HTTP 502 without saying why'],
    [
      'half an error',
      { status: 404, body: { code: 'WEFT_PORT_NOT_FOUND' } },
      'it answered HTTP 404 without saying why',
    ],
    ['a redirection', { status: 302, body: {} }, 'it answered HTTP 302 without saying why'],
    ['too much', { status: 200, body: 'x'.repeat(10_001) }, 'its answer is larger than 10000 bytes'],
  ])('%s', async (_what, answer, reason) => {
    daemon.answers = { 'GET /v1/status': answer };
    const { exit, stdout, stderr } = await weft('status');
    expect({ exit, stdout }).toEqual({ exit: 3, stdout: '' });
    expect(stderr).toContain(`no weftd answers on ${daemon.socket}: ${reason} (WEFT_UNREACHABLE)`);
  });

  it.each([['{}'], ['[1]'], ['[null]']])('%s for a list', async (body) => {
    daemon.answers = { 'GET /v1/ports': { status: 200, body } };
    const { exit, stderr } = await weft('port', 'ls');
    expect(exit).toBe(3);
    expect(stderr).toContain('its answer is not the list that the API promises');
  });

  it('an object of another shape is a failure and no crash', async () => {
    daemon.answers = { 'GET /v1/status': { status: 200, body: {} } };
    const { exit, stderr } = await weft('status');
    expect(exit).toBe(1);
    expect(stderr).toContain('WEFT_INTERNAL');
  });

  it('silence ends with the timeout', async () => {
    daemon.answers = { 'GET /v1/status': () => undefined };
    const { exit, stderr } = await hastyStatus();
    expect(exit).toBe(3);
    expect(stderr).toContain('no answer within 0.3 s');
  });

  it('an answer that drips ends with the timeout too', async () => {
    let timer: NodeJS.Timeout | undefined;
    daemon.answers = {
      'GET /v1/status': (response) => {
        response.writeHead(200);
        timer = setInterval(() => response.write(' '), 20);
      },
    };
    const { exit, stderr } = await hastyStatus();
    clearInterval(timer);
    expect(exit).toBe(3);
    expect(stderr).toContain('no answer within 0.3 s');
  });

  it('a connection that is cut', async () => {
    daemon.answers = { 'GET /v1/status': (response) => void response.destroy() };
    const { exit, stderr } = await weft('status');
    expect(exit).toBe(3);
    expect(stderr).toContain('it closed the connection without an answer');
  });
});

describe('a socket', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'weft-socket-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  async function listen(onConnection: (socket: Socket) => void): Promise<{ path: string; server: Server }> {
    const path = join(directory, 'other.sock');
    const server = createServer(onConnection);
    await new Promise<void>((listening) => server.listen(path, listening));
    return { path, server };
  }

  it('that is absent', async () => {
    const { exit, stderr } = await runCli(['--socket', join(directory, 'absent'), 'status']);
    expect(exit).toBe(3);
    expect(stderr).toContain('there is no such socket (WEFT_UNREACHABLE). Start it with "weftd"');
  });

  it('that is a file', async () => {
    const file = join(directory, 'file');
    writeFileSync(file, '');
    const { exit, stderr } = await runCli(['--socket', file, 'status']);
    expect(exit).toBe(3);
    expect(stderr).toContain('nothing listens on it');
  });

  it('whose path is too long', async () => {
    expect((await runCli(['--socket', `/${'x'.repeat(200)}`, 'status'])).exit).toBe(3);
  });

  it('on which something speaks no HTTP', async () => {
    const { path, server } = await listen((socket) => void socket.end('220 mail.example ESMTP\r\n'));
    const { exit, stderr } = await runCli(['--socket', path, 'status']);
    server.close();
    expect(exit).toBe(3);
    expect(stderr).toContain('what answers does not speak HTTP');
  });

  it('comes from --socket, else from WEFT_SOCKET, else from the default', async () => {
    const asked = async (argv: string[], env: Record<string, string>): Promise<unknown> => {
      const { stderr } = await runCli(['--json', ...argv, 'status'], { env });
      return (JSON.parse(stderr) as { details: { socket: string } }).details.socket;
    };
    const fromEnvironment = { WEFT_SOCKET: '/nonexistent/e' };
    expect(await asked(['--socket', '/nonexistent/o'], fromEnvironment)).toBe('/nonexistent/o');
    expect(await asked([], fromEnvironment)).toBe('/nonexistent/e');
    const { stdout } = await runCli(['--help']);
    expect(stdout).toContain('[default: WEFT_SOCKET, else /run/weft/weft.sock]');
  });

  it('that is forbidden', async () => {
    const { path, server } = await listen((socket) => void socket.destroy());
    chmodSync(directory, 0);
    // Root may enter anyway; the file system user ID decides about access to the path.
    const restore = becomeNobody();
    const { exit, stderr } = await runCli(['--socket', path, 'status']);
    restore();
    chmodSync(directory, 0o700);
    server.close();
    expect(exit).toBe(3);
    expect(stderr).toContain(`permission denied on ${path} (WEFT_SOCKET_DENIED). Run as root`);
  });
});

/** Gives up root's power over files until the returned function is called; others have none. */
function becomeNobody(): () => void {
  const { getuid, seteuid } = process;
  if (getuid?.() !== 0 || seteuid === undefined) return () => undefined;
  seteuid(65534);
  return () => seteuid(0);
}

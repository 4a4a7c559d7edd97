/** The socket: bound, found, lost, taken by others, handed over by systemd. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { descriptorOf } from '../api/unix_socket.js';
import { takeListenFds } from '../restart/listen_fds.js';
import { activatedSocket } from './activation.js';
import { ask, PluginHost } from './testing/plugin_host.js';

async function listen(path: string): Promise<Server> {
  const server = createServer().listen(path);
  await once(server, 'listening');
  return server;
}

/** Ends a server as kill -9 would: its socket file stays. */
async function abandon(server: Server, path: string): Promise<void> {
  renameSync(path, `${path}.aside`);
  server.close();
  await once(server, 'close');
  renameSync(`${path}.aside`, path);
}

describe('the socket of the plugin', () => {
  let host: PluginHost;
  beforeEach(async () => {
    host = await PluginHost.start();
  });
  afterEach(() => host.stop());
  const activates = async () => (await host.ask('Plugin.Activate')).status === 200;

  it('is for root alone, in a directory that was made for it, and goes with weftd', async () => {
    expect(statSync(join(host.path, '..')).mode & 0o777).toBe(0o755);
    const { mode, uid, gid } = statSync(host.path);
    expect([mode & 0o777, uid, gid]).toEqual([0o660, 0, 0]);
    expect(host.server.state()).toEqual({
      socket: host.path,
      state: 'listening',
      reason: null,
      activated: null,
    });
    await host.server.close();
    expect(existsSync(host.path)).toBe(false);
  });

  it('is left alone by a check while it is well', async () => {
    const before = statSync(host.path).ino;
    await host.server.check();
    expect(statSync(host.path).ino).toBe(before);
  });

  it.each([
    ['its file', (path: string) => unlinkSync(path)],
    ['its directory', (path: string) => rmSync(join(path, '..'), { recursive: true })],
  ])('is bound again when %s was removed', async (_, remove) => {
    remove(host.path);
    await host.server.check();
    expect(host.server.state().state).toBe('listening');
    expect(await activates()).toBe(true);
  });

  it('replaces the file of a process that has died', async () => {
    unlinkSync(host.path);
    await abandon(await listen(host.path), host.path);
    await host.server.check();
    expect(await activates()).toBe(true);
  });

  it('leaves the socket of another process alone, names it, and comes back when that is gone', async () => {
    unlinkSync(host.path);
    const other = await listen(host.path);
    const { ino } = statSync(host.path);
    await host.server.check();
    await host.server.check();
    expect(statSync(host.path).ino).toBe(ino);
    const { state, reason } = host.server.state();
    expect([state, reason]).toEqual(['failed', expect.stringContaining(`(PID ${process.pid})`)]);
    expect(reason).toContain('another process answers there already');
    expect(host.logged.filter((line) => line.includes('Docker does not find')).length).toBe(1);
    other.close();
    await once(other, 'close');
    await host.server.check();
    expect(host.server.state()).toMatchObject({ state: 'listening', reason: null });
    expect(await activates()).toBe(true);
  });

  it('does not unlink at its end what another process put there', async () => {
    unlinkSync(host.path);
    const other = await listen(host.path);
    await host.server.close();
    expect(statSync(host.path).isSocket()).toBe(true);
    other.close();
  });

  it('says why it cannot be bound, and tries again', async () => {
    unlinkSync(host.path);
    writeFileSync(host.path, '');
    await host.server.check();
    expect(host.server.state()).toMatchObject({
      state: 'failed',
      reason: 'a file that is no socket is there',
    });
    unlinkSync(host.path);
    await host.server.check();
    expect(host.server.state().state).toBe('listening');
  });

  it('does not come back once it is closed', async () => {
    await host.server.close();
    await host.server.check();
    expect(existsSync(host.path)).toBe(false);
  });
});

it('weftd goes on when the plugin cannot be bound, or is off', async () => {
  const off = await PluginHost.start({ parts: { path: null } });
  expect(off.server.state()).toEqual({ socket: null, state: 'off', reason: null, activated: null });
  await off.stop();
  const long = `/${'x'.repeat(120)}`;
  const failed = await PluginHost.start({ parts: { path: long } });
  expect(failed.server.state()).toMatchObject({
    state: 'failed',
    reason: expect.stringContaining('at most 107 bytes'),
  });
  await failed.stop();
});

describe('a socket from systemd', { timeout: 60_000 }, () => {
  let directory: string;
  let path: string;
  let holder: Server;
  let child: ChildProcess | null = null;
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'weft-activation-'));
    path = join(directory, 'weft.sock');
    holder = await listen(path);
  });
  afterEach(() => {
    child?.kill('SIGKILL');
    child = null;
    holder.close();
    rmSync(directory, { recursive: true });
  });

  /** Starts a plugin as descriptor 3 and gives what it tells. */
  const start = async (configured: string) => {
    const fd = descriptorOf(holder);
    if (fd === null) throw new Error('the socket has no descriptor');
    const script = fileURLToPath(new URL('./testing/plugin_process.ts', import.meta.url));
    child = spawn(
      'sh',
      ['-c', 'LISTEN_PID=$$ exec "$0" "$@"', process.execPath, '--import', 'tsx', script, configured],
      {
        stdio: ['pipe', 'pipe', 'inherit', fd],
        env: { ...process.env, LISTEN_FDS: '1', LISTEN_FDNAMES: 'docker' },
      },
    );
    // The child has it now; this process must not accept connections in its place.
    await abandon(holder, path);
    if (child.stdout === null) throw new Error('no output');
    for await (const line of createInterface(child.stdout)) return JSON.parse(line);
    throw new Error('the plugin ended');
  };

  it('is served, and stays when weftd ends', async () => {
    const { ino } = statSync(path);
    const told = await start(path);
    expect(told).toEqual({
      activated: { fd: 3, path },
      state: { socket: path, state: 'listening', reason: null, activated: null },
      inherited: [],
    });
    expect((await ask(path, '/Plugin.Activate')).status).toBe(200);
    child?.stdin?.end();
    await once(child as ChildProcess, 'exit');
    expect(statSync(path).ino).toBe(ino);
  });

  it('is served beside the one that is configured', async () => {
    const configured = join(directory, 'own.sock');
    expect((await start(configured)).state).toMatchObject({ socket: configured, state: 'listening' });
    for (const one of [path, configured]) expect((await ask(one, '/Plugin.Activate')).status).toBe(200);
  });

  it('is answered with an error when the plugin is off, so that Docker does not wait', async () => {
    expect((await start('off')).state.state).toBe('off');
    const answer = await ask(path, '/Plugin.Activate');
    expect(answer.status).toBe(500);
    expect(answer.body.Err).toContain('the plugin is off');
  });

  it('is taken only when it is meant for this process, and the environment is cleared in any case', () => {
    const all = { LISTEN_PID: '7', LISTEN_FDS: '1', LISTEN_FDNAMES: 'docker', HOME: '/' };
    for (const [env, pid] of [
      [all, 8],
      [{ ...all, LISTEN_FDS: 'x' }, 7],
      [{ ...all, LISTEN_FDS: '0' }, 7],
      [{ ...all, LISTEN_FDNAMES: 'other' }, 7],
      [{ ...all, LISTEN_FDNAMES: undefined }, 7],
      [{ HOME: '/' }, 7],
    ] as const) {
      const given: NodeJS.ProcessEnv = { ...env };
      expect(activatedSocket(takeListenFds(given, pid), 'docker')).toBeNull();
      expect(given).toEqual({ HOME: '/' });
    }
  });

  it('is refused when the descriptor is no listening socket', () => {
    const env = () => ({ LISTEN_PID: '7', LISTEN_FDS: '500', LISTEN_FDNAMES: `${'x:'.repeat(499)}docker` });
    expect(activatedSocket(takeListenFds(env(), 7), 'docker')).toBeNull();
    mkdirSync(join(directory, 'a'));
    const fd = descriptorOf(holder) ?? 0;
    const named = {
      LISTEN_PID: '7',
      LISTEN_FDS: String(fd - 2),
      LISTEN_FDNAMES: `${'x:'.repeat(fd - 3)}docker`,
    };
    expect(activatedSocket(takeListenFds({ ...named }, 7), 'docker')).toEqual({ fd, path });
    const connected = (text: string) => text.replaceAll(' 00010000 ', ' 00000000 ');
    expect(activatedSocket(takeListenFds({ ...named }, 7), 'docker', () => connected('Num\n'))).toBeNull();
  });
});

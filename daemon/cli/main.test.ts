/** The entry point in a process of its own: what only a real process has. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeDaemon } from './testing/fake_daemon.js';
import { entry } from './testing/samples.js';

const main = fileURLToPath(new URL('main.ts', import.meta.url));
const timeout = 120_000;

let daemon: FakeDaemon;
beforeEach(async () => {
  daemon = await FakeDaemon.start();
});
afterEach(() => daemon.stop());

function start(...argv: string[]): {
  child: ChildProcess;
  output: { stdout: string; stderr: string };
  ended: Promise<unknown[]>;
} {
  const env = { ...process.env, WEFT_SOCKET: daemon.socket };
  const child = spawn(process.execPath, ['--import', 'tsx', main, ...argv], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  child.stdout?.on('data', (chunk: Buffer) => {
    output.stdout += chunk.toString('utf8');
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    output.stderr += chunk.toString('utf8');
  });
  return { child, output, ended: once(child, 'close') };
}

describe('the weft process', () => {
  it('ends by itself, with its exit status and all of a long output', { timeout }, async () => {
    daemon.answers = { 'GET /v1/fdb': { status: 200, body: Array.from({ length: 5000 }, () => entry) } };
    const { output, ended } = start('--json', 'fdb', 'ls');
    expect(await ended).toEqual([0, null]);
    expect(JSON.parse(output.stdout)).toHaveLength(5000);
    const failing = start('port', 'inspect', '..');
    expect(await failing.ended).toEqual([2, null]);
  });

  it('is silent when the reader goes away', { timeout }, async () => {
    daemon.answers = { 'GET /v1/fdb': { status: 200, body: Array.from({ length: 5000 }, () => entry) } };
    const { child, output, ended } = start('--json', 'fdb', 'ls');
    child.stdout?.destroy();
    expect(await ended).toEqual([0, null]);
    expect(output.stderr).toBe('');
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('stops following at %s', { timeout }, async (signal) => {
    const event = { time: '2026-01-01T00:00:00Z', type: 'started', object: 'weftd', message: 'It runs.' };
    daemon.answers = { 'GET /v1/events': (response) => void response.write(`${JSON.stringify(event)}\n`) };
    const { child, output, ended } = start('events', '--follow');
    child.stdout?.once('data', () => child.kill(signal));
    expect(await ended).toEqual([0, null]);
    expect(output).toEqual({ stdout: '2026-01-01T00:00:00Z  started  weftd  It runs.\n', stderr: '' });
  });
});

/** The entry point in a process of its own: what only a real process has. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PcapngStream } from './pcapng_stream.js';
import { FakeDaemon } from './testing/fake_daemon.js';
import { block, frame } from './testing/pcapng.js';
import { entry } from './testing/samples.js';

const main = fileURLToPath(new URL('main.ts', import.meta.url));
const timeout = 120_000;

let daemon: FakeDaemon;
beforeEach(async () => {
  daemon = await FakeDaemon.start();
});
afterEach(() => daemon.stop());

interface Started {
  child: ChildProcess;
  output: { stdout: string; stderr: string };
  ended: Promise<unknown[]>;
}

function start(...argv: string[]): Started {
  return startBy(process.execPath, [], argv);
}

function startBy(program: string, words: readonly string[], argv: readonly string[]): Started {
  const env = { ...process.env, WEFT_SOCKET: daemon.socket };
  const child = spawn(program, [...words, '--import', 'tsx', main, ...argv], {
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
    daemon.answers['GET /v1/health'] = { status: 200, body: { status: 'ok', reasons: [] } };
    expect(await start('wait', '--timeout', '86400').ended).toEqual([0, null]);
    const failing = start('port', 'inspect', '..');
    expect(await failing.ended).toEqual([2, null]);
  });

  it('leaves whole blocks of a capture when a file may not grow any more', { timeout }, async () => {
    const head = Buffer.concat([block(0x0a0d0d0a, Buffer.alloc(16)), block(1, Buffer.alloc(8))]);
    daemon.answers = {
      'POST /v1/captures': (response) => {
        response.writeHead(200, { 'weft-capture': 'c-1' });
        response.end(Buffer.concat([head, ...Array.from({ length: 500 }, () => frame(61))]));
      },
    };
    const dir = mkdtempSync(join(tmpdir(), 'weft-main-'));
    const file = join(dir, 'out.pcapng');
    try {
      // The kernel gives back a part of the write at the limit, and then EFBIG, as with a full disk ENOSPC.
      const limited = ['-c', 'export TSX_DISABLE_CACHE=1; ulimit -f 8 && exec "$@"', 'sh', process.execPath];
      const { output, ended } = startBy('sh', limited, ['capture', 'web', '-w', file]);
      expect(await ended).toEqual([1, null]);
      expect(output.stderr).toContain('EFBIG');
      const bytes = readFileSync(file);
      const stream = new PcapngStream();
      expect(stream.take(bytes)?.length).toBe(bytes.length);
      expect(stream.frames).toBeGreaterThan(20);
      expect(stream.frames).toBeLessThan(500);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it('is silent when the reader goes away', { timeout }, async () => {
    daemon.answers = { 'GET /v1/fdb': { status: 200, body: Array.from({ length: 5000 }, () => entry) } };
    const { child, output, ended } = start('--json', 'fdb', 'ls');
    child.stdout?.destroy();
    expect(await ended).toEqual([0, null]);
    expect(output.stderr).toBe('');
  });

  it('ends a capture quietly when its reader has what it wants', { timeout }, async () => {
    const head = Buffer.concat([block(0x0a0d0d0a, Buffer.alloc(16)), block(1, Buffer.alloc(8))]);
    daemon.answers = {
      'POST /v1/captures': (response) => {
        response.writeHead(200, { 'weft-capture': 'c-1' });
        response.write(head);
        const more = setInterval(() => response.write(frame(60)), 10);
        response.on('close', () => clearInterval(more));
      },
    };
    const { child, output, ended } = start('capture', 'web', '-w', '-');
    child.stdout?.once('data', () => child.stdout?.destroy());
    expect(await ended).toEqual([0, null]);
    expect(output.stderr).toMatch(/^\d+ frames? captured\n$/);
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

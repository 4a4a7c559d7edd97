import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { demoProgram } from '../../lab/checkout.js';
import { until } from '../../lab/wait.js';

function startDemo() {
  const temporary = mkdtempSync(join(tmpdir(), 'weft-demo-test-'));
  onTestFinished(() => rmSync(temporary, { recursive: true, force: true }));
  const child = spawn(process.execPath, [demoProgram], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: temporary },
  });
  const seen = { text: '' };
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      seen.text += chunk.toString();
    });
  }
  const leftovers = () =>
    readdirSync('/run/netns').filter((name) => name.startsWith(`weftlab-${child.pid}-`));
  const files = () => readdirSync(temporary).filter((name) => name.startsWith('weftlab-'));
  return { child, seen, leftovers, files, ended: once(child, 'close') };
}

it('shows two hosts at work, ends with status 0 and leaves nothing behind', {
  timeout: 120_000,
}, async () => {
  const { seen, leftovers, ended } = startDemo();
  const [status] = await ended;
  expect(status, seen.text).toBe(0);
  for (const host of ['h1', 'h2']) {
    for (const command of ['status', 'peer ls', 'fdb ls'])
      expect(seen.text).toContain(`${host}$ weft ${command}`);
  }
  expect(leftovers()).toEqual([]);
});

it.each(['SIGINT', 'SIGTERM'] as const)('cleans up after %s, whatever it was doing', async (signal) => {
  const { child, seen, leftovers, files, ended } = startDemo();
  await until('the demo pings', () => seen.text.includes('ping web -> db, IPv4'));
  expect(leftovers()).not.toEqual([]);
  expect(files()).not.toEqual([]);
  child.kill(signal);
  const [status] = await ended;
  expect(status).not.toBe(0);
  expect(leftovers()).toEqual([]);
  expect(files()).toEqual([]);
});

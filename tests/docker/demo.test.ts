import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { cleanProgram, dockerDemoProgram } from '../../lab/checkout.js';
import { attempt, run } from '../../lab/command.js';
import { until } from '../../lab/wait.js';

function startDemo() {
  const temporary = mkdtempSync(join(tmpdir(), 'weft-demo-test-'));
  const env = { TMPDIR: temporary };
  const clean = () => run([process.execPath, cleanProgram], { env });
  onTestFinished(async () => {
    await clean();
    rmSync(temporary, { recursive: true, force: true });
  });
  const child = spawn(process.execPath, [dockerDemoProgram], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  const seen = { text: '' };
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      seen.text += chunk.toString();
    });
  }
  /** Control groups of the hosts that are there now. */
  const cgroups = () =>
    readdirSync(temporary).flatMap((lab) =>
      ['h1', 'h2'].flatMap((host) => {
        const list = join(temporary, lab, host, 'cgroups');
        return existsSync(list) ? (JSON.parse(readFileSync(list, 'utf8')) as string[]) : [];
      }),
    );
  const leftovers = async () => [
    ...readdirSync('/run/netns').filter((name) => name.startsWith(`weftlab-${child.pid}-`)),
    ...readdirSync(temporary),
    ...(await attempt(['pgrep', '-f', temporary])).stdout.split('\n').filter(Boolean),
  ];
  return { child, seen, clean, cgroups, leftovers, ended: once(child, 'close') };
}

it('shows what Docker users do, ends with status 0 and leaves nothing behind', async () => {
  const { seen, leftovers, ended } = startDemo();
  const [status] = await ended;
  expect(status, seen.text).toBe(0);
  for (const shown of [
    'h2$ docker network create -d weft',
    'hello from web',
    'h1$ weft ps',
    'WEFT_FOREIGN_POOL',
  ]) {
    expect(seen.text).toContain(shown);
  }
  expect(await leftovers()).toEqual([]);
});

it('cleans up after SIGINT', async () => {
  const { child, seen, cgroups, leftovers, ended } = startDemo();
  await until('a container runs', () => seen.text.includes('hello from web'), 150);
  const groups = cgroups();
  expect(groups).not.toEqual([]);
  child.kill('SIGINT');
  const [status] = await ended;
  expect(status).not.toBe(0);
  expect(await leftovers()).toEqual([]);
  expect(groups.filter((group) => existsSync(group))).toEqual([]);
});

it('that was killed is cleaned up by the next lab', async () => {
  const { child, seen, clean, cgroups, leftovers, ended } = startDemo();
  await until('a container runs', () => seen.text.includes('hello from web'), 150);
  const groups = cgroups();
  child.kill('SIGKILL');
  await ended;
  expect(await leftovers()).not.toEqual([]);
  await clean();
  expect(await leftovers()).toEqual([]);
  expect(groups.filter((group) => existsSync(group))).toEqual([]);
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { Lab } from '../../lab/lab.js';
import { until } from '../../lab/wait.js';

const labModule = new URL('../../dist/lab/lab.js', import.meta.url).href;

/** As a benchmark does while an experiment has a lab of its own: the first takes far longer to close than the second. */
const twoLabs = `
  import { Lab } from '${labModule}';
  const outer = await Lab.open();
  await Promise.all(Array.from({ length: 20 }, (_, i) => outer.namespace('n' + i)));
  const inner = await Lab.open();
  console.log(inner.namespaces.length + outer.namespaces.length, 'namespaces');
  setInterval(() => undefined, 1000);
`;

it('a signal ends a process of two labs when both are closed', async () => {
  const temporary = mkdtempSync(join(tmpdir(), 'weft-interrupted-'));
  onTestFinished(() => rmSync(temporary, { recursive: true, force: true }));
  const child = spawn(process.execPath, ['--input-type=module', '--eval', twoLabs], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, TMPDIR: temporary },
  });
  let seen = '';
  child.stdout.on('data', (chunk: Buffer) => {
    seen += chunk.toString();
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  const ended = once(child, 'close');
  await until('both labs are open', () => seen.includes('22 namespaces'), 30);
  child.kill('SIGTERM');
  expect(await ended).toEqual([null, 'SIGTERM']);
  const left = readdirSync('/run/netns').filter((name) => name.startsWith(`weftlab-${child.pid}-`));
  expect(left).toEqual([]);
  expect(readdirSync(temporary)).toEqual([]);
});

it('a namespace that is being made when its lab closes is removed, too', async () => {
  const lab = await Lab.open();
  const late = lab.namespace('late');
  await lab.close();
  const { name } = await late;
  expect(readdirSync('/run/netns')).not.toContain(name);
});

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { attempt } from '../../lab/command.js';
import type { DockerHost } from '../../lab/docker-host.js';
import { Lab } from '../../lab/lab.js';
import { until } from '../../lab/wait.js';

let lab: Lab;
let h1: DockerHost;
let h2: DockerHost;

beforeAll(async () => {
  lab = await Lab.open();
  h1 = await lab.dockerHost('h1');
  h2 = await lab.dockerHost('h2');
  await Promise.all([h1.startDockerd(), h2.startDockerd()]);
});
afterAll(() => lab.close());

it('gives each host an engine of its own, whose containers and published ports work', async () => {
  const web = await h1.run('web', '-p', '8080:80');
  await web.serveHttp('hello');
  expect(await h2.containerNames()).toEqual([]);
  const fetched = await h2.attempt(['/bin/busybox', 'wget', '-q', '-O', '-', `http://${h1.ipv4}:8080/`]);
  expect(fetched.stdout, fetched.stderr).toBe('hello\n');
});

it('ends with its power, and finds its disk again', async () => {
  await h1.docker('run', '-d', '--name', 'steady', '--restart', 'always', 'weft-lab:1');
  const { init, dockerdPid } = h1;
  await h1.powerOff();
  for (const pid of [init, dockerdPid]) expect(existsSync(`/proc/${pid}`)).toBe(false);
  expect((await h2.attempt(['ping', '-c', '1', '-W', '1', h1.ipv4])).status).not.toBe(0);

  await h1.powerOn();
  await h1.startDockerd();
  expect((await h1.containerNames()).sort()).toEqual(['steady', 'web']);
  await until(
    'the container is started again',
    () =>
      h1
        .container('steady')
        .exec('true')
        .then(() => true),
    30,
  );
  expect((await h2.attempt(['ping', '-c', '1', '-W', '10', h1.ipv4])).status).toBe(0);
});

it('outlives a crash of its engine', async () => {
  const { init } = h2;
  await h2.killDockerd();
  await h2.startDockerd();
  expect(h2.init).toBe(init);
});

it('leaves neither processes, namespaces, control groups nor files behind', async () => {
  const { dir } = lab;
  const cgroups = JSON.parse(readFileSync(join(dir, 'h2', 'cgroups'), 'utf8')) as string[];
  const { init } = h2;
  expect(cgroups.some((path) => existsSync(path))).toBe(true);
  await lab.close();
  for (const path of [...cgroups, dir, `/proc/${init}`]) expect(existsSync(path), path).toBe(false);
  expect(readdirSync('/run/netns').filter((name) => name.startsWith(`weftlab-${process.pid}-`))).toEqual([]);
  expect((await attempt(['pgrep', '-f', dir])).stdout).toBe('');
  expect(readFileSync('/proc/mounts', 'utf8')).not.toContain(dir);
});

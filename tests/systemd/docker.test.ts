/** The real docker.service beside weftd.service: containers keep their interface and their connections while weftd is away. */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { imageSettings, labImage, makeImage } from '../../lab/docker-image.js';
import { Lab } from '../../lab/lab.js';
import type { SystemdHost } from '../../lab/systemd-host.js';
import { until } from '../../lab/wait.js';

let lab: Lab;
let h1: SystemdHost;
let serverAddress: string;

const docker = async (...words: string[]) => (await h1.exec('/usr/bin/docker', ...words)).trimEnd();
const run = (name: string) => docker('run', '-d', '--init', '--name', name, '--network', 'blue', labImage);
const addressOf = (name: string) =>
  docker('inspect', '--format', '{{.NetworkSettings.Networks.blue.IPAddress}}', name);
const reach = (address: string) =>
  until(`ping ${address}`, async () => {
    const ping = ['docker', 'exec', 'client', '/bin/ping', '-q', '-c', '1', '-W', '2', address];
    return (await h1.attempt(ping)).status === 0;
  });

beforeAll(async () => {
  lab = await Lab.open();
  h1 = await lab.systemdHost('h1');
  await h1.useCheckout();
  await h1.configure({});
  // Docker's layers cannot lie on the layers of the host; the machine may not let it raise its limits.
  for (const place of ['docker', 'containerd']) {
    await h1.exec('mkdir', '-p', `/var/lib/${place}`);
    await h1.exec('mount', '-t', 'tmpfs', place, `/var/lib/${place}`);
    const limits = 'LimitNOFILE=\nLimitNPROC=\nLimitCORE=\nOOMScoreAdjust=0\nExecStartPre=\n';
    await h1.edit(`${place}.service`, `[Service]\n${limits}`);
  }
  await h1.systemctl('enable', 'weftd.service', 'weft-docker.socket');
  await h1.systemctl('start', 'weftd.service', 'docker.service');
  await makeImage(join(lab.dir, 'image.tar'));
  copyFileSync(join(lab.dir, 'image.tar'), h1.path('/run/image.tar'));
  await docker('import', ...imageSettings, '/run/image.tar', labImage);
  await docker(
    'network',
    'create',
    '-d',
    'weft',
    '--ipam-driver',
    'weft',
    '--subnet',
    '10.32.0.0/24',
    'blue',
  );
  await run('server');
  await run('client');
  serverAddress = await addressOf('server');
  await reach(serverAddress);
  await docker('exec', '-d', 'server', 'iperf3', '-s');
  await until('the server listens', async () => (await docker('exec', 'server', '/bin/ss', '-Hltn')) !== '');
  await docker('exec', '-d', 'client', 'iperf3', '-c', serverAddress, '-t', '600', '-b', '50M');
  await untilStreaming();
});
afterAll(() => lab?.close());

const ofLink = (name: string, file: string) => docker('exec', name, 'cat', `/sys/class/net/eth0/${file}`);

/** What a container would notice of a link that was made anew, or lost its carrier. */
const identity = async (name: string) =>
  await docker(
    'exec',
    name,
    'sh',
    '-c',
    'cd /sys/class/net/eth0 && cat ifindex carrier_changes && ip -o a show eth0',
  );

/** The one connection of the client: its ports are those of the beginning as long as it is the same. */
const connection = async () =>
  (await docker('exec', 'client', '/bin/ss', '-Htn', 'dport', '=', ':5201'))
    .split('\n')
    .map((line) => line.trim().split(/\s+/).slice(3, 5).join(' '))
    .sort();

async function untilStreaming(): Promise<void> {
  const received = async () => Number(await ofLink('server', 'statistics/rx_bytes'));
  const before = await received();
  await until('the stream goes on', async () => (await received()) > before + 5_000_000, 60);
}

const kept = async () => Number(await h1.property('NFileDescriptorStore'));
/** Of each container one TAP, and the sockets of both families. */
const usual = 4;
const timesTakenOver = async () => [...(await h1.journal()).matchAll(/"ports":2,"after":\d/g)].length;

it.each<[string, () => Promise<unknown>]>([
  ['systemctl restart', () => h1.systemctl('restart', 'weftd.service')],
  ['kill -9', () => h1.systemctl('kill', '-s', 'KILL', 'weftd.service')],
  [
    'an upgrade',
    async () => {
      await h1.useVersion('9.9.9');
      await h1.systemctl('restart', 'weftd.service');
      expect((await h1.status()).version).toBe('9.9.9');
    },
  ],
])('containers keep their interface and their connection over %s', async (_, restart) => {
  await until('systemd has all of it', async () => (await kept()) === usual);
  const noticed = async () => [await identity('server'), await identity('client'), await connection()];
  const [before, former, times] = [await noticed(), await h1.property('MainPID'), await timesTakenOver()];
  await restart();
  await h1.anotherIsReady(former);
  await untilStreaming();
  await reach(serverAddress);
  expect(await noticed()).toEqual(before);
  expect(await timesTakenOver()).toBe(times + 1);
  expect((await h1.ports()).map(({ state }) => state)).toEqual(['up', 'up']);
  await until('systemd has all of it', async () => (await kept()) === usual);
});

it('Docker goes on with the weftd that has taken over', async () => {
  await run('third');
  await reach(await addressOf('third'));
  await until('systemd has it', async () => (await kept()) === usual + 1);
});

it('what Docker ends is ended, and nothing keeps it alive', async () => {
  await docker('rm', '-f', 'client', 'third');
  await until('systemd has let go of them', async () => (await kept()) === usual - 1);
  expect((await h1.ports()).map(({ state }) => state)).toEqual(['up']);
  expect(await h1.exec('ip', '-br', 'link')).not.toContain('weft');
  const journal = await h1.journal();
  expect(journal).not.toContain('"level":"error"');
  expect(journal).not.toContain('is of no use');
});

it('what an uninstallation runs takes the interfaces out of the containers', async () => {
  await h1.systemctl('stop', 'weft-docker.socket', 'weftd.service');
  expect(await docker('exec', 'server', '/bin/ip', '-br', 'link')).toContain('eth0');
  expect(await h1.exec('/usr/lib/weft/bin/weftd', '--remove-links')).toMatch(/^removed eth0 in \S+ \(weft:/);
  expect(await docker('exec', 'server', '/bin/ip', '-br', 'link')).not.toContain('eth0');
});

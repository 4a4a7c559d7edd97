import { once } from 'node:events';
import { beforeAll, expect, it } from 'vitest';
import { type Container, endGroup } from '../../lab/container.js';
import type { DockerHost } from '../../lab/docker-host.js';
import { until } from '../../lab/wait.js';
import { clear, createNetwork, twoEngines, untilUp } from './engines.js';

/** One line of iperf3 for each interval. */
const intervalLine = /\[\s*\d+\]\s+\d+\.\d+-\d+\.\d+\s+sec\s+\S+\s+\w?Bytes/;

const engines = twoEngines();
let server: Container;
let client: Container;

beforeAll(async () => {
  const { h1, h2 } = engines;
  await createNetwork([h1, h2], 'blue', '--subnet', '10.32.0.0/16');
  server = await h1.run('server', '--network', 'blue');
  client = await h2.run('client', '--network', 'blue');
  await server.serve(5201, 'iperf3', '-s');
  await client.reach((await server.attachment('blue')).ipv4);
});

const identity = async (host: DockerHost) =>
  (await host.ports()).map(({ id, mac, addresses, ifname, mtu }) => ({ id, mac, addresses, ifname, mtu }));

it.each([
  ['one host', ['h1']],
  ['both hosts', ['h1', 'h2']],
] as const)('survives kill -9 of weftd on %s while iperf3 runs', async (_, names) => {
  const hosts = names.map((name) => engines[name]);
  const { ipv4 } = await server.attachment('blue');
  const inside = () => server.exec('/bin/ip', '-o', 'address', 'show', 'eth0');
  const before = { ports: await Promise.all(hosts.map(identity)), inside: await inside() };

  const iperf = await client.start('iperf3', '--forceflush', '-i', '0.5', '-t', '300', '-c', ipv4);
  let report = '';
  iperf.stdout?.on('data', (chunk: Buffer) => {
    report += chunk.toString();
  });
  const ended = once(iperf, 'close');
  const intervals = () => {
    if (iperf.exitCode !== null) throw new Error(report);
    return report.split('\n').filter((line) => intervalLine.test(line));
  };
  try {
    await until('iperf3 is under way', () => intervals().length > 0, 30);
    await Promise.all(hosts.map((host) => host.killWeftd()));
    await Promise.all(hosts.map((host) => host.startWeftd()));
    await client.reach(ipv4);
    const after = { ports: await Promise.all(hosts.map(identity)), inside: await inside() };
    expect(after).toEqual(before);

    // TCP sends again after pauses that double, so this takes as long again as weftd was away. The first may have begun before that.
    const told = intervals().length;
    const sent = () =>
      intervals()
        .slice(told)
        .filter((line) => !/\s0\.00 Bytes/.test(line));
    await until('the connection goes on', () => sent().length >= 2, 60);
  } finally {
    endGroup(iperf);
    await ended;
  }
});

it('serves a container that is started while weftd is away', async () => {
  const { h1 } = engines;
  await h1.killWeftd();
  const run = h1.run('patient', '--network', 'blue');
  await until('Docker waits for the plugin', () => h1.dockerdLog.includes('Unable to connect to plugin'), 30);
  await h1.startWeftd();
  const patient = await run;
  await client.reach((await patient.attachment('blue')).ipv4);
});

it('removes what Docker removed while weftd was away', async () => {
  const { h1, h2 } = engines;
  const doomed = await h1.run('doomed', '--network', 'blue');
  await untilUp(h1, 3);
  // It has written that down when another round is over: otherwise it would wait for a container that it never saw.
  await h1.weft('reload');
  await h1.killWeftd();
  // Docker asks for a while, then removes the container all the same.
  await doomed.remove();
  await h1.startWeftd();
  await until('the port of the container is gone', async () => (await h1.ports()).length === 2, 30);
  expect(await client.ping((await server.attachment('blue')).ipv4)).toBe(true);
  await clear(h1, h2);
});

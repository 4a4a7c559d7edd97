/**
 * `npm run demo:docker`: two hosts with a dockerd and a weftd each, and what a Docker user does with them, as it is typed and answered.
 * Exit status 0 only when all of it worked.
 */
import { CommandError } from './command.js';
import type { Container } from './container.js';
import type { DockerHost } from './docker-host.js';
import { labImage } from './docker-image.js';
import { Lab } from './lab.js';
import { paint, write } from './terminal.js';
import { until } from './wait.js';

const picture = `
     host h1                        host h2
  +---------------------+        +---------------------+
  | dockerd             |        | dockerd             |
  |   web        (eth0) |        |   other containers  |
  |    |                |        |    |                |
  |  weftd--------------+--VXLAN-+--weftd              |      network blue, 10.32.0.0/16
  +---------------------+        +---------------------+
`;

const subnet = '10.32.0.0/16';
const create = ['network', 'create', '-d', 'weft', '--ipam-driver', 'weft'];
const page = 'mkdir /www; echo hello from $(hostname) >/www/index.html; exec httpd -f -h /www';

function tell(text: string): void {
  write(`\n${paint('36', text)}\n`);
}

function prompt(host: DockerHost, words: readonly string[]): void {
  const typed = words.map((word) => (/[\s;$&|]/.test(word) ? `'${word}'` : word)).join(' ');
  write(`${paint('1', `${host.name}$ ${typed}`)}\n`);
}

function show(text: string): string {
  if (text !== '') write(text.endsWith('\n') ? text : `${text}\n`);
  return text;
}

async function docker(host: DockerHost, ...words: string[]): Promise<string> {
  prompt(host, ['docker', ...words]);
  return show(await host.docker(...words));
}

/** A mistake: what Docker says of it. */
async function refused(host: DockerHost, ...words: string[]): Promise<void> {
  prompt(host, ['docker', ...words]);
  const output = await host.tryDocker(words);
  if (output.status === 0) throw new CommandError(['docker', ...words], output, 'was not refused');
  show(output.stderr);
}

async function weft(host: DockerHost, ...words: string[]): Promise<string> {
  prompt(host, ['weft', ...words]);
  return show(await host.weft(...words));
}

async function start(host: DockerHost, peer: DockerHost, index: number): Promise<void> {
  await host.startWeftd({
    peers: [peer.ipv4],
    ipam: { share: { of: 16, index } },
    networks: { shop: { vni: 77, subnets: ['10.44.0.0/16'] } },
  });
  await host.startDockerd();
}

/** Pings from one host while weftd on the other is killed and started. */
async function crash(host: DockerHost, client: Container, address: string): Promise<void> {
  write(`${paint('1', `${host.name}# kill -9 ${host.weftdPid}; weftd &`)}\n`);
  const before = (await host.ports()).map(({ id, mac }) => `${id} ${mac}`).join();
  const began = performance.now();
  const received = await client.pingWhile(address, async () => {
    await host.killWeftd();
    await host.startWeftd();
    await client.reach(address);
  });
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  write(
    `weftd was away and back within ${seconds} s; ${(received * 100).toFixed(0)} % of the echoes came back meanwhile\n`,
  );
  if ((await host.ports()).map(({ id, mac }) => `${id} ${mac}`).join() !== before) {
    throw new Error('the ports are not what they were');
  }
}

async function demonstrate(h1: DockerHost, h2: DockerHost): Promise<void> {
  tell('The same line on both hosts makes one network:');
  await docker(h1, ...create, '--subnet', subnet, 'blue');
  await docker(h2, ...create, '--subnet', subnet, 'blue');

  tell('A web server on h1, with a published port:');
  await docker(
    h1,
    ...['run', '-d', '--name', 'web', '--hostname', 'web', '--network', 'blue', '-p', '8080:80'],
    ...[labImage, 'sh', '-c', page],
  );
  const { ipv4 } = await h1.container('web').attachment('blue');

  tell('A container on h2 reaches it, as if both were on one switch:');
  const client = await h2.run('client', '--network', 'blue');
  await client.reach(ipv4);
  const run = ['run', '--rm', '--network', 'blue', labImage];
  const answer = await docker(h2, ...run, 'wget', '-qO-', `http://${ipv4}/`);
  if (answer !== 'hello from web') throw new Error('the page is not what was served');
  await docker(h2, ...run, '/bin/ping', '-c', '3', '-i', '0.2', ipv4);
  await h1.container('web').serve(5201, 'iperf3', '-s');
  await docker(h2, ...run, 'iperf3', '-t', '2', '-i', '0', '-f', 'g', '-c', ipv4);

  tell('The published port, asked for from h2 by the address of h1:');
  prompt(h2, ['wget', '-qO-', `http://${h1.ipv4}:8080/`]);
  const published = await h2.attempt(['/bin/busybox', 'wget', '-qO-', `http://${h1.ipv4}:8080/`]);
  if (show(published.stdout).trim() !== 'hello from web') throw new Error(`no page: ${published.stderr}`);

  tell('A network that /etc/weft/weft.yaml declares is joined by its name:');
  const shop = ['--ipam-opt', 'weft.network=shop', '-o', 'weft.network=shop', 'shop'];
  await docker(h1, ...create, ...shop);
  await docker(h1, 'network', 'connect', 'shop', 'web');

  tell('What weft knows of it:');
  await until('weft has learned the names, and Docker has moved the links', async () => {
    const containers = await h1.containers();
    const known = containers.map(
      ({ name, engineNetwork, state }) => `${name} ${engineNetwork.name} ${state}`,
    );
    return known.includes('web blue up') && known.includes('web shop up');
  });
  await weft(h1, 'ps');
  write('\n');
  await weft(h1, 'status');

  tell('A crash of weftd; the links stay in the containers:');
  await crash(h1, client, ipv4);

  tell('A power cut of h1, where web is to run always:');
  await docker(h1, 'update', '--restart', 'always', 'web');
  write(`${paint('1', `${h1.name}  loses its power and boots`)}\n`);
  await h1.powerOff();
  await h1.powerOn();
  await h1.startWeftd();
  await h1.startDockerd();
  const back = (await h1.container('web').attachment('blue')).ipv4;
  await client.reach(back);
  await docker(h2, ...run, 'wget', '-qO-', `http://${back}/`);

  tell('A mistake is told at once, with what to do:');
  await refused(h1, 'network', 'create', '-d', 'weft', '--subnet', '10.33.0.0/16', 'red');
}

async function main(): Promise<number> {
  write(`${paint('1', 'weft: docker run on two hosts, one Ethernet segment')}\n${picture}`);
  const began = performance.now();
  const lab = await Lab.open();
  const hosts: DockerHost[] = [];
  try {
    const h1 = await lab.dockerHost('h1');
    const h2 = await lab.dockerHost('h2');
    hosts.push(h1, h2);
    await Promise.all([start(h1, h2, 0), start(h2, h1, 1)]);
    for (const host of hosts) {
      write('\n');
      prompt(host, ['cat', '/etc/weft/weft.yaml']);
      show((await host.attempt(['cat', '/etc/weft/weft.yaml'])).stdout);
    }
    await demonstrate(h1, h2);
    write(`\n${paint('32', 'All of it worked')}, in ${((performance.now() - began) / 1000).toFixed(0)} s.`);
    write(' Everything is cleaned up again.\ndocs/docker.md says how to run it for real on two machines.\n');
    return 0;
  } catch (error) {
    if (lab.interrupted) return 1;
    process.stderr.write(`\nweft demo: ${error instanceof Error ? error.message : error}\n`);
    for (const host of hosts) process.stderr.write(`\n${host.logs}\n`);
    return 1;
  } finally {
    await lab.close();
  }
}

process.exitCode = await main();

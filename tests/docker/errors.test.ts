import { expect, it } from 'vitest';
import type { Output } from '../../lab/command.js';
import { createNetwork, meshConfig, twoEngines } from './engines.js';

const engines = twoEngines({ config: { networks: { green: { vni: 77, subnets: ['10.44.0.0/16'] } } } });
const ours = ['--ipam-driver', 'weft'];

/** Refused at once, with the code and with what to do: Docker, which asks again for a quarter of a minute, has asked once. */
async function refused(words: string[], ...texts: string[]): Promise<Output> {
  const began = performance.now();
  const logged = engines.h1.dockerdLog.length;
  const output = await engines.h1.tryDocker(words);
  const seconds = (performance.now() - began) / 1000;
  expect(output.status, output.stdout).not.toBe(0);
  for (const text of texts) expect(output.stderr).toContain(text);
  expect(engines.h1.dockerdLog.slice(logged)).not.toContain('Unable to connect to plugin');
  expect(seconds).toBeLessThan(15);
  return output;
}

const create = (...options: string[]) => ['network', 'create', '-d', 'weft', ...options, 'wrong'];
const subnet = ['--subnet', '10.40.0.0/16'];

it.each([
  ['addresses of another IPAM driver', [...subnet], 'WEFT_FOREIGN_POOL', '--ipam-driver weft'],
  ['a VNI of 0', [...ours, ...subnet, '-o', 'weft.vni=0'], 'WEFT_DOCKER_OPTION', '-o weft.vni=5000'],
  ['a VNI in words', [...ours, ...subnet, '-o', 'weft.vni=many'], 'WEFT_DOCKER_OPTION', 'weft.vni'],
  [
    'an MTU that is too small',
    [...ours, ...subnet, '-o', 'com.docker.network.driver.mtu=10'],
    'WEFT_DOCKER_OPTION',
    '-o com.docker.network.driver.mtu=1400',
  ],
  ['an unknown option', [...ours, ...subnet, '-o', 'weft.colour=red'], 'WEFT_DOCKER_OPTION', 'weft.network'],
  ['a misspelled option', [...ours, ...subnet, '-o', 'vni=5'], 'WEFT_DOCKER_OPTION', '-o weft.vni=5'],
  [
    'an unknown option of IPAM',
    [...ours, ...subnet, '--ipam-opt', 'weft.colour=red'],
    'WEFT_DOCKER_OPTION',
    '--ipam-opt weft.network=NAME',
  ],
  [
    'a gateway of weft',
    [...ours, ...subnet, '-o', 'weft.gateway=true'],
    'WEFT_DOCKER_OPTION',
    'docker_gwbridge',
  ],
  ['a VNI of another network', [...ours, ...subnet, '-o', 'weft.vni=77'], 'WEFT_VNI_IN_USE', 'green'],
  [
    'a network without its addresses',
    [...ours, '--subnet', '10.44.0.0/16', '-o', 'weft.network=green'],
    'WEFT_',
    '--ipam-opt weft.network=green',
  ],
  [
    'addresses without their network',
    [...ours, '--ipam-opt', 'weft.network=green'],
    'WEFT_',
    '-o weft.network=green',
  ],
  [
    'a range that is of another host',
    [...ours, ...subnet, '--ip-range', '10.40.200.0/24'],
    'WEFT_IPAM_POOL_INVALID',
    'Leave --ip-range away',
  ],
  [
    'a network that does not have the subnet',
    [...ours, ...subnet, '--ipam-opt', 'weft.network=green', '-o', 'weft.network=green'],
    'WEFT_',
    '10.44.0.0/16',
  ],
])('refuses %s at network create', async (_, options, ...texts) => {
  await refused(create(...options), ...texts);
  const { h1 } = engines;
  expect(await h1.docker('network', 'ls', '-q', '-f', 'driver=weft')).toBe('');
  expect((await h1.networks()).map(({ name }) => name)).toEqual(['green']);
  expect(await h1.pools()).toEqual([]);
});

it('refuses pools while there are peers and no share', async () => {
  const { h1, h2 } = engines;
  const networks = { green: { vni: 77, subnets: ['10.44.0.0/16'] } };
  h1.configure({ peers: [h2.ipv4], networks });
  await h1.weft('reload');
  await refused(create(...ours, ...subnet), 'WEFT_IPAM_NO_SHARE', 'ipam: { share:', 'weft reload');
  h1.configure({ ...meshConfig(0, h2.ipv4), networks });
  await h1.weft('reload');
  await createNetwork([h1], 'right', ...subnet);
  await h1.docker('network', 'rm', 'right');
});

it('refuses addresses that are taken, outside, or no longer there', async () => {
  const { h1 } = engines;
  await createNetwork([h1], 'blue', '--subnet', '10.32.0.0/16', '--gateway', '10.32.0.1');
  await createNetwork([h1], 'tiny', '--subnet', '10.41.0.0/28');
  await h1.run('first', '--network', 'blue', '--ip', '10.32.0.9');
  const run = (network: string, ...options: string[]) => [
    'run',
    '--rm',
    '--network',
    network,
    ...options,
    'weft-lab:1',
    'true',
  ];
  await refused(run('blue', '--ip', '10.32.0.9'), 'WEFT_IPAM_ADDRESS_TAKEN', '10.32.0.9', '--ip');
  await refused(run('blue', '--ip', '10.32.0.1'), 'WEFT_IPAM_ADDRESS_TAKEN', 'gateway');
  await refused(run('blue', '--ip', '10.32.255.255'), 'WEFT_IPAM_ADDRESS_OUTSIDE', '10.32.0.0/16');
  await refused(run('blue', '--ip', '10.99.0.1'), '10.99.0.1');
  await refused(run('name=blue,driver-opt=weft.vni=9'), 'WEFT_DOCKER_OPTION', 'network create');

  // A quarter of 16 addresses, less the network's own.
  for (let count = 0; count < 4; count++) {
    const { status } = await h1.tryDocker(['run', '-d', '--network', 'tiny', 'weft-lab:1']);
    if (status !== 0) break;
  }
  await refused(run('tiny'), 'WEFT_IPAM_EXHAUSTED', '10.41.0.0/28', 'weft pool ls');
});

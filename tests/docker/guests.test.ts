import { beforeAll, describe, expect, it } from 'vitest';
import { tool } from '../../lab/checkout.js';
import type { Container } from '../../lab/container.js';
import { until } from '../../lab/wait.js';
import { createNetwork, twoEngines, untilUp } from './engines.js';

const engines = twoEngines();
const forged = '02:66:66:66:66:66';

beforeAll(() =>
  createNetwork(
    [engines.h1, engines.h2],
    'blue',
    ...['--subnet', '10.32.0.0/16', '--ipv6', '--subnet', 'fd32::/64'],
  ),
);

describe('a container that lies about itself', () => {
  let liar: Container;
  let beside: Container;
  let far: Container;

  beforeAll(async () => {
    const { h1, h2 } = engines;
    const capabilities = ['--cap-add', 'NET_ADMIN', '--cap-add', 'NET_RAW'];
    liar = await h1.run('liar', '--network', 'blue', ...capabilities);
    beside = await h1.run('beside', '--network', 'blue');
    far = await h2.run('far', '--network', 'blue');
  });

  const victims = async () =>
    Promise.all([beside, far].map(async (victim) => (await victim.attachment('blue')).ipv4));

  it('about its MAC is not heard', async () => {
    const { h1, h2 } = engines;
    const { mac } = await liar.attachment('blue');
    for (const victim of await victims()) await liar.reach(victim);
    const before = await h1.dropped('spoofed_mac');
    await liar.exec('/bin/ip', 'link', 'set', 'eth0', 'address', forged);
    for (const victim of await victims()) expect(await liar.hears(victim)).toBe(false);
    expect(await h1.dropped('spoofed_mac')).toBeGreaterThan(before);
    for (const host of [h1, h2]) expect((await host.fdb()).map((entry) => entry.mac)).not.toContain(forged);
    await liar.exec('/bin/ip', 'link', 'set', 'eth0', 'address', mac);
    for (const victim of await victims()) await liar.reach(victim);
  });

  it.each([
    ['IPv4', '10.32.250.1/16'],
    ['IPv6', 'fd32::6666/64'],
  ])('about its %s address is not heard', async (family, address) => {
    const { h1 } = engines;
    const source = address.replace(/\/.*/, '');
    const before = await h1.dropped('spoofed_address');
    const targets = [];
    for (const victim of [beside, far]) {
      const { ipv4, ipv6 } = await victim.attachment('blue');
      const target = family === 'IPv4' ? ipv4 : ipv6;
      await liar.reach(target);
      targets.push(target);
    }
    const nodad = family === 'IPv6' ? ['nodad'] : [];
    await liar.exec('/bin/ip', 'address', 'add', address, 'dev', 'eth0', ...nodad);
    for (const target of targets) {
      const ping = ['/bin/ping', '-q', '-n', '-c', '3', '-i', '0.3', '-W', '1', '-I', source, target];
      expect((await liar.tryExec(ping)).status).not.toBe(0);
    }
    expect(await h1.dropped('spoofed_address')).toBeGreaterThan(before);
    expect(await h1.weft('drops')).toContain('spoofed_address');
    await liar.exec('/bin/ip', 'address', 'del', address, 'dev', 'eth0');
  });

  it('by claiming the address of another does not get its traffic', async () => {
    const [, victim = ''] = await victims();
    const { mac } = await far.attachment('blue');
    await beside.reach(victim);
    await liar.tryExec(['arping', '-U', '-I', 'eth0', '-c', '3', '-w', '4', '-s', victim, victim]);
    expect(await beside.exec('/bin/ip', 'neighbour', 'show', victim)).toContain(mac);
    expect(await beside.ping(victim)).toBe(true);
  });
});

describe('a container with the capabilities that Docker gives to all', () => {
  let rogue: Container;
  let victims: [Container, Container];

  beforeAll(async () => {
    const { h1, h2 } = engines;
    rogue = await h1.run('rogue', '--network', 'blue');
    victims = [await h1.run('victim1', '--network', 'blue'), await h2.run('victim2', '--network', 'blue')];
    for (const victim of victims) await rogue.reach((await victim.attachment('blue')).ipv4);
  });

  /** Runs a program of the lab as if it were in the container. */
  const send = async (...argv: string[]) => {
    const { h1 } = engines;
    const pid = await h1.docker('inspect', '--format', '{{.State.Pid}}', rogue.name);
    const output = await h1.attempt(['nsenter', '-t', pid, '-n', '--', ...argv]);
    expect(output.status, output.stderr).toBe(0);
  };

  it('does not become a router of others', async () => {
    const { h1 } = engines;
    const before = await h1.dropped('rogue_service');
    // A router for half an hour, of a prefix for addresses, neither the preferred nor the valid time of which ends.
    const prefix = `030440c0ffffffffffffffff00000000fd66${'00'.repeat(14)}`;
    await send(tool('send_icmp6'), 'eth0', `86000000400007080000000000000000${prefix}`);
    await until('it is dropped', async () => (await h1.dropped('rogue_service')) > before);
    for (const victim of victims) {
      expect(await rogue.ping((await victim.attachment('blue')).ipv6)).toBe(true);
      expect(await victim.exec('/bin/ip', '-6', 'route', 'show', 'proto', 'ra')).toBe('');
      expect(await victim.exec('/bin/ip', '-6', 'address', 'show', 'dev', 'eth0')).not.toContain('fd66:');
    }
  });

  it('does not answer DHCP', async () => {
    const { h1 } = engines;
    const { ipv4 } = await rogue.attachment('blue');
    for (const victim of victims) {
      const before = await h1.dropped('rogue_service');
      const target = (await victim.attachment('blue')).ipv4;
      await send(tool('raw_udp'), ipv4, target, '67', '68', '0', '0000', '00'.repeat(300));
      await until('it is dropped', async () => (await h1.dropped('rogue_service')) > before);
    }
  });
});

it('keeps a container that writes into the alias of its link, also over a restart of weftd', async () => {
  const { h1, h2 } = engines;
  const scribbler = await h1.run('scribbler', '--network', 'blue', '--cap-add', 'NET_ADMIN');
  const other = await h2.run('other', '--network', 'blue');
  const { ipv4 } = await other.attachment('blue');
  await scribbler.reach(ipv4);
  const alias = () => scribbler.sys('ifalias');
  const tagged = await alias();
  expect(tagged).toMatch(/^weft:/);
  const write = (text: string) => scribbler.exec('/bin/ip', 'link', 'set', 'dev', 'eth0', 'alias', text);

  await write('');
  await until('it is written again', async () => (await alias()) === tagged);
  await untilUp(h1, 5);
  expect(await scribbler.ping(ipv4)).toBe(true);

  await h1.killWeftd();
  await write('x');
  await h1.startWeftd();
  await scribbler.reach(ipv4);
  expect(await alias()).toBe(tagged);
  expect((await h1.status()).findings.map(({ code }) => code)).not.toContain('PORT_LINK_LOST');
  await Promise.all([scribbler.remove(), other.remove()]);
});

it('finds two hosts that use one address', async () => {
  const { h1, h2 } = engines;
  const address = '10.32.9.9';
  const [a, b] = await Promise.all([
    h1.run('twin1', '--network', 'blue', '--ip', address),
    h2.run('twin2', '--network', 'blue', '--ip', address),
  ]);
  for (const [host, other] of [
    [h1, h2],
    [h2, h1],
  ] as const) {
    const finding = await until(
      `${host.name} reports the conflict`,
      async () => (await host.status()).findings.find(({ code }) => code === 'ADDRESS_CONFLICT'),
      30,
    );
    expect(finding.message).toContain(address);
    expect(`${finding.message} ${finding.remedy}`).toContain(other.ipv4);
    expect(await host.weft('status')).toContain('ADDRESS_CONFLICT');
  }
  await Promise.all([a.remove(), b.remove()]);
});

/**
 * WireGuard's netns.sh has a peer behind a NAT. VXLAN has no session that would open a way through one: datagrams go to the configured
 * address and to the VTEP's port. So a host is a peer where the NAT gives its port to it: each way for itself, here with a router that
 * hides the source address and port of what leaves, and hands on what comes for the VTEP's port.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import type { Drop } from '../../daemon/api/schema.js';
import type { Guest } from '../../lab/guest.js';
import type { Host } from '../../lab/host.js';
import type { KernelHost } from '../../lab/kernel-host.js';
import { Lab } from '../../lab/lab.js';
import { until } from '../../lab/wait.js';
import { expectInvariants } from './invariants.js';
import { networks } from './pair.js';

const inside = { router: '192.168.77.1', host: '192.168.77.2' };

describe('a host behind a NAT', () => {
  let lab: Lab;
  let open: Host;
  let hidden: Host;
  let router: KernelHost;
  let a: Guest;
  let b: Guest;

  beforeAll(async () => {
    lab = await Lab.open();
    open = await lab.host('open');
    hidden = await lab.host('hidden');
    router = await lab.kernelHost('router');
    a = await lab.guest('a');
    b = await lab.guest('b');

    await router.namespace.run(['sysctl', '-qw', 'net.ipv4.ip_forward=1']);
    await router.namespace.ip(
      'link',
      'add',
      'in0',
      'type',
      'veth',
      'peer',
      'name',
      'in0',
      'netns',
      hidden.namespace.name,
    );
    for (const [{ namespace }, own] of [
      [router, inside.router],
      [hidden, inside.host],
    ] as const) {
      await namespace.ip('address', 'add', `${own}/24`, 'dev', 'in0');
      await namespace.ip('link', 'set', 'in0', 'up');
    }
    // Its only way out is the router.
    await hidden.namespace.ip('link', 'del', 'eth0');
    await hidden.namespace.ip('route', 'add', 'default', 'via', inside.router);
    const nat = (...words: string[]) => router.namespace.run(['iptables', '-t', 'nat', ...words]);
    await nat('-A', 'POSTROUTING', '-o', 'eth0', '-j', 'MASQUERADE', '--random');
    await nat(
      '-A',
      'PREROUTING',
      '-i',
      'eth0',
      '-p',
      'udp',
      '--dport',
      '4789',
      '-j',
      'DNAT',
      '--to-destination',
      inside.host,
    );

    await open.start({ peers: [router.ipv4], networks });
    await hidden.start({ peers: [open.ipv4], networks, underlay: { addresses: [inside.host] } });
    await open.attach(a, 'blue', { addresses: ['10.42.0.1/24', 'fd42::1/64'] });
    await hidden.attach(b, 'blue', { addresses: ['10.42.0.2/24', 'fd42::2/64'] });
    await a.reach('10.42.0.2');
    return () => lab.close();
  });

  const exceptions = () => ({
    unequalEnds: true,
    translated: { [router.ipv4]: hidden },
    // The other one sees the address of the router, and that is told.
    findings: ['PEER_SEES_OTHER_ADDRESS'],
  });

  it.each(['10.42.0.2', 'fd42::2'])('reaches others and is reached, at %s', async (address) => {
    expect(await a.ping(address, { count: 20 })).toBe(true);
    for (const flags of [
      ['-n', '20M'],
      ['-n', '20M', '-R'],
      ['-n', '5M', '-P', '8', '--bidir'],
    ])
      expect((await a.iperf(b, address, ...flags)).gbitPerSecond, `${flags}`).toBeGreaterThan(0);
    const datagrams = await b.sink(9000, 1000, 320, () => a.gsoSend(address, 9000, 1000, 320, 32));
    expect(datagrams).toEqual({ received: 320, wrongSize: 0, reordered: 0 });
    await expectInvariants(lab, exceptions());
  });

  it('is reached again after the router has forgotten who spoke to whom, whoever speaks first', async () => {
    for (const [from, to] of [
      [a, '10.42.0.2'],
      [b, '10.42.0.1'],
    ] as const) {
      // A link that goes down takes along what was masqueraded by it.
      for (const state of ['down', 'up']) await router.namespace.ip('link', 'set', 'eth0', state);
      await from.reach(to);
    }
    await expectInvariants(lab, { ...exceptions(), drops: ['no_route'] });
  });

  it('is a stranger once the NAT gives it another address than the configured one', async () => {
    const other = '10.77.0.200';
    await router.namespace.ip('address', 'add', `${other}/24`, 'dev', 'eth0');
    await router.namespace.run(['iptables', '-t', 'nat', '-F', 'POSTROUTING']);
    const rule = ['-A', 'POSTROUTING', '-o', 'eth0', '-j', 'SNAT', '--to-source', other];
    await router.namespace.run(['iptables', '-t', 'nat', ...rule]);
    // What was masqueraded before keeps its address.
    for (const state of ['down', 'up']) await router.namespace.ip('link', 'set', 'eth0', state);
    await until('its frames are dropped as those of an unknown peer', async () => {
      await b.ping('10.42.0.1', { count: 1 });
      const drops = await open.api.list<Drop>('/v1/drops');
      return drops.some(({ reason, count }) => reason === 'unknown_peer' && count > 0);
    });
  });
});

import type { Pair } from './pair.js';
import { ip } from './processes.js';
import type { BenchHost, Underlay } from './underlay.js';

const GUEST_MTU = '1450';
const VNI = '42';

/**
 * What people use without weft: on each host a Linux bridge with a vxlan device to the other host and a veth into the guest.
 * All offloads are at the kernel's defaults.
 */
export function kernelPair(underlay: Underlay): Pair {
  const hosts = [underlay.host('kernel1'), underlay.host('kernel2')] as const;
  const client = addGuest(underlay, hosts[0], hosts[1], 1);
  const server = addGuest(underlay, hosts[1], hosts[0], 2);
  return { name: 'kernel', client, server, serverAddress: '10.42.0.2' };
}

function addGuest(underlay: Underlay, host: BenchHost, other: BenchHost, index: number): string {
  const link = (...args: string[]) => ip('-n', host.netns, 'link', ...args);
  const guest = underlay.namespace(`kernel-guest${index}`);
  link('add', 'br0', 'type', 'bridge', 'forward_delay', '0');
  link('set', 'br0', 'mtu', GUEST_MTU, 'up');
  const tunnel = [
    'id',
    VNI,
    'local',
    host.address,
    'remote',
    other.address,
    'dstport',
    '4789',
    'dev',
    'eth0',
  ];
  link('add', 'vxlan0', 'type', 'vxlan', ...tunnel);
  link('set', 'vxlan0', 'mtu', GUEST_MTU, 'master', 'br0', 'up');
  link('add', 'guest0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', guest);
  link('set', 'guest0', 'mtu', GUEST_MTU, 'master', 'br0', 'up');
  ip('-n', guest, 'link', 'set', 'eth0', 'mtu', GUEST_MTU, 'up');
  ip('-n', guest, 'address', 'add', `10.42.0.${index}/24`, 'dev', 'eth0');
  return guest;
}

import { describe, expect, it } from 'vitest';
import type { Link } from './datapath/kernel.js';
import { mountedNamespaces, sweep } from './remove_links.js';

const link = (ifname: string, alias: string | null): Link => ({
  ...{ ifindex: 1, ifname, mac: '02:00:00:00:00:01', mtu: 1450, up: true, carrier: false },
  ...{ alias, kind: 'tun', qdisc: 'noqueue', addresses: [] },
});

describe('sweep', () => {
  it('removes what carries the tag of this host, and nothing else', () => {
    const world = new Map<string | null, Link[]>([
      [null, [link('lo', null), link('eth0', 'uplink'), link('tap1', 'weft:host-1:p-1')]],
      ['/run/netns/c1', [link('eth0', 'weft:host-1:p-2'), link('eth1', 'weft:host-10:p-2')]],
    ]);
    const removed: string[] = [];
    const kernel = {
      links: (netns: string | null) => {
        const links = world.get(netns);
        if (links === undefined) throw new Error('ENOENT');
        return links;
      },
      linkDelete: (netns: string | null, ifname: string, prefix: string) => {
        removed.push(`${netns} ${ifname} ${prefix}`);
        return true;
      },
    };
    const told = sweep(kernel, [null, '/run/netns/gone', '/run/netns/c1'], 'weft:host-1:');
    expect(removed).toEqual(['null tap1 weft:host-1:', '/run/netns/c1 eth0 weft:host-1:']);
    expect(told).toBe(
      'removed tap1 in the own network namespace (weft:host-1:p-1)\n' +
        'removed eth0 in /run/netns/c1 (weft:host-1:p-2)\n',
    );
  });
});

describe('mountedNamespaces', () => {
  it('finds what is mounted of nsfs, with spaces in its path', () => {
    const mountinfo = [
      '24 1 0:5 / /proc rw - proc proc rw',
      '30 24 0:4 net:[4026532201] /run/netns/c1 rw shared:9 - nsfs nsfs rw',
      '31 24 0:4 net:[4026532202] /run/my\\040own rw - nsfs nsfs rw',
      '32 24 0:4 mnt:[4026532203] /run/mnt rw - nsfs nsfs rw',
      '',
    ].join('\n');
    expect(mountedNamespaces(mountinfo)).toEqual([
      { namespace: 'net:[4026532201]', path: '/run/netns/c1' },
      { namespace: 'net:[4026532202]', path: '/run/my own' },
    ]);
  });
});

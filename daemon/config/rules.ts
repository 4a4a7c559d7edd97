/** What two values of the configuration may not be together. */

import { contains } from '../model/address.js';
import { vniOfName } from '../model/identity.js';
import type { Config } from './schema.js';

export interface RuleBreak {
  path: (string | number)[];
  message: string;
}

export function brokenRules(config: Config): RuleBreak[] {
  return [...equalVnis(config), ...equalPeers(config), ...overlappingSubnets(config), ...shares(config)];
}

function equalVnis(config: Config): RuleBreak[] {
  const owners = new Map<number, string>();
  const breaks: RuleBreak[] = [];
  for (const [name, network] of Object.entries(config.networks)) {
    const vni = network.vni ?? vniOfName(name);
    const owner = owners.get(vni);
    if (owner === undefined) owners.set(vni, name);
    else {
      const path = network.vni === undefined ? ['networks', name] : ['networks', name, 'vni'];
      breaks.push({
        path,
        message: `VNI ${vni} belongs to network "${owner}" already; every network needs its own`,
      });
    }
  }
  return breaks;
}

function equalPeers(config: Config): RuleBreak[] {
  const first = new Map<string, number>();
  return config.peers.flatMap((peer, index) => {
    const before = first.get(peer.address);
    if (before === undefined) {
      first.set(peer.address, index);
      return [];
    }
    return [
      {
        path: ['peers', index],
        message: `${peer.address} is peers[${before}] already; one peer has one address`,
      },
    ];
  });
}

function overlappingSubnets(config: Config): RuleBreak[] {
  return Object.entries(config.networks).flatMap(([name, { subnets }]) =>
    subnets.flatMap((subnet, index) => {
      const other = subnets.slice(0, index).find((before) => overlap(before, subnet));
      const path = ['networks', name, 'subnets', index];
      return other === undefined ? [] : [{ path, message: `overlaps ${other} of the same network` }];
    }),
  );
}

function overlap(one: string, other: string): boolean {
  const address = (subnet: string) => subnet.slice(0, subnet.indexOf('/'));
  return contains(one, address(other)) || contains(other, address(one));
}

function shares(config: Config): RuleBreak[] {
  const all = [
    { path: ['ipam', 'share', 'index'], share: config.ipam.share },
    ...Object.entries(config.networks).map(([name, network]) => ({
      path: ['networks', name, 'ipam', 'share', 'index'],
      share: network.ipam?.share ?? null,
    })),
  ];
  return all.flatMap(({ path, share }) =>
    share !== null && share.index >= share.of
      ? [{ path, message: `expected less than ipam.share.of (${share.of}): shares are counted from 0` }]
      : [],
  );
}

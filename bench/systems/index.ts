import { bare } from './bare.js';
import { fastd, fastdCipher } from './fastd.js';
import { kernel } from './kernel.js';
import { n2n } from './n2n.js';
import { nebula } from './nebula.js';
import { openvpn, openvpnPlain } from './openvpn.js';
import { ovs } from './ovs.js';
import { swarm } from './swarm.js';
import type { System } from './system.js';
import { tinc, tincPlain } from './tinc.js';
import { weft } from './weft.js';
import { wireguardGo } from './wireguard-go.js';

/** What is measured, in the order of the tables. weft is the one that the others are compared with. */
export const systems: readonly System[] = [
  weft,
  kernel,
  bare,
  swarm,
  ovs,
  fastd,
  fastdCipher,
  tincPlain,
  tinc,
  n2n,
  nebula,
  wireguardGo,
  openvpnPlain,
  openvpn,
];

/**
 * What is asked of every foreign peer, and which peers there are. The tests are made from these tables, and so is the page
 * docs/conformance.md, which is why nothing here needs vitest.
 */
import type { Family } from '../lab/pair.js';

/** Each is a test of every variant (speaks-to.ts), and a column of the table. */
export const behaviours = {
  echo4: 'ping with every packet size from 64 to 9000 bytes, IPv4',
  echo6: 'ping with every packet size from 64 to 9000 bytes, IPv6',
  resolve: 'ARP and neighbour discovery find everybody anew',
  tcp: 'TCP both ways at once, byte for byte',
  udp: 'UDP up to the MTU',
  segment: 'UDP sent with UDP_SEGMENT',
  broadcast: 'broadcast reaches everybody exactly once',
  multicast: 'IPv4 and IPv6 multicast reaches everybody exactly once',
  marks: 'DSCP and ECN arrive as they were sent',
  clean: 'no checksum is wrong, nothing is dropped, counters balance',
} as const;

export type Behaviour = keyof typeof behaviours;

/** What {@link behaviours} are called at the head of the table. */
export const columns: Record<Behaviour, string> = {
  echo4: 'ping 64–9000, IPv4',
  echo6: 'ping 64–9000, IPv6',
  resolve: 'ARP, ND',
  tcp: 'TCP',
  udp: 'UDP',
  segment: 'UDP_SEGMENT',
  broadcast: 'broadcast',
  multicast: 'multicast',
  marks: 'DSCP, ECN',
  clean: 'counters',
};

export type Make = 'Linux' | 'Open vSwitch' | 'FRR';

/** How the vxlan device of a Linux or FRR host is set up. */
export interface DeviceOptions {
  /** Of `ip link add … type vxlan`. */
  options?: readonly string[];
  /** Of `ethtool -K` on the underlay's interface. */
  offloads?: readonly string[];
  /**
   * point-to-point: `remote` is weft. learning: weft is where unknown destinations go, the rest is learned. static: `nolearning`, and
   * every MAC behind weft is declared.
   */
  fdb?: 'point-to-point' | 'learning' | 'static';
}

export interface Variant {
  /** Names its tests. */
  id: string;
  make: Make;
  /** What is special about it. */
  what: string;
  underlay: Family;
  underlayMtu?: number;
  /** UDP port of the peer; 4789 by default. */
  port?: number;
  /** What weft's configuration says of the peer beside its address. */
  peer?: Record<string, unknown>;
  device?: DeviceOptions;
  /** Open vSwitch only: it sends UDP checksums. */
  checksum?: boolean;
  /** What does not work with this peer, and why. These are not tested and not ticked. */
  fails?: Partial<Record<Behaviour, string>>;
}

/** What weft's configuration must say of a peer that reads the underlay by AF_PACKET. */
export const forAfPacket = { checksum: 'zero', offload: 'off' };

export const variants: readonly Variant[] = [
  { id: 'linux4', make: 'Linux', what: 'as it is by default', underlay: 'ipv4' },
  { id: 'linux6', make: 'Linux', what: 'as it is by default', underlay: 'ipv6' },
  {
    id: 'linux4-no-checksum',
    make: 'Linux',
    what: '`noudpcsum`: sends no UDP checksums',
    underlay: 'ipv4',
    device: { options: ['noudpcsum'] },
  },
  {
    id: 'linux6-no-checksum',
    make: 'Linux',
    what: '`udp6zerocsumtx udp6zerocsumrx`, and weft sends none either (`checksum: zero`)',
    underlay: 'ipv6',
    device: { options: ['udp6zerocsumtx', 'udp6zerocsumrx'] },
    peer: { checksum: 'zero' },
  },
  {
    id: 'linux4-no-tunnel-offload',
    make: 'Linux',
    what: 'an interface that cannot segment tunnels',
    underlay: 'ipv4',
    device: { offloads: ['tx-udp_tnl-segmentation', 'off', 'tx-udp_tnl-csum-segmentation', 'off'] },
  },
  {
    id: 'linux4-no-offload',
    make: 'Linux',
    what: 'an interface without any offload',
    underlay: 'ipv4',
    device: { offloads: ['tx', 'off', 'tso', 'off', 'gso', 'off', 'gro', 'off'] },
  },
  {
    id: 'linux6-no-offload',
    make: 'Linux',
    what: 'an interface without any offload',
    underlay: 'ipv6',
    device: { offloads: ['tx', 'off', 'tso', 'off', 'gso', 'off', 'gro', 'off'] },
  },
  {
    id: 'linux4-df-set',
    make: 'Linux',
    what: '`df set`, and the FDB learns',
    underlay: 'ipv4',
    device: { options: ['df', 'set'], fdb: 'learning' },
  },
  {
    id: 'linux4-df-inherit',
    make: 'Linux',
    what: '`df inherit ttl inherit`, and the FDB is static (`nolearning`)',
    underlay: 'ipv4',
    device: { options: ['df', 'inherit', 'ttl', 'inherit'], fdb: 'static' },
  },
  {
    id: 'linux6-learning',
    make: 'Linux',
    what: 'the FDB learns',
    underlay: 'ipv6',
    device: { fdb: 'learning' },
  },
  {
    id: 'linux4-8472',
    make: 'Linux',
    what: 'UDP port 8472',
    underlay: 'ipv4',
    port: 8472,
  },
  {
    id: 'linux4-jumbo',
    make: 'Linux',
    what: 'an underlay with MTU 9216: guests have 9000',
    underlay: 'ipv4',
    underlayMtu: 9216,
  },
  {
    id: 'ovs4',
    make: 'Open vSwitch',
    what: 'userspace datapath; `checksum: zero, offload: off` for it in weft',
    underlay: 'ipv4',
    peer: forAfPacket,
  },
  {
    id: 'ovs4-checksum',
    make: 'Open vSwitch',
    what: 'the same, and it sends UDP checksums (`csum=true`)',
    underlay: 'ipv4',
    peer: forAfPacket,
    checksum: true,
  },
  {
    id: 'ovs6',
    make: 'Open vSwitch',
    what: 'userspace datapath; `checksum: zero, offload: off` for it in weft',
    underlay: 'ipv6',
    peer: forAfPacket,
  },
  {
    id: 'frr4',
    make: 'FRR',
    what: 'an EVPN host (zebra, bgpd; it has IPv4 VTEPs only) to which weft is a static peer',
    underlay: 'ipv4',
    device: { fdb: 'static' },
  },
];

/** Each is a test of every mesh (mesh-of.ts). */
export const meshBehaviours = {
  reach: 'everybody reaches everybody, over IPv4 and IPv6',
  once: 'broadcast, multicast and unknown destinations reach everybody exactly once',
  move: 'a guest that moves from host to host is reached there, and reaches everybody',
} as const;

export type MeshBehaviour = keyof typeof meshBehaviours;

export interface Mesh {
  /** Names its tests. */
  id: string;
  /** One host each; all are peers of all. */
  makes: readonly ('weft' | Make)[];
  underlay: Family;
}

export const meshes: readonly Mesh[] = [
  { id: 'weft-linux-ovs4', makes: ['weft', 'Linux', 'Open vSwitch'], underlay: 'ipv4' },
  { id: 'weft-linux-ovs6', makes: ['weft', 'Linux', 'Open vSwitch'], underlay: 'ipv6' },
  { id: 'weft-weft-linux4', makes: ['weft', 'weft', 'Linux'], underlay: 'ipv4' },
  { id: 'weft-weft-linux6', makes: ['weft', 'weft', 'Linux'], underlay: 'ipv6' },
  { id: 'weft-frr-frr4', makes: ['weft', 'FRR', 'FRR'], underlay: 'ipv4' },
];

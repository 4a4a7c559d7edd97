/** A host that does with the kernel what weft does: a bridge, a vxlan device, guests by veth. */
import type { Guest } from './guest.js';
import type { Namespace } from './namespace.js';

/** The zero MAC of a vxlan device's FDB: where broadcast, multicast and unknown destinations go. */
const flood = '00:00:00:00:00:00';

export interface KernelSegment {
  vni: number;
  local: string;
  /** The only peer. Without it, {@link KernelHost.flood} and {@link KernelHost.declare} say who is where. */
  remote?: string;
  mtu: number;
  port?: number;
  /** Further words of `ip link add … type vxlan`, such as `noudpcsum`, `df set`, `nolearning`. */
  options?: readonly string[];
}

export class KernelHost {
  readonly namespace: Namespace;
  readonly ipv4: string;
  readonly ipv6: string;
  #guests = 0;

  constructor(namespace: Namespace, ipv4: string, ipv6: string) {
    this.namespace = namespace;
    this.ipv4 = ipv4;
    this.ipv6 = ipv6;
  }

  /** Makes bridge `br<VNI>` with vxlan device `vx<VNI>`. */
  async segment({ vni, local, remote, mtu, port = 4789, options = [] }: KernelSegment): Promise<void> {
    const vxlan = `vx${vni}`;
    const bridge = `br${vni}`;
    const bridgeOptions = ['forward_delay', '0', 'mcast_snooping', '0'];
    await this.namespace.ip('link', 'add', bridge, 'type', 'bridge', ...bridgeOptions);
    await this.namespace.ip(
      ...['link', 'add', vxlan, 'type', 'vxlan', 'id', `${vni}`, 'local', local],
      ...(remote === undefined ? [] : ['remote', remote]),
      ...['dstport', `${port}`, 'dev', 'eth0', ...options],
    );
    // The host itself has nothing to say on the network.
    const silence = [bridge, vxlan].map((name) => `net.ipv6.conf.${name}.disable_ipv6=1`);
    await this.namespace.run(['sysctl', '-qw', ...silence]);
    await this.namespace.ip('link', 'set', vxlan, 'mtu', `${mtu}`, 'master', bridge, 'up');
    await this.namespace.ip('link', 'set', bridge, 'mtu', `${mtu}`, 'up');
  }

  /** Adds a peer that broadcast, multicast and unknown destinations are sent to. */
  async flood({ vni }: KernelSegment, vtep: string): Promise<void> {
    await this.namespace.run(['bridge', 'fdb', 'append', flood, 'dev', `vx${vni}`, 'dst', vtep, 'self']);
  }

  /** Says for good behind which peer a MAC is. */
  async declare({ vni }: KernelSegment, mac: string, vtep: string): Promise<void> {
    await this.namespace.run(['bridge', 'fdb', 'replace', mac, 'dev', `vx${vni}`, 'dst', vtep, 'self']);
  }

  /** Switches offloads of the underlay's interface, as `ethtool -K eth0` takes them. */
  async offloads(...words: string[]): Promise<void> {
    if (words.length > 0) await this.namespace.run(['ethtool', '-K', 'eth0', ...words]);
  }

  /** Gives a guest an eth0 on the bridge of a segment, and tells the name of its other end. */
  async attach(
    guest: Guest,
    segment: KernelSegment,
    addresses: readonly string[],
    mac?: string,
  ): Promise<string> {
    this.#guests += 1;
    const veth = `g${this.#guests}`;
    await plugVeth(this.namespace, veth, guest, segment.mtu, addresses, mac);
    await this.namespace.ip('link', 'set', veth, 'master', `br${segment.vni}`, 'up');
    return veth;
  }
}

/** Makes a veth whose end `eth0` is a guest's; the other, `veth`, is not up yet. */
export async function plugVeth(
  host: Namespace,
  veth: string,
  guest: Guest,
  mtu: number,
  addresses: readonly string[],
  mac?: string,
): Promise<void> {
  const peer = ['peer', 'name', 'eth0', ...(mac === undefined ? [] : ['address', mac])];
  await host.ip('link', 'add', veth, 'type', 'veth', ...peer, 'netns', guest.name);
  await host.ip('link', 'set', veth, 'mtu', `${mtu}`);
  await guest.namespace.ip('link', 'set', 'eth0', 'mtu', `${mtu}`, 'up');
  for (const address of addresses) await guest.namespace.ip('address', 'add', address, 'dev', 'eth0');
}

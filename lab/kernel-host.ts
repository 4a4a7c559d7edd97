/** A host that does with the kernel what weft does: a bridge, a vxlan device, guests by veth. */
import type { Guest } from './guest.js';
import type { Namespace } from './namespace.js';

export interface KernelSegment {
  vni: number;
  local: string;
  remote: string;
  mtu: number;
  port?: number;
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

  /** Makes bridge `br<VNI>` with vxlan device `vx<VNI>`, point to point. */
  async segment({ vni, local, remote, mtu, port = 4789 }: KernelSegment): Promise<void> {
    const vxlan = `vx${vni}`;
    const bridge = `br${vni}`;
    await this.namespace.ip(
      'link',
      'add',
      bridge,
      'type',
      'bridge',
      'forward_delay',
      '0',
      'mcast_snooping',
      '0',
    );
    await this.namespace.ip(
      ...['link', 'add', vxlan, 'type', 'vxlan', 'id', `${vni}`, 'local', local, 'remote', remote],
      ...['dstport', `${port}`, 'dev', 'eth0'],
    );
    await this.namespace.ip('link', 'set', vxlan, 'mtu', `${mtu}`, 'master', bridge, 'up');
    await this.namespace.ip('link', 'set', bridge, 'mtu', `${mtu}`, 'up');
  }

  /** Gives a guest an eth0 on the bridge of a segment. */
  async attach(guest: Guest, segment: KernelSegment, addresses: readonly string[]): Promise<void> {
    this.#guests += 1;
    const veth = `g${this.#guests}`;
    await this.namespace.ip('link', 'add', veth, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', guest.name);
    await this.namespace.ip('link', 'set', veth, 'mtu', `${segment.mtu}`, 'master', `br${segment.vni}`, 'up');
    await guest.namespace.ip('link', 'set', 'eth0', 'mtu', `${segment.mtu}`, 'up');
    for (const address of addresses) await guest.namespace.ip('address', 'add', address, 'dev', 'eth0');
  }
}

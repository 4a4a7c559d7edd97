/**
 * A host that runs Open vSwitch with its userspace datapath, which needs no kernel module. The underlay's interface is a port of the
 * bridge `br-phy` and its addresses are br-phy's, because vswitchd finds the way to a tunnel's peer only through bridges of its own.
 * Guests are on the bridge `br0`, by veth (vswitchd reads it by AF_PACKET) or by TAP.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Guest } from './guest.js';
import { plugVeth } from './kernel-host.js';
import type { Namespace } from './namespace.js';
import { until } from './wait.js';

const schema = '/usr/share/openvswitch/vswitch.ovsschema';

export interface OvsPeer {
  vni: number;
  vtep: string;
  port?: number;
  /** Sends UDP checksums. */
  checksum?: boolean;
}

export class OvsHost {
  readonly namespace: Namespace;
  readonly ipv4: string;
  readonly ipv6: string;
  /** PIDs of both daemons. */
  readonly pids: number[] = [];
  readonly #dir: string;
  readonly #env: Record<string, string>;
  #peers = 0;
  #guests = 0;

  constructor(namespace: Namespace, dir: string, ipv4: string, ipv6: string) {
    this.namespace = namespace;
    this.ipv4 = ipv4;
    this.ipv6 = ipv6;
    this.#dir = dir;
    this.#env = { OVS_RUNDIR: dir, OVS_LOGDIR: dir, OVS_DBDIR: dir, OVS_SYSCONFDIR: dir };
    mkdirSync(dir, { recursive: true });
  }

  get #database(): string {
    return `unix:${join(this.#dir, 'db.sock')}`;
  }

  /** Starts both daemons, which end with the lab, and makes the bridges. `mtu` is the underlay's. */
  async start(mtu: number): Promise<void> {
    const file = join(this.#dir, 'conf.db');
    await this.namespace.run(['ovsdb-tool', 'create', file, schema]);
    const remote = `--remote=p${this.#database}`;
    this.#start(['ovsdb-server', file, remote]);
    await until('ovsdb-server answers', async () => (await this.#try('--no-wait', 'init')) === 0);
    this.#start(['ovs-vswitchd', this.#database]);
    const mac = (await this.namespace.run(['cat', '/sys/class/net/eth0/address'])).trim();
    const userspace = 'datapath_type=netdev';
    await this.vsctl(
      ...['add-br', 'br-phy', '--', 'set', 'bridge', 'br-phy', userspace, `other-config:hwaddr=${mac}`],
      ...['--', 'add-port', 'br-phy', 'eth0'],
      ...['--', 'add-br', 'br0', '--', 'set', 'bridge', 'br0', userspace],
    );
    await this.namespace.ip('address', 'flush', 'dev', 'eth0');
    // Otherwise the kernel takes the datagrams for the tunnel, too, and counts those without a checksum as wrong.
    await this.namespace.run(['sysctl', '-qw', 'net.ipv6.conf.eth0.disable_ipv6=1']);
    await this.namespace.ip('address', 'add', `${this.ipv4}/24`, 'dev', 'br-phy');
    await this.namespace.ip('address', 'add', `${this.ipv6}/64`, 'dev', 'br-phy', 'nodad');
    await this.namespace.ip('link', 'set', 'br-phy', 'mtu', `${mtu}`, 'up');
  }

  /**
   * Adds a VXLAN port to br0. Ports of peers are "protected": what one of them brings is not flooded to another, as in every full mesh.
   * Without that, a frame would come once from its sender and once through here.
   */
  async peer({ vni, vtep, port = 4789, checksum = false }: OvsPeer): Promise<void> {
    this.#peers += 1;
    const name = `vx${this.#peers}`;
    const options = [`remote_ip="${vtep}"`, `key=${vni}`, `dst_port=${port}`, `csum=${checksum}`];
    await this.vsctl(
      ...['add-port', 'br0', name, '--', 'set', 'interface', name, 'type=vxlan'],
      ...options.map((option) => `options:${option}`),
      ...['--', 'set', 'port', name, 'protected=true'],
    );
  }

  /** Gives a guest an eth0 on br0, by veth. It completes its checksums itself, because AF_PACKET reads them as they are. */
  async attach(guest: Guest, mtu: number, addresses: readonly string[], mac?: string): Promise<string> {
    this.#guests += 1;
    const veth = `g${this.#guests}`;
    await plugVeth(this.namespace, veth, guest, mtu, addresses, mac);
    await guest.namespace.run(['ethtool', '-K', 'eth0', 'tx', 'off']);
    await this.namespace.ip('link', 'set', veth, 'up');
    await this.vsctl('add-port', 'br0', veth);
    return veth;
  }

  /** Takes away what {@link attach} gave. */
  async detach(veth: string): Promise<void> {
    await this.vsctl('del-port', 'br0', veth);
    await this.namespace.ip('link', 'del', veth);
  }

  /** Makes a TAP on br0, with addresses of the overlay, in the host's own namespace. */
  async tap(name: string, mtu: number, addresses: readonly string[]): Promise<void> {
    await this.vsctl('add-port', 'br0', name, '--', 'set', 'interface', name, 'type=tap');
    await this.namespace.ip('link', 'set', name, 'mtu', `${mtu}`, 'up');
    for (const address of addresses) await this.namespace.ip('address', 'add', address, 'dev', name, 'nodad');
  }

  /** How often vswitchd counted an event, such as `datapath_drop_tunnel_pop_error`. */
  async counted(event: string): Promise<number> {
    const text = await this.namespace.run(['ovs-appctl', '-T', '10', 'coverage/show'], { env: this.#env });
    return Number(new RegExp(`^${event}\\s.*total: (\\d+)`, 'm').exec(text)?.[1] ?? 0);
  }

  /** Returns when vswitchd has done it. */
  async vsctl(...words: string[]): Promise<string> {
    return this.namespace.run(['ovs-vsctl', '-t', '20', `--db=${this.#database}`, ...words], {
      env: this.#env,
    });
  }

  #start(argv: readonly string[]): void {
    const { pid } = this.namespace.start([...argv, '--pidfile', '--log-file'], 'ignore', this.#env);
    if (pid !== undefined) this.pids.push(pid);
  }

  async #try(...words: string[]): Promise<number> {
    const argv = ['ovs-vsctl', '-t', '5', `--db=${this.#database}`, ...words];
    return (await this.namespace.attempt(argv, { env: this.#env })).status;
  }
}

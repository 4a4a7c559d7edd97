/**
 * A host whose kernel vxlan device is run by FRR: zebra and bgpd tell other hosts with FRR by BGP EVPN which MACs are here, and fill the
 * device's FDB with what they hear. A peer that speaks no BGP, such as weft, is static: see {@link KernelHost.flood}.
 */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { run } from './command.js';
import { KernelHost, type KernelSegment } from './kernel-host.js';
import type { Namespace } from './namespace.js';
import { until } from './wait.js';

const programs = '/usr/lib/frr';

export class FrrHost extends KernelHost {
  readonly #name: string;
  readonly #dir: string;

  constructor(name: string, namespace: Namespace, dir: string, ipv4: string, ipv6: string) {
    super(namespace, ipv4, ipv6);
    this.#name = name;
    this.#dir = dir;
    mkdirSync(dir, { recursive: true });
  }

  /** Starts the daemons, which end with the lab. Everything of theirs is in the directory of this host. `neighbours` are IPv4 addresses. */
  async start(neighbours: readonly string[]): Promise<void> {
    const file = join(this.#dir, 'frr.conf');
    const lines = neighbours.flatMap((address) => [
      ` neighbor ${address} remote-as 65000`,
      ` neighbor ${address} timers 3 9`,
      ` neighbor ${address} timers connect 1`,
    ]);
    const config = [
      `hostname ${this.#name}`,
      `log file ${join(this.#dir, 'frr.log')}`,
      'router bgp 65000',
      ` bgp router-id ${this.ipv4}`,
      ' no bgp default ipv4-unicast',
      ...lines,
      ' address-family l2vpn evpn',
      ...neighbours.map((address) => `  neighbor ${address} activate`),
      '  advertise-all-vni',
      ' exit-address-family',
    ];
    writeFileSync(file, `${config.join('\n')}\n`);
    // The daemons drop root for a user of their own, who must get to the directory and own it.
    chmodSync(dirname(this.#dir), 0o711);
    await run(['chown', '-R', 'frr:frr', this.#dir]);
    const common = ['-A', '127.0.0.1', '-f', file, '--vty_socket', this.#dir];
    for (const daemon of ['zebra', 'bgpd']) {
      const own = ['-i', join(this.#dir, `${daemon}.pid`), '-z', join(this.#dir, 'zserv.api')];
      this.namespace.start([join(programs, daemon), ...common, ...own]);
      await until(`${daemon} of ${this.#name} answers`, () => this.#answers(daemon));
    }
  }

  /** Waits until EVPN has told this host that a VTEP has a segment (route type 3), and behind which VTEP each MAC is (type 2). */
  async learned({ vni }: KernelSegment, vtep: string, macs: readonly string[]): Promise<void> {
    await until(
      `${this.#name} has heard of ${vtep} by EVPN`,
      async () => {
        const text = await this.namespace.run(['bridge', 'fdb', 'show', 'dev', `vx${vni}`]);
        const entries = text.split('\n').filter((line) => line.includes(`dst ${vtep} `));
        return ['00:00:00:00:00:00', ...macs].every((mac) => entries.some((line) => line.startsWith(mac)));
      },
      30,
    );
  }

  async vtysh(command: string): Promise<string> {
    return this.namespace.run(['vtysh', '--vty_socket', this.#dir, '-c', command]);
  }

  async #answers(daemon: string): Promise<boolean> {
    const argv = ['vtysh', '--vty_socket', this.#dir, '-d', daemon, '-c', 'show version'];
    return (await this.namespace.attempt(argv)).status === 0;
  }
}

import { ip } from './processes.js';

const UNDERLAY_MTU = '1500';

/** A host on the underlay: a network namespace with eth0. */
export interface BenchHost {
  netns: string;
  address: string;
}

/**
 * Hosts as network namespaces, each with a veth to one bridge in a namespace of its own. Nothing touches the machine's own
 * namespace. Names carry our PID, so that runs do not meet.
 */
export class Underlay {
  readonly #prefix: string;
  readonly #namespaces: string[] = [];
  #bridge = '';
  #hosts = 0;

  constructor(prefix = `weftbench-${process.pid}`) {
    this.#prefix = prefix;
  }

  /** Makes the bridge that all hosts share. */
  open(): void {
    this.#bridge = this.namespace('underlay');
    ip('-n', this.#bridge, 'link', 'add', 'br0', 'type', 'bridge', 'forward_delay', '0');
    ip('-n', this.#bridge, 'link', 'set', 'br0', 'mtu', UNDERLAY_MTU, 'up');
  }

  /** A new namespace with its loopback up; returns its name. */
  namespace(role: string): string {
    const name = `${this.#prefix}-${role}`;
    ip('netns', 'add', name);
    this.#namespaces.push(name);
    ip('-n', name, 'link', 'set', 'lo', 'up');
    return name;
  }

  host(role: string): BenchHost {
    const netns = this.namespace(role);
    this.#hosts += 1;
    const address = `10.99.0.${this.#hosts}`;
    const port = `host${this.#hosts}`;
    ip('-n', this.#bridge, 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', netns);
    ip('-n', this.#bridge, 'link', 'set', port, 'mtu', UNDERLAY_MTU, 'master', 'br0', 'up');
    ip('-n', netns, 'link', 'set', 'eth0', 'mtu', UNDERLAY_MTU, 'up');
    ip('-n', netns, 'address', 'add', `${address}/24`, 'dev', 'eth0');
    return { netns, address };
  }

  /** Removes every namespace and what is in it. Also called from signal handlers: synchronous, and goes on after errors. */
  close(): void {
    for (const name of this.#namespaces.splice(0).reverse()) {
      try {
        ip('netns', 'delete', name);
      } catch {
        // It is gone already, or was never made; the others still have to go.
      }
    }
  }
}

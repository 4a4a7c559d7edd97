/** Opens as much of the underlay as the kernel gives: one port or address that cannot be had must not take the others along. */
import { isDeepStrictEqual } from 'node:util';
import type { Datapath, UnderlayOptions } from '../datapath/datapath.js';
import { errnoOf, type Kernel } from '../datapath/kernel.js';
import { WeftError } from '../errors.js';

/** What was left out, and is tried again in the next round. */
export type Gap =
  /** The address is not usable yet: IPv6 still looks for a duplicate of it, or it vanished just now. */
  | { kind: 'address'; address: string }
  /** Not our own port, but one that a peer uses. */
  | { kind: 'port'; port: number };

export interface Shortfall {
  gap: Gap;
  error: WeftError;
}

export class UnderlayOpener {
  private readonly lockedPorts = new Set<number>();

  constructor(
    private readonly datapath: Pick<Datapath, 'state' | 'setUnderlay'>,
    private readonly kernel: Pick<Kernel, 'lock'>,
  ) {}

  /** The first of `options.ports` is the own one: this throws when it cannot be opened. */
  open(options: UnderlayOptions): Shortfall[] {
    const [own, ...others] = options.ports;
    if (own !== undefined && !this.lock(own))
      throw new WeftError('WEFT_VTEP_PORT_TAKEN', { port: own, holder: 'another weftd' });
    const foreign = others.filter((port) => !this.lock(port));
    const ports = options.ports.filter((port) => !foreign.includes(port));
    return [
      ...foreign.map((port) => portShortfall(port, 'another weftd')),
      ...this.openAddresses({ ...options, ports }),
    ];
  }

  /** Without an address of ours the kernel chooses one, which is better than no underlay. */
  private openAddresses(options: UnderlayOptions): Shortfall[] {
    let refusal: unknown;
    for (const without of [[], ['ipv6'], ['ipv4'], ['ipv4', 'ipv6']] as const) {
      const dropped = without.flatMap((family) => options[family] ?? []);
      if (dropped.length < without.length) continue;
      const reduced = { ...options, ...Object.fromEntries(without.map((family) => [family, null])) };
      try {
        return [...dropped.map(addressShortfall), ...this.openPorts(reduced)];
      } catch (error) {
        if (errnoOf(error) !== 'EADDRNOTAVAIL') throw error;
        refusal = error;
      }
    }
    throw refusal;
  }

  private openPorts(options: UnderlayOptions): Shortfall[] {
    if (this.tryPorts(options, options.ports)) return [];
    const own = options.ports.slice(0, 1);
    // What is open stays open while the others are tried.
    const current = this.datapath.state().underlay?.ports ?? [];
    let open = options.ports.filter((port) => own.includes(port) || current.includes(port));
    if (!this.tryPorts(options, open)) {
      this.set({ ...options, ports: own });
      open = own;
    }
    const failed: number[] = [];
    for (const port of options.ports.filter((one) => !open.includes(one))) {
      const more = options.ports.filter((one) => one === port || open.includes(one));
      if (this.tryPorts(options, more)) open = more;
      else failed.push(port);
    }
    return failed.map((port) => portShortfall(port, 'another program'));
  }

  /** False when a port is taken and there are others to try without it. */
  private tryPorts(options: UnderlayOptions, ports: number[]): boolean {
    try {
      this.set({ ...options, ports });
      return true;
    } catch (error) {
      if (errnoOf(error) !== 'EADDRINUSE' || ports.length < 2) throw error;
      return false;
    }
  }

  private set(options: UnderlayOptions): void {
    if (!isDeepStrictEqual(options, this.datapath.state().underlay)) this.datapath.setUnderlay(options);
  }

  /** SO_REUSEPORT would let a second weftd bind the port and steal flows silently, so each port is locked first. */
  private lock(port: number): boolean {
    if (this.lockedPorts.has(port)) return true;
    if (!this.kernel.lock(`vtep-${port}`)) return false;
    this.lockedPorts.add(port);
    return true;
  }
}

function portShortfall(port: number, holder: string): Shortfall {
  return { gap: { kind: 'port', port }, error: new WeftError('WEFT_VTEP_PORT_TAKEN', { port, holder }) };
}

function addressShortfall(address: string): Shortfall {
  const reason = `${address} is not usable yet (EADDRNOTAVAIL)`;
  return {
    gap: { kind: 'address', address },
    error: new WeftError('WEFT_KERNEL', { action: 'bind', reason }),
  };
}

/** Carries out the steps of a plan. Each is idempotent; one that fails leaves the rest alone and is planned again next round. */
import type { Datapath } from '../datapath/datapath.js';
import { isNativeError, type Kernel, type NetnsPath } from '../datapath/kernel.js';
import { WeftError } from '../errors.js';
import type { DesiredPort, Step } from './plan.js';

export interface Failure {
  step: Step;
  error: WeftError;
}

/** Offloads of TAPs that are made or reattached from now on. */
export interface TapOffloads {
  tso: boolean;
  uso: boolean;
}

/** Encapsulation grows a super-frame; above this one UDP send could not take it (65,507 bytes). */
const gsoMaxSize = 61_000;
const queues = 1;

export class Carrier {
  private readonly lockedPorts = new Set<number>();

  constructor(
    private readonly datapath: Datapath,
    private readonly kernel: Kernel,
    private readonly expirePort: (id: string, reason: string) => void,
  ) {}

  run(steps: readonly Step[], offloads: TapOffloads): Failure[] {
    return steps.flatMap((step) => {
      try {
        this.carryOut(step, offloads);
        return [];
      } catch (error) {
        return [{ step, error: explain(step, error) }];
      }
    });
  }

  private carryOut(step: Step, offloads: TapOffloads): void {
    switch (step.do) {
      case 'detach-port':
        this.datapath.removePort(step.id, step.destroy);
        break;
      case 'expire-port':
        this.expirePort(step.id, step.reason);
        break;
      case 'undeclare':
        this.datapath.undeclare(step);
        break;
      case 'remove-peer':
        this.datapath.removePeer(step.id);
        break;
      case 'remove-network':
        this.datapath.removeNetwork(step.name);
        break;
      case 'set-underlay':
        this.lockVtepPorts(step.options.ports);
        this.datapath.setUnderlay(step.options);
        break;
      case 'put-network':
        this.datapath.putNetwork(step.name, step.options);
        break;
      case 'put-peer':
        this.datapath.putPeer(step.id, step.options);
        break;
      case 'delete-link':
        this.kernel.linkDelete(step.netns, step.ifname, step.alias);
        break;
      case 'create-tap':
        this.createTap(step.port, step.netns, step.cookie, offloads);
        break;
      case 'reattach-tap':
        this.reattachTap(step.port, step.netns, step.cookie, step.ifname, offloads);
        break;
      case 'set-mtu':
        this.kernel.linkSet(step.netns, step.ifname, { mtu: step.mtu });
        break;
      case 'declare':
        this.datapath.declare(step.entry);
        break;
    }
  }

  /** SO_REUSEPORT would let a second weftd bind the port and steal flows silently, so each port is locked first. */
  private lockVtepPorts(ports: readonly number[]): void {
    for (const port of ports) {
      if (this.lockedPorts.has(port)) continue;
      if (!this.kernel.lock(`vtep-${port}`))
        throw new WeftError('WEFT_VTEP_PORT_TAKEN', { port, holder: 'another weftd' });
      this.lockedPorts.add(port);
    }
  }

  private createTap(port: DesiredPort, netns: NetnsPath, cookie: string, offloads: TapOffloads): void {
    const { ifname, mac, mtu, addresses, alias } = port;
    const options = { netns, ifname, mac, mtu, addresses, alias, queues, gsoMaxSize, ...offloads };
    let made = false;
    try {
      this.datapath.addPort(port.id, { network: port.network, cookie, netns, pins: false }, () => {
        const { fds } = this.kernel.tapCreate(options);
        made = true;
        return fds;
      });
    } catch (error) {
      if (made) this.kernel.linkDelete(netns, ifname, alias);
      throw error;
    }
  }

  private reattachTap(
    port: DesiredPort,
    netns: NetnsPath,
    cookie: string,
    ifname: string,
    offloads: TapOffloads,
  ): void {
    const options = { netns, ifname, alias: port.alias, queues, ...offloads };
    this.datapath.addPort(
      port.id,
      { network: port.network, cookie, netns, pins: netns !== null },
      () => this.kernel.tapReattach(options).fds,
    );
    this.kernel.linkSet(netns, ifname, { mtu: port.mtu, gsoMaxSize });
  }
}

/** What the user is told about a step that failed. */
export function explain(step: Step, error: unknown): WeftError {
  if (error instanceof WeftError) return error;
  if (!isNativeError(error))
    return new WeftError('WEFT_INTERNAL', { reason: (error as Error).message }, { cause: error });
  const options = { cause: error };
  if (error.code === 'EADDRINUSE' && step.do === 'set-underlay') {
    return new WeftError(
      'WEFT_VTEP_PORT_TAKEN',
      { port: step.options.ports.join(' or '), holder: 'another program' },
      options,
    );
  }
  if (error.code === 'EPERM' || error.code === 'EACCES') {
    return new WeftError('WEFT_PERMISSION', { action: `${error.syscall} (${error.code})` }, options);
  }
  if (error.code === 'EEXIST' && step.do === 'create-tap') {
    const netns = step.netns === null ? 'the namespace of weftd' : `namespace ${step.netns}`;
    return new WeftError('WEFT_LINK_EXISTS', { ifname: step.port.ifname, netns }, options);
  }
  return new WeftError(
    'WEFT_KERNEL',
    { action: error.syscall, reason: error.message || error.code },
    options,
  );
}

/** Carries out the steps of a plan. Each is idempotent; one that fails leaves the rest alone and is planned again next round. */
import { setImmediate } from 'node:timers/promises';
import type { Datapath } from '../datapath/datapath.js';
import { isNativeError, type Kernel, type NetnsPath } from '../datapath/kernel.js';
import { WeftError } from '../errors.js';
import { familyOf } from '../model/address.js';
import { minMtuOfIpv6 } from '../model/mtu.js';
import type { DesiredPort, Step } from './plan.js';
import { type Gap, type Shortfall, UnderlayOpener } from './underlay.js';

export interface Failure {
  step: Step;
  error: WeftError;
  /** The step was carried out but for this. */
  gap?: Gap;
}

/** Offloads of TAPs that are made or reattached from now on. */
export interface TapOffloads {
  tso: boolean;
  uso: boolean;
}

/** Encapsulation grows a super-frame; above this one UDP send could not take it (65,507 bytes). */
const gsoMaxSize = 61_000;
/** weft refuses super-frames of more segments; a peer that announces a tiny MSS is no reason to lose them. */
const gsoMaxSegs = 128;
const queues = 1;

/** Ending a device waits for all CPUs, tens of milliseconds. */
const slow: ReadonlySet<Step['do']> = new Set(['create-tap', 'reattach-tap', 'detach-port', 'delete-link']);

export class Carrier {
  private readonly underlay: UnderlayOpener;

  constructor(
    private readonly datapath: Datapath,
    private readonly kernel: Kernel,
    private readonly expirePort: (id: string, reason: string) => void,
  ) {
    this.underlay = new UnderlayOpener(datapath, kernel);
  }

  /** As {@link run}, but lets others have the thread between steps that take the kernel long. */
  async runInTurns(steps: readonly Step[], offloads: TapOffloads): Promise<Failure[]> {
    const failures: Failure[] = [];
    for (const step of steps) {
      failures.push(...this.run([step], offloads));
      if (slow.has(step.do)) await setImmediate();
    }
    return failures;
  }

  run(steps: readonly Step[], offloads: TapOffloads): Failure[] {
    return steps.flatMap((step) => {
      try {
        return this.carryOut(step, offloads).map((shortfall) => ({ step, ...shortfall }));
      } catch (error) {
        return [{ step, error: explain(step, error) }];
      }
    });
  }

  private carryOut(step: Step, offloads: TapOffloads): Shortfall[] {
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
        return this.underlay.open(step.options);
      case 'put-network':
        this.datapath.putNetwork(step.name, step.options);
        break;
      case 'put-peer':
        this.datapath.putPeer(step.id, step.options);
        break;
      case 'tag-link':
        this.kernel.linkSet(step.netns, step.ifname, { alias: step.alias });
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
      case 'set-guard':
        this.datapath.setGuard(step.id, step.guard);
        break;
      case 'set-noqueue':
        this.kernel.linkSet(step.netns, step.ifname, { noqueue: true });
        break;
      case 'declare':
        // Where its network, port or peer could not be made, that is told of, and the entry waits.
        if (this.datapath.takes(step.entry)) this.datapath.declare(step.entry);
        break;
    }
    return [];
  }

  private createTap(port: DesiredPort, netns: NetnsPath, cookie: string, offloads: TapOffloads): void {
    const { ifname, mac, mtu, addresses, alias, roams } = port;
    checkMtu(port);
    const up = !roams;
    const options = {
      netns,
      ifname,
      mac,
      mtu,
      addresses,
      alias,
      queues,
      gsoMaxSize,
      gsoMaxSegs,
      up,
      ...offloads,
    };
    let made = false;
    try {
      this.datapath.addPort(
        port.id,
        { network: port.network, cookie, netns, pins: netns !== null },
        () => {
          const { fds } = this.kernel.tapCreate(options);
          made = true;
          return fds;
        },
        port.guard,
      );
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
    const kept = this.datapath.keeper.takePort(port.id, { alias: port.alias, cookie });
    this.datapath.addPort(
      port.id,
      { network: port.network, cookie, netns, pins: kept?.pins ?? netns !== null },
      () => kept?.fds ?? this.kernel.tapReattach(options).fds,
      port.guard,
    );
    this.kernel.linkSet(netns, ifname, { mtu: port.mtu, gsoMaxSize, gsoMaxSegs });
  }
}

/** The kernel would say EINVAL. */
function checkMtu({ addresses, mtu, network }: DesiredPort): void {
  const address = addresses.find((one) => familyOf(one) === 6);
  if (mtu >= minMtuOfIpv6 || address === undefined) return;
  const reason = `${address}: IPv6 needs an MTU of at least ${minMtuOfIpv6}, network "${network}" has ${mtu}`;
  throw new WeftError('WEFT_INVALID', { field: 'addresses', reason });
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
      { port: step.options.ports[0] ?? 0, holder: 'another program' },
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
  // The message of a native error begins with its syscall, which the sentence names already.
  const prefix = `${error.syscall}: `;
  const reason = error.message.startsWith(prefix) ? error.message.slice(prefix.length) : error.message;
  return new WeftError('WEFT_KERNEL', { action: error.syscall, reason: reason || error.code }, options);
}

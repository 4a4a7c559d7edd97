/**
 * The datapath's descriptors in the fd store: TAPs, so that the link of a container never loses its carrier, and the VTEP's receiving
 * sockets, so that datagrams wait in them. What comes back is believed only when the kernel says the same of it.
 */
import { closeSync } from 'node:fs';
import type { ExpectedTap, Keeper, KeptTap } from '../datapath/keeper.js';
import type { Native, Receiver } from '../datapath/native.js';
import { FdStore, type OnProblem } from './fd_store.js';
import type { PassedFd } from './listen_fds.js';

/** The only queue of a port. */
const tapName = (id: string) => `tap-${id}-0`;
const tapPattern = /^tap-(.+)-0$/;
const receiverName = ({ family, port }: Omit<Receiver, 'fd'>) => `vtep-${family}-${port}`;
const receiverPattern = /^vtep-/;

/** What takes sockets that are open already: the datapath. */
export interface ReceiverTaker {
  /** Owns the descriptor from here on; throws when it is no socket of ours. */
  offerReceiver(fd: number): Omit<Receiver, 'fd'>;
  closeOffered(): void;
  receivers(): Receiver[];
}

export class Kept implements Keeper {
  private readonly store: FdStore;
  private readonly offered = new Set<string>();
  private taps = 0;
  /** Told while nobody listened. */
  private problems: Parameters<OnProblem>[] = [];
  private onProblem: OnProblem | null = null;

  constructor(
    private readonly native: Pick<Native, 'notify' | 'tapIdentify'>,
    passed: readonly PassedFd[],
    private readonly close: (fd: number) => void = closeSync,
  ) {
    const isOurs = (name: string) => tapPattern.test(name) || receiverPattern.test(name);
    this.store = new FdStore(native, passed, isOurs, (name, reason) => this.tell(name, reason), close);
  }

  static isReceiver(name: string): boolean {
    return receiverPattern.test(name);
  }

  /** From now on; what was wrong before is told at once. */
  report(onProblem: OnProblem): void {
    this.onProblem = onProblem;
    for (const problem of this.problems.splice(0)) onProblem(...problem);
  }

  /** TAPs that were taken. */
  get taken(): number {
    return this.taps;
  }

  /** Gives the datapath the sockets that came back, before it opens any. */
  offerReceivers(to: ReceiverTaker): void {
    for (const name of this.store.left.filter((one) => receiverPattern.test(one))) {
      const fd = this.store.take(name) as number;
      try {
        const found = receiverName(to.offerReceiver(fd));
        if (found !== name) throw new Error(`it is ${found}`);
        this.offered.add(name);
      } catch (error) {
        this.store.refuse(name, (error as Error).message);
      }
    }
  }

  takePort(id: string, { alias, cookie }: ExpectedTap): KeptTap | null {
    const name = tapName(id);
    const fd = this.store.take(name);
    if (fd === null) return null;
    try {
      const found = this.native.tapIdentify(fd);
      if (found.alias !== alias) throw new Error(`it is ${found.ifname} with alias "${found.alias}"`);
      if (cookie !== undefined && found.cookie !== cookie)
        throw new Error(`${found.ifname} is in another namespace`);
      this.taps += 1;
      return { fds: [fd], pins: found.pins };
    } catch (error) {
      this.close(fd);
      this.store.refuse(name, (error as Error).message);
      return null;
    }
  }

  /** When all that is wanted was made: what nobody has taken belongs to nothing any more. */
  settled(taker: ReceiverTaker): void {
    for (const name of this.store.left) this.store.refuse(name, 'nothing needs it any more');
    taker.closeOffered();
    this.offered.clear();
    this.keepReceivers(taker.receivers());
  }

  /** Lets go of everything, in use or not: it is closed here, and nothing is left in the store. */
  abandon(reason: string): void {
    for (const name of [...this.store.left, ...this.store.names]) this.store.refuse(name, reason);
    this.offered.clear();
    this.taps = 0;
  }

  keepPort(id: string, fds: readonly number[]): void {
    for (const fd of fds) this.store.keep(tapName(id), fd);
  }

  dropPort(id: string): void {
    this.store.drop(tapName(id));
  }

  keepReceivers(receivers: readonly Receiver[]): void {
    const used = new Set(receivers.map(receiverName));
    for (const name of this.store.names)
      if (receiverPattern.test(name) && !used.has(name) && !this.offered.has(name)) this.store.drop(name);
    for (const receiver of receivers) this.store.keep(receiverName(receiver), receiver.fd);
  }

  private tell(name: string, reason: string): void {
    if (this.onProblem === null) this.problems.push([name, reason]);
    else this.onProblem(name, reason);
  }
}

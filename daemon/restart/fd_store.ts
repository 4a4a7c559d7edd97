/**
 * systemd's fd store (FDSTORE=1 of sd_notify(3)): copies of descriptors that live on while weftd does not, and come back by name when it
 * is started again. Without systemd nothing is kept and nothing comes back.
 */
import { closeSync } from 'node:fs';
import type { Native } from '../datapath/native.js';
import type { PassedFd } from './listen_fds.js';

/** Told about what came back and could not be used, and about what could not be kept. */
export type OnProblem = (name: string, reason: string) => void;

export class FdStore {
  /** Of a former weftd, and not taken yet. */
  private readonly waiting = new Map<string, number>();
  private readonly kept = new Set<string>();

  /** Takes those of `passed` that `isOurs` says are of the store. */
  constructor(
    private readonly native: Pick<Native, 'notify'>,
    passed: readonly PassedFd[],
    isOurs: (name: string) => boolean,
    private readonly onProblem: OnProblem,
    private readonly close: (fd: number) => void = closeSync,
  ) {
    const ambiguous = new Set<string>();
    for (const { fd, name } of passed.filter((one) => isOurs(one.name))) {
      if (this.waiting.has(name) || ambiguous.has(name)) {
        ambiguous.add(name);
        this.close(fd);
      } else this.waiting.set(name, fd);
    }
    for (const name of ambiguous) this.refuse(name, 'there are several of this name');
  }

  /** Names that nobody has taken. */
  get left(): string[] {
    return [...this.waiting.keys()];
  }

  /** Names of what is kept and in use. */
  get names(): string[] {
    return [...this.kept];
  }

  /** The caller owns the descriptor, of which the store goes on holding a copy. */
  take(name: string): number | null {
    const fd = this.waiting.get(name);
    if (fd === undefined) return null;
    this.waiting.delete(name);
    this.kept.add(name);
    return fd;
  }

  /** Once for each name, until it is dropped. */
  keep(name: string, fd: number): void {
    if (this.kept.has(name)) return;
    // systemd would take what others do with the descriptor for a reason to look at it, and waking for it would cost each frame.
    if (this.tell(name, `FDSTORE=1\nFDNAME=${name}\nFDPOLL=0`, [fd])) this.kept.add(name);
  }

  drop(name: string): void {
    if (this.kept.delete(name)) this.tell(name, `FDSTOREREMOVE=1\nFDNAME=${name}`);
  }

  /** Closes a descriptor that nobody has taken and takes it out of the store. */
  refuse(name: string, reason: string): void {
    const fd = this.waiting.get(name);
    if (fd !== undefined) this.close(fd);
    this.waiting.delete(name);
    this.kept.add(name);
    this.drop(name);
    this.onProblem(name, reason);
  }

  private tell(name: string, state: string, fds: number[] = []): boolean {
    try {
      return this.native.notify(state, fds);
    } catch (error) {
      this.onProblem(name, `the service manager was not told: ${(error as Error).message}`);
      return false;
    }
  }
}

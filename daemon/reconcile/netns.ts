/** Finds the network namespace that a user means, and finds it again later. */
import { errnoOf, isPassing, type Kernel } from '../datapath/kernel.js';
import { WeftError } from '../errors.js';
import type { NetnsRecord } from '../model/objects.js';
import type { Place } from './plan.js';
import type { Proc } from './proc.js';

export class Namespaces {
  /** What this round saw already: opening a namespace costs a thread's setns, and many ports may share one. */
  private readonly seen = new Map<string, string>();
  /** Of the namespaces that were seen, by cookie. */
  private inodes = new Map<string, string>();
  /** Cookies of those that our own descriptors keep alive, by inode. */
  private held = new Map<string, string>();
  private own: string | null = null;

  constructor(
    private readonly kernel: Kernel,
    private readonly proc: Proc,
  ) {}

  /** A process stays in the namespace that it was started in, unless it leaves it itself. */
  get ownCookie(): string {
    this.own ??= this.kernel.netnsInfo(null).cookie;
    return this.own;
  }

  /**
   * `given` is NAME, an absolute path, or a PID, as the process `caller` sees them (null: as weftd does). Throws
   * WEFT_NETNS_NOT_FOUND.
   */
  resolve(given: string, caller: number | null): NetnsRecord {
    const root = caller === null ? '' : `/proc/${caller}/root`;
    const { kind, path } = pathOf(given);
    const cookie = this.cookieOf(given, `${root}${path}`);
    const lasting =
      root === '' ? path : this.lastingPaths(path).find((one) => this.tryCookie(one) === cookie);
    const startTime = kind === 'pid' && lasting === path ? this.proc.startTime(Number(given)) : null;
    return {
      kind,
      given,
      path: lasting ?? `${root}${path}`,
      cookie,
      bootId: this.proc.bootId(),
      startTime,
    };
  }

  /** From here on {@link locate} and {@link cookieAt} look again. `held` are cookies of namespaces that our own descriptors keep alive. */
  beginRound(held: ReadonlySet<string> = new Set()): void {
    this.seen.clear();
    this.inodes = new Map([...this.inodes].filter(([cookie]) => held.has(cookie)));
    this.held = new Map([...this.inodes].map(([cookie, inode]) => [inode, cookie]));
  }

  /** Cookie of the namespace at a path, as this round saw it. Throws what the kernel refuses. */
  cookieAt(path: string): string {
    const seen = this.seen.get(path);
    if (seen !== undefined) return seen;
    // Nobody else gets the inode of a namespace that lives, so those that we hold are known without going there.
    const known = this.held.get(this.proc.netnsInode(path) ?? '');
    const { cookie, inode } =
      known === undefined
        ? this.kernel.netnsInfo(path)
        : { cookie: known, inode: this.inodes.get(known) ?? '' };
    this.seen.set(path, cookie);
    this.inodes.set(cookie, inode);
    return cookie;
  }

  /** Where the namespace of a record is now. A present one may have another cookie than the record: a NAME that was made again. */
  locate(record: NetnsRecord | null): Place {
    if (record === null) return { state: 'present', path: null, cookie: this.ownCookie };
    if (record.kind === 'pid') return this.locateProcess(record);
    try {
      return { state: 'present', path: record.path, cookie: this.cookieAt(record.path) };
    } catch (error) {
      if (isPassing(error)) return unsure(record, error);
      const elsewhere = this.locateElsewhere(record);
      if (elsewhere !== null) return elsewhere;
      return {
        state: 'gone',
        reason: `namespace ${record.given} is not there (${errnoOf(error) ?? 'unreadable'})`,
        inhabited: this.inhabited(record.cookie),
      };
    }
  }

  /** Whether a namespace is there now, whatever this round saw. */
  exists(given: string): boolean {
    return this.lastingPaths(outsideVar(given)).some((path) => this.tryCookie(path) !== null);
  }

  /** What a path leads to that an engine named; `path` is one that opens it from here. */
  find(
    given: string,
  ):
    | { state: 'present'; path: string; cookie: string }
    | { state: 'absent' }
    | { state: 'unsure'; reason: string } {
    for (const path of this.lastingPaths(outsideVar(given))) {
      try {
        return { state: 'present', path, cookie: this.cookieAt(path) };
      } catch (error) {
        if (isPassing(error))
          return { state: 'unsure', reason: `${given} cannot be looked at (${errnoOf(error)})` };
      }
    }
    return { state: 'absent' };
  }

  private inhabited(cookie: string): boolean {
    const inode = this.inodes.get(cookie);
    return inode !== undefined && this.proc.inhabits(inode);
  }

  /**
   * The way through a caller ends with it, but the namespace may be in reach of our own by now: a new mount namespace shows what was
   * mounted before it was made. Within one boot the cookie proves that it is the same one.
   */
  private locateElsewhere(record: NetnsRecord): Place | null {
    for (const path of this.lastingPaths(pathOf(record.given).path)) {
      const cookie = path === record.path ? null : this.tryCookie(path);
      if (cookie === null) continue;
      if (cookie === record.cookie || record.bootId !== this.proc.bootId())
        return { state: 'present', path, cookie };
    }
    return null;
  }

  /** Where a path of a caller may also be found after the caller is gone: in our own root, or in that of the host's first process. */
  private lastingPaths(path: string): string[] {
    return [path, `/proc/1/root${path}`];
  }

  private locateProcess(record: NetnsRecord): Place {
    const dead: Place = { state: 'dead', reason: `process ${record.given} has ended` };
    if (record.bootId !== this.proc.bootId()) return dead;
    let cookie: string;
    try {
      if (record.startTime !== null && this.proc.startTime(Number(record.given)) !== record.startTime)
        return dead;
      cookie = this.cookieAt(record.path);
    } catch (error) {
      return isPassing(error) ? unsure(record, error) : dead;
    }
    if (cookie !== record.cookie)
      return { state: 'dead', reason: `process ${record.given} moved to another namespace` };
    return { state: 'present', path: record.path, cookie };
  }

  private tryCookie(path: string): string | null {
    try {
      return this.kernel.netnsInfo(path).cookie;
    } catch {
      return null;
    }
  }

  private cookieOf(given: string, path: string): string {
    try {
      return this.kernel.netnsInfo(path).cookie;
    } catch (cause) {
      const code = errnoOf(cause);
      if ((code === 'EPERM' || code === 'EACCES') && /^\/proc\/\d+\/ns\//.test(path))
        throw new WeftError('WEFT_NETNS_DENIED', { netns: given, errno: code }, { cause });
      if (code === 'EPERM' || code === 'EACCES') {
        throw new WeftError('WEFT_PERMISSION', { action: `to open network namespace ${given}` }, { cause });
      }
      const reasons: Record<string, string> = {
        ENOENT: 'no such file',
        ESRCH: 'no such process',
        EINVAL: 'not a network namespace',
      };
      const reason = reasons[code ?? ''] ?? code ?? (cause as Error).message;
      throw new WeftError('WEFT_NETNS_NOT_FOUND', { netns: given, reason }, { cause });
    }
  }
}

function unsure(record: NetnsRecord, error: unknown): Place {
  return {
    state: 'unsure',
    reason: `namespace ${record.given} cannot be looked at (${errnoOf(error) ?? 'unreadable'})`,
  };
}

function pathOf(given: string): { kind: NetnsRecord['kind']; path: string } {
  if (/^[1-9]\d{0,9}$/.test(given)) return { kind: 'pid', path: `/proc/${given}/ns/net` };
  if (given.startsWith('/') && !given.includes('\0') && given.length < 4096)
    return { kind: 'path', path: given };
  if (/^[^/\0]{1,255}$/.test(given) && given !== '.' && given !== '..')
    return { kind: 'name', path: `/run/netns/${given}` };
  throw new WeftError('WEFT_NETNS_NOT_FOUND', {
    netns: JSON.stringify(given),
    reason: 'neither a name, an absolute path, nor a PID',
  });
}

/** /var/run is a link to /run; an absolute link of another root would be followed in ours. */
function outsideVar(path: string): string {
  return path.replace(/^\/var\/run\//, '/run/');
}

/** What /proc tells about processes and this boot. */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';

export interface Proc {
  /** Changes with every boot. */
  bootId(): string;
  /** Start time of a process in clock ticks since boot; null when there is no such process. Throws when /proc cannot be read. */
  startTime(pid: number): string | null;
  /** Inode of the namespace that a path leads to; null when it leads to none. Belongs to another one once that is gone. */
  netnsInode(path: string): string | null;
  /** Whether a process is in the network namespace of this inode. */
  inhabits(inode: string): boolean;
}

let boot: string | null = null;
/** Device of the files that stand for namespaces. */
let nsfs: number | null = null;

export const linuxProc: Proc = {
  bootId: () => {
    boot ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return boot;
  },
  startTime: (pid) => {
    try {
      // proc(5): field 22, counted behind the command, which is in parentheses and may hold anything.
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      // A zombie has closed its files and holds nothing any more.
      return fields[0] === 'Z' || fields[0] === 'X' ? null : (fields[19] ?? null);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ESRCH') return null;
      throw error;
    }
  },
  netnsInode: (path) => {
    try {
      const { dev, ino } = statSync(path);
      nsfs ??= statSync('/proc/self/ns/net').dev;
      return dev === nsfs ? String(ino) : null;
    } catch {
      return null;
    }
  },
  inhabits: (inode) => {
    const wanted = `net:[${inode}]`;
    return readdirSync('/proc').some((name) => /^\d+$/.test(name) && netnsOf(name) === wanted);
  },
};

/** As the kernel writes it; null for a process that has ended meanwhile. */
function netnsOf(pid: string): string | null {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return null;
  }
}

/** What /proc tells about processes and this boot. */
import { readFileSync } from 'node:fs';

export interface Proc {
  /** Changes with every boot. */
  bootId(): string;
  /** Start time of a process in clock ticks since boot; null when there is no such process. Throws when /proc cannot be read. */
  startTime(pid: number): string | null;
}

let boot: string | null = null;

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
};

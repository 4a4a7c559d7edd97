/** What /proc tells about processes and this boot. */
import { readFileSync } from 'node:fs';

export interface Proc {
  /** Changes with every boot. */
  bootId(): string;
  /** Start time of a process in clock ticks since boot; null when there is no such process. */
  startTime(pid: number): string | null;
}

export const linuxProc: Proc = {
  bootId: () => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
  startTime: (pid) => {
    try {
      // proc(5): field 22, counted behind the command, which is in parentheses and may hold anything.
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      // A zombie has closed its files and holds nothing any more.
      return fields[0] === 'Z' || fields[0] === 'X' ? null : (fields[19] ?? null);
    } catch {
      return null;
    }
  },
};

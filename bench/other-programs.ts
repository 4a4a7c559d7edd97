import { readdirSync, readFileSync } from 'node:fs';

/** PID of kthreadd, the parent of all kernel threads: what they do is the kernel's work for whoever asked. */
const KTHREADD = 2;

/** One process of /proc. */
export interface ProcessStat {
  pid: number;
  parent: number;
  /** User and system time of itself and of the children that it has waited for: what ended in between is not lost. */
  ticks: number;
  /** The same without the children's: user and system time of all its threads. */
  ownTicks: number;
}

/** Parses /proc/PID/stat (proc_pid_stat(5)). The name in parentheses may hold anything. */
export function parseProcessStat(text: string): ProcessStat {
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const field = (number: number) => fields[number - 3] ?? 0;
  const ownTicks = field(14) + field(15);
  return {
    pid: Number.parseInt(text, 10),
    parent: field(4),
    ticks: ownTicks + field(16) + field(17),
    ownTicks,
  };
}

export function readProcesses(): ProcessStat[] {
  const processes: ProcessStat[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      processes.push(parseProcessStat(readFileSync(`/proc/${name}/stat`, 'utf8')));
    } catch {
      // It ended while we looked.
    }
  }
  return processes;
}

/** Ticks of all programs together that neither are one of `roots` or descend from it nor are kernel threads. */
export function otherTicks(processes: readonly ProcessStat[], roots: ReadonlySet<number>): number {
  const parents = new Map(processes.map(({ pid, parent }) => [pid, parent]));
  const descends = (pid: number) => {
    for (let at: number | undefined = pid; at !== undefined; at = parents.get(at)) {
      if (roots.has(at) || at === KTHREADD) return true;
    }
    return false;
  };
  return processes.reduce((sum, { pid, ticks }) => (descends(pid) ? sum : sum + ticks), 0);
}

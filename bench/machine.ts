import { cpus, release } from 'node:os';
import type { Namespace } from '../lab/namespace.js';

/** USER_HZ, in which /proc tells times, on every machine that Node runs on. */
const TICKS_A_SECOND = 100;

/** Ticks of all CPUs together since some time in the past. */
export interface CpuTicks {
  idle: number;
  steal: number;
  total: number;
}

/** What the whole machine did between two samples. */
export interface CpuUse {
  /** CPUs that were not idle, stolen time left out: 0 to the number of CPUs. */
  busyCpus: number;
  /** 0 to 1: time that the hypervisor gave to others while we wanted to run. */
  stealShare: number;
  /** CPUs that programs used which are not of this run: an estimate, as /proc cannot be read all at once. */
  otherCpus: number;
  /** CPUs that the work took: the busy ones, less those of other programs and what the machine uses when this run is idle. */
  workCpus: number;
  /** CPUs of the system's own daemons, on both hosts together; a part of `workCpus`. */
  daemonCpus: number;
}

/**
 * Parses the first line of /proc/stat (proc_stat(5)): user nice system idle iowait irq softirq steal. Only idle and stolen time are by the
 * clock. The others are what the timer's interrupt met, which misses or doubles work that begins and ends in step with it, and
 * with them goes their sum; so the total is that of the clock.
 */
export function parseCpuTicks(text: string, clockSeconds: number, cpuCount: number): CpuTicks {
  const fields = /^cpu\s+([\d ]+)/m.exec(text)?.[1]?.trim().split(/ +/).map(Number);
  if (fields === undefined || fields.length < 8) throw new Error('/proc/stat has no line of all CPUs');
  const [, , , idle = 0, iowait = 0, , , steal = 0] = fields;
  return { idle: idle + iowait, steal, total: clockSeconds * TICKS_A_SECOND * cpuCount };
}

/** The time that has passed on a machine, by who has used it. */
export interface CpuSample {
  machine: CpuTicks;
  /** Ticks of the programs that are not of this run. */
  others: number;
  /** Ticks of the daemons of the system that is measured. */
  daemons: number;
}

/** Between two samples. `idleCpus` is what the machine uses when this run is idle. */
export function cpuUse(before: CpuSample, after: CpuSample, cpuCount: number, idleCpus = 0): CpuUse {
  const total = after.machine.total - before.machine.total;
  if (total <= 0) return { busyCpus: 0, stealShare: 0, otherCpus: 0, workCpus: 0, daemonCpus: 0 };
  const inCpus = (ticks: number) => (Math.max(0, ticks) / total) * cpuCount;
  const idle = after.machine.idle - before.machine.idle;
  const steal = after.machine.steal - before.machine.steal;
  const busyCpus = inCpus(total - idle - steal);
  const otherCpus = Math.min(inCpus(after.others - before.others), busyCpus);
  return {
    busyCpus,
    stealShare: steal / total,
    otherCpus,
    workCpus: Math.max(0, busyCpus - otherCpus - idleCpus),
    daemonCpus: inCpus(after.daemons - before.daemons),
  };
}

/** For the head of a report: what the figures were measured on. */
export interface MachineInfo {
  cpus: number;
  model: string;
  kernel: string;
  node: string;
}

export function describeMachine(): MachineInfo {
  const all = cpus();
  return { cpus: all.length, model: all[0]?.model ?? 'unknown', kernel: release(), node: process.version };
}

/**
 * Whether the bridges in a namespace hand IP packets to its firewall; undefined where that cannot be read. Every namespace has a setting of its
 * own and begins with 1, whatever the host has chosen, once br_netfilter is there: net/bridge/br_netfilter_hooks.c of the kernel.
 */
export async function bridgeFirewall(
  inside: Pick<Namespace, 'attempt'> | undefined,
): Promise<boolean | undefined> {
  const file = '/proc/sys/net/bridge/bridge-nf-call-iptables';
  const read = await inside?.attempt(['sh', '-c', `if [ -e ${file} ]; then cat ${file}; else echo 0; fi`]);
  const setting = read?.stdout.trim();
  return setting === '0' || setting === '1' ? setting === '1' : undefined;
}

/** What hosts of the lab know of the processes that they start. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { inCgroups } from './cgroups.js';

/** Starts a program as a member of these cgroups; its output goes to the file with this descriptor. */
export function spawnIn(
  cgroups: readonly string[],
  log: number,
  env: Record<string, string>,
  argv: readonly string[],
): ChildProcess {
  const [file, ...rest] = inCgroups(cgroups, argv) as [string, ...string[]];
  const child = spawn(file, rest, { stdio: ['ignore', log, log], env: { ...process.env, ...env }, cwd: '/' });
  child.on('error', () => {});
  return child;
}

export function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null || child.pid === undefined;
}

/** Waits for a child that is dying already. */
export function ended(child: ChildProcess): Promise<void> {
  return hasEnded(child) ? Promise.resolve() : new Promise((resolve) => child.once('exit', () => resolve()));
}

/** PID of the process that nsenter or unshare has forked. */
export function onlyChild(child: ChildProcess): number | undefined {
  const pids = read(`/proc/${child.pid}/task/${child.pid}/children`).trim();
  return pids === '' ? undefined : Number(pids.split(' ')[0]);
}

/** The PID that a process of a host has there. */
export function innerPid(pid: number): number | undefined {
  const [, pids] = /^NSpid:\s+(.*)$/m.exec(read(`/proc/${pid}/status`)) ?? [];
  return pids === undefined ? undefined : Number(pids.split(/\s+/).at(-1));
}

/** The contents of a file; empty when it cannot be read. */
export function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

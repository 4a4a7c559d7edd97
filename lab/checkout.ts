/** Where the programs are that the lab runs, whether this runs from the sources or from dist. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const above = existsSync(new URL('../package.json', import.meta.url)) ? '../' : '../../';
const inCheckout = (path: string) => fileURLToPath(new URL(above + path, import.meta.url));

export const weftProgram = inCheckout('dist/daemon/cli/main.js');
export const weftdProgram = inCheckout('dist/daemon/main.js');
export const demoProgram = inCheckout('dist/lab/demo.js');
export const dockerDemoProgram = inCheckout('dist/lab/demo-docker.js');
export const cleanProgram = inCheckout('dist/lab/clean.js');
export const dockerHostInit = inCheckout('lab/docker-host-init');
export const systemdHostInit = inCheckout('lab/systemd-host-init');
/** The directory of all of it. */
export const checkout = inCheckout('');
export const scapyCheck = inCheckout('lab/scapy-check');
export const setupScript = inCheckout('scripts/setup');
export const benchResults = inCheckout('bench/results');
export const performancePage = inCheckout('docs/performance.md');

/** A program of build/native: the benchmark's generators and micro-benchmarks. */
export function benchTool(name: string): string {
  return inCheckout(`build/native/${name}`);
}

/** A program of lab/native. */
export function tool(name: string): string {
  return inCheckout(`build/lab/${name}`);
}

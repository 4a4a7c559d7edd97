import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { kernelPair } from './kernel_pair.js';
import { cpuUse, describeMachine, sampleCpu } from './machine.js';
import { measurements } from './measurements.js';
import { type BenchOptions, parseOptions } from './options.js';
import { awaitReachable, guestMtu, type Pair } from './pair.js';
import { Processes } from './processes.js';
import { progress } from './progress.js';
import { markdown, type RunInfo, summarize } from './report.js';
import { runRounds } from './rounds.js';
import { Underlay } from './underlay.js';
import { weftPair } from './weft_pair.js';

const LOAD_SAMPLE_MILLISECONDS = 1000;
const BUSY_CPUS_LIMIT = 0.1;

const options = await parseOptions(process.argv.slice(2));
const processes = new Processes();
const directory = mkdtempSync(join(tmpdir(), 'weft-bench-'));
const underlay = new Underlay();

let interruptedBy: number | null = null;
const signals = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
for (const [name, value] of Object.entries(signals)) {
  process.on(name, () => {
    interruptedBy = value;
    void processes.stopAll();
  });
}

try {
  await bench(options);
} catch (error) {
  process.exitCode = interruptedBy === null ? 1 : 128 + interruptedBy;
  process.stderr.write(`bench: ${interruptedBy === null ? explain(error) : 'interrupted, cleaning up'}\n`);
} finally {
  await processes.stopAll();
  underlay.close();
  rmSync(directory, { recursive: true, force: true });
}

function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${explain(error.cause)}`;
}

async function bench({ rounds, seconds, only, systems, json }: BenchOptions): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error('needs root, to make network namespaces');
  const names = { baseline: 'kernel', subject: 'weft' };
  underlay.open();
  const pairs: Pair[] = [];
  if (systems.includes('kernel')) pairs.push(kernelPair(underlay));
  if (systems.includes('weft')) pairs.push(await weftPair(underlay, processes, directory));
  const info: RunInfo = {
    machine: describeMachine(),
    busyCpusBefore: await loadBefore(),
    date: new Date().toISOString().slice(0, 10),
    rounds,
    seconds,
    guestMtu: {},
  };
  for (const pair of pairs) {
    await awaitReachable(pair, processes);
    info.guestMtu[pair.name] = await guestMtu(pair.client, processes);
  }
  const chosen = measurements(processes).filter((measurement) => only.includes(measurement.key));
  const onStep = progress(process.stderr);
  const series = await runRounds(pairs, chosen, { rounds, seconds, onStep });
  const summaries = chosen.flatMap((measurement, index) => {
    const one = series[index];
    return one === undefined ? [] : [summarize(measurement, one, names)];
  });
  if (json !== null) writeFileSync(json, `${JSON.stringify({ info, summaries, series }, null, 2)}\n`);
  process.stdout.write(`\n${markdown(info, summaries, names)}`);
}

/** What other programs use of the machine; above a few percent the figures of this run are theirs too. */
async function loadBefore(): Promise<number> {
  const before = sampleCpu();
  await delay(LOAD_SAMPLE_MILLISECONDS);
  const load = cpuUse(before, sampleCpu(), describeMachine().cpus).busyCpus;
  if (load > BUSY_CPUS_LIMIT) {
    process.stderr.write(
      `bench: other programs keep ${load.toFixed(2)} CPUs busy; the figures will suffer from it\n`,
    );
  }
  return load;
}

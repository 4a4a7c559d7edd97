import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { benchResults, performancePage, setupScript } from '../lab/checkout.js';
import { Lab } from '../lab/lab.js';
import { compareResults, comparisonText, sourceOf } from './compare.js';
import { gateReference, gateText, judge } from './gate.js';
import { describeMachine } from './machine.js';
import { machineName } from './machine-name.js';
import { Meter } from './meter.js';
import { type BenchOptions, parseCommand } from './options.js';
import { writeOutcome } from './outcome.js';
import { publish } from './page.js';
import { report } from './report.js';
import type { Result } from './results.js';
import { measure } from './run.js';
import { checkWritable, commitOf, freeName, readResult, writeResult } from './store.js';
import { systems } from './systems/index.js';
import { experiments, workloads } from './workloads/index.js';

// A reader that has gone, such as that of `| head`, ends neither a run nor its cleaning up.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') process.exitCode = 1;
  });
}

const meter = new Meter();
const equipment = {
  ...{ systems, workloads: workloads(meter), experiments: experiments(meter), meter },
  commit: () => commitOf(import.meta.dirname),
};

try {
  const command = await parseCommand(process.argv.slice(2), {
    figures: [...equipment.workloads, ...equipment.experiments],
    systems: systems.map(({ key }) => key),
  });
  switch (command.name) {
    case 'run':
      await bench(command.options);
      break;
    case 'packages':
      for (const name of packagesOf(command.options)) print(`${name}\n`);
      break;
    case 'compare':
      compare(command);
      break;
    case 'report':
      await reportAgain(command);
      break;
  }
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

async function bench(options: BenchOptions): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error('needs root, to make network namespaces');
  const { cpus, model } = describeMachine();
  const machine = options.machine ?? machineName(cpus, model);
  const reference =
    options.gate === null ? null : gateReference(options.gate.file, benchResults, machine, options.only);
  if (options.save) {
    mkdirSync(benchResults, { recursive: true });
    checkWritable(join(benchResults, `${machine}.json`));
  }
  if (options.json !== null) checkWritable(options.json);
  install(packagesOf(options));
  const lab = await Lab.open();
  let result: Result;
  try {
    result = await measure(lab, equipment, { ...options, machine }, process.stderr);
  } finally {
    await lab.close();
  }
  if (options.save) {
    const name = freeName(benchResults, result);
    await writeOutcome(benchResults, name, result);
    process.stderr.write(`written: bench/results/${name}.json, .md and charts\n`);
  }
  if (options.json !== null) writeResult(options.json, result);
  if (reference === null) {
    print(report(result, new Map()));
  } else {
    const verdicts = judge(reference.result, result, options.only);
    print(gateText(verdicts, reference.file, result.figures));
    if (verdicts.some(({ pass }) => !pass)) process.exitCode = 1;
  }
  if (result.series.every(({ readings }) => readings.every((reading) => reading === null))) {
    throw new Error('nothing could be measured');
  }
}

async function reportAgain(asked: { file: string; publish: boolean }): Promise<void> {
  const result = readResult(asked.file);
  const name = basename(asked.file, '.json');
  await writeOutcome(dirname(asked.file), name, result);
  if (!asked.publish) return;
  writeFileSync(performancePage, publish(readFileSync(performancePage, 'utf8'), result, name));
}

function compare(asked: { before: string; after: string; json: boolean }): void {
  const before = readResult(asked.before);
  const after = readResult(asked.after);
  const comparison = compareResults(before, after);
  const names = { before: sourceOf(asked.before, before), after: sourceOf(asked.after, after) };
  print(asked.json ? `${JSON.stringify(comparison, null, 2)}\n` : comparisonText(comparison, names));
}

/** The Debian packages of the systems and experiments of a run, each once. */
function packagesOf(options: BenchOptions): string[] {
  const chosen = [
    ...systems.filter(({ key }) => options.systems.includes(key)),
    ...equipment.experiments.filter(({ key }) => options.only.includes(key)),
  ];
  return [...new Set(chosen.flatMap(({ packages }) => packages ?? []))];
}

/** Installs the packages that are missing; one that is not to be had takes its system out of the run. */
function install(packages: readonly string[]): void {
  // Without packages, setup would take all of them.
  if (packages.length === 0) return;
  execFileSync(setupScript, ['bench', ...packages], {
    stdio: ['ignore', process.stderr.fd, process.stderr.fd],
  });
}

function print(text: string): void {
  process.stdout.write(text);
}

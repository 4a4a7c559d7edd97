import { writeFileSync } from 'node:fs';
import { Lab } from '../lab/lab.js';
import { describeMachine } from './machine.js';
import { Meter } from './meter.js';
import { type BenchOptions, parseOptions } from './options.js';
import { progress } from './progress.js';
import { markdown, type RunInfo } from './report.js';
import { runRounds } from './rounds.js';
import { summarize } from './summary.js';
import { systems } from './systems/index.js';
import { experimentTrials, type Participant, participate, workloadTrials } from './trials.js';
import { experiments, workloads } from './workloads/index.js';

const IDLE_SECONDS = 3;

const meter = new Meter();
const catalogue = { workloads: workloads(meter), experiments: experiments(meter) };
const figures = [...catalogue.workloads, ...catalogue.experiments];

try {
  const options = await parseOptions(process.argv.slice(2), {
    figures,
    systems: systems.map(({ key }) => key),
  });
  if (process.getuid?.() !== 0) throw new Error('needs root, to make network namespaces');
  const lab = await Lab.open();
  try {
    await bench(lab, options);
  } finally {
    await lab.close();
  }
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

async function bench(lab: Lab, options: BenchOptions): Promise<void> {
  const { rounds, seconds, only, keepDisturbed, json } = options;
  const traffic = catalogue.workloads.filter(({ key }) => only.includes(key));
  const participants: Participant[] = [];
  for (const system of systems.filter(({ key }) => options.systems.includes(key))) {
    const participant = await participate(lab, system, meter, traffic.length > 0);
    participants.push(participant);
    const { failure, version } = participant;
    process.stderr.write(`${system.key.padEnd(12)} ${version}${failure === null ? '' : `: ${failure}`}\n`);
  }
  await meter.calibrate(IDLE_SECONDS);
  const trials = [
    ...workloadTrials(traffic, participants),
    ...experimentTrials(
      catalogue.experiments.filter(({ key }) => only.includes(key)),
      options.systems,
    ),
  ];
  const series = await runRounds(trials, {
    rounds,
    seconds,
    keepDisturbed,
    onStep: progress(process.stderr),
    interrupted: () => lab.interrupted,
  });
  const info: RunInfo = {
    machine: describeMachine(),
    date: new Date().toISOString().slice(0, 10),
    rounds,
    seconds,
    idleCpus: meter.idleCpus,
    subject: systems[0]?.key ?? '',
    systems: participants.map(({ system: { key, title, layer }, version, guestMtu, failure }) => ({
      ...{ key, title, layer, version, guestMtu, failure },
    })),
  };
  const summaries = summarize(figures, series, info.subject);
  if (json !== null) writeFileSync(json, `${JSON.stringify({ info, summaries, series }, null, 2)}\n`);
  process.stdout.write(`\n${markdown(info, summaries)}`);
}

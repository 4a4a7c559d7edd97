import { writeFileSync } from 'node:fs';
import { Lab } from '../lab/lab.js';
import { describeMachine } from './machine.js';
import { measurements } from './measurements.js';
import { type BenchOptions, parseOptions } from './options.js';
import { kernelPair, weftPair } from './pair.js';
import { progress } from './progress.js';
import { markdown, type RunInfo, summarize } from './report.js';
import { runRounds } from './rounds.js';

const names = { baseline: 'kernel', subject: 'weft' };
const makers = { kernel: kernelPair, weft: weftPair };

try {
  const options = await parseOptions(process.argv.slice(2));
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

async function bench(
  lab: Lab,
  { rounds, seconds, only, systems, keepDisturbed, json }: BenchOptions,
): Promise<void> {
  const info: RunInfo = {
    machine: describeMachine(),
    date: new Date().toISOString().slice(0, 10),
    rounds,
    seconds,
    guestMtu: {},
  };
  const pairs = await Promise.all(systems.map((system) => makers[system](lab)));
  for (const pair of pairs) {
    await pair.client.reach(pair.serverAddress);
    info.guestMtu[pair.name] = Number(await pair.client.sys('mtu'));
  }
  const chosen = measurements().filter((measurement) => only.includes(measurement.key));
  const series = await runRounds(pairs, chosen, {
    rounds,
    seconds,
    keepDisturbed,
    onStep: progress(process.stderr),
  });
  const summaries = chosen.flatMap((measurement, index) => {
    const one = series[index];
    return one === undefined ? [] : [summarize(measurement, one, names)];
  });
  if (json !== null) writeFileSync(json, `${JSON.stringify({ info, summaries, series }, null, 2)}\n`);
  process.stdout.write(`\n${markdown(info, summaries, names)}`);
}

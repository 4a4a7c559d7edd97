import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { drawCharts } from './charts.js';
import { report } from './report.js';
import type { Result } from './results.js';
import { writeReport, writeResult } from './store.js';
import { summarize } from './summary.js';

/** Writes a result, its report and its charts, under one name. The result comes first: readings that took hours outlive what goes wrong later. */
export async function writeOutcome(
  dir: string,
  name: string,
  result: Result,
  draw = drawCharts,
): Promise<void> {
  mkdirSync(dir, { recursive: true });
  writeResult(join(dir, `${name}.json`), result);
  const charts = await draw(result, summarize(result.figures, result.series, result.subject));
  const links = new Map(charts.map(({ group }) => [group, `${name}/${group}.svg`]));
  writeReport(dir, name, report(result, links), charts);
}

import { groupTitle } from './groups.js';
import { numberText, spreadText } from './number-text.js';
import type { Result } from './results.js';
import { type FigureSummary, type Spread, type SystemSummary, summarize } from './summary.js';
import { table } from './table.js';
import { reach, targetTable } from './targets.js';

/** A run as Markdown: what was compared, how far weft has got, a table a figure, then what else was seen. */
export function report(result: Result, charts: ReadonlyMap<string, string>): string {
  const figures = summarize(result.figures, result.series, result.subject);
  const lines = [
    `# Benchmark of ${result.date.slice(0, 10)}, ${result.machine.name}`,
    '',
    ...head(result),
    'Cells are: median (lowest-highest).',
    '',
  ];
  lines.push(...systemTable(result));
  const reached = reach(result, figures);
  if (reached.length > 0) lines.push('', '## Where it must get', '', ...targetTable(reached));
  for (const group of new Set(figures.map(({ figure }) => figure.group))) {
    lines.push('', `## ${groupTitle(group)}`);
    const chart = charts.get(group);
    if (chart !== undefined) lines.push('', `![${groupTitle(group)}, by system](${chart})`);
    const own = figures.filter(({ figure }) => figure.group === group);
    for (const summary of own) lines.push('', ...figureTable(summary, result));
  }
  const beside = figures.flatMap((summary) =>
    summary.systems.flatMap((system) => besideRows(summary, system)),
  );
  lines.push('', '## Seen beside it', '', ...table(['figure', 'system', 'what', ''], beside), '');
  return lines.join('\n');
}

/** On what and how it was measured, in a few lines. */
export function head({
  machine,
  rounds,
  seconds,
  keepDisturbed,
  idleCpus,
  commit,
  systems,
  subject,
}: Result): string[] {
  const version = systems.find(({ key }) => key === subject)?.version ?? subject;
  return [
    `${version}${commit === null ? '' : ` (${commit})`} on ${machine.cpus} CPUs (${machine.model}), Linux ${machine.kernel}, Node ${machine.node}.`,
    `${rounds} interleaved rounds of ${seconds} s; the idle machine used ${numberText(idleCpus)} CPUs.`,
    ...(keepDisturbed ? ['Readings count that other programs or the hypervisor disturbed.'] : []),
    ...firewallLine(machine),
  ];
}

function firewallLine({ bridgeFirewall }: Result['machine']): string[] {
  if (bridgeFirewall === undefined) return [];
  return [`Bridged packets ${bridgeFirewall ? 'ran' : 'did not run'} through the firewall.`];
}

function systemTable({ systems }: Result): string[] {
  const rows = systems.map(({ key, title, version, layer, guestMtu, failure }) => [
    ...[key, title, failure === null ? version : `${version}; failed: ${failure}`],
    ...[`L${layer}`, guestMtu === null ? '-' : String(guestMtu)],
  ]);
  return table(['system', '', 'version', 'carries', 'guest MTU'], rows);
}

function figureTable({ figure: what, systems }: FigureSummary, result: Result): string[] {
  const unit = `${what.unit}${what.higherIsBetter ? '' : ', less is better'}`;
  const compared = systems.some(({ ratio }) => ratio !== null);
  const ratio = compared ? [`${result.subject} / it`] : [];
  const columns = ['', unit, ...ratio];
  if (what.costUnit !== null) columns.push(what.costUnit, ...(compared ? ['the same of CPU'] : []));
  columns.push("daemons' CPUs", 'rounds', '');
  const rows = made(systems, result).map((system) => {
    const layer = result.systems.find(({ key }) => key === system.system)?.layer;
    const value = system.value === null ? 'not measured' : spreadText(system.value);
    const cells = [`${system.system}${layer === 3 ? ' (L3)' : ''}`, value];
    if (compared) cells.push(bold(system.ratio));
    if (what.costUnit !== null) cells.push(spreadText(system.cost));
    if (what.costUnit !== null && compared) cells.push(spreadText(system.costRatio));
    return [...cells, spreadText(system.daemonCpus), String(system.rounds), note(system)];
  });
  return [`### ${what.title} (\`${what.key}\`)`, '', ...table(columns, rows)];
}

/** A system that was not made at all is told once, in the table of systems. */
export function made(systems: readonly SystemSummary[], result: Result): SystemSummary[] {
  const failed = result.systems.filter(({ failure }) => failure !== null).map(({ key }) => key);
  return systems.filter(({ system }) => !failed.includes(system));
}

function note({ discarded, reason }: SystemSummary): string {
  const notes = discarded > 0 ? [`${discarded} discarded`] : [];
  if (reason !== null) notes.push(reason);
  return notes.join('; ');
}

function besideRows({ figure: what }: FigureSummary, summary: SystemSummary): string[][] {
  const rows = Object.entries(summary.details).map(([key, values]) => [key, spreadText(values)]);
  if (summary.busyCpus !== null) rows.unshift(['busy CPUs', spreadText(summary.busyCpus)]);
  return rows.map((row) => [what.key, summary.system, ...row]);
}

function bold(values: Spread | null): string {
  return spreadText(values).replace(/^[^ -]+/, '**$&**');
}

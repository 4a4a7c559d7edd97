import type { MachineInfo } from './machine.js';
import type { FigureSummary, Spread, SystemSummary } from './summary.js';

/** About three significant digits, and no exponent. */
export function figure(value: number): string {
  if (Number.isInteger(value)) return String(value);
  const magnitude = Math.abs(value);
  if (magnitude >= 100) return value.toFixed(0);
  if (magnitude >= 10) return value.toFixed(1);
  if (magnitude >= 0.1) return value.toFixed(2);
  return value.toPrecision(2);
}

/** What a report says of a system besides its figures. */
export interface SystemInfo {
  key: string;
  title: string;
  layer: 2 | 3;
  version: string;
  /** Bytes; null where no guests were made. */
  guestMtu: number | null;
  /** Why it was not measured; null where it was. */
  failure: string | null;
}

export interface RunInfo {
  machine: MachineInfo;
  date: string;
  rounds: number;
  seconds: number;
  /** CPUs that the machine used when nothing was measured. */
  idleCpus: number;
  systems: SystemInfo[];
  /** Key of the system that the others are compared with. */
  subject: string;
}

/** The report as Markdown: what was compared, a table a figure, then what else was seen. */
export function markdown(info: RunInfo, figures: readonly FigureSummary[]): string {
  const { cpus, model, kernel, node } = info.machine;
  const lines = [
    `${info.date}, ${cpus} CPUs (${model}), Linux ${kernel}, Node ${node}; ${info.rounds} interleaved rounds of ${info.seconds} s;`,
    `idle machine: ${figure(info.idleCpus)} CPUs. Cells are: median (lowest-highest).`,
    '',
    ...table(
      ['system', '', 'version', 'layer', 'guest MTU'],
      info.systems.map(({ key, title, version, layer, guestMtu, failure }) => [
        key,
        title,
        failure === null ? version : `${version}; failed: ${failure}`,
        String(layer),
        guestMtu === null ? '-' : String(guestMtu),
      ]),
    ),
  ];
  for (const summary of figures) lines.push('', ...figureTable(summary, info));
  const beside = figures.flatMap((summary) =>
    summary.systems.flatMap((system) => besideRows(summary, system)),
  );
  lines.push('', '## Beside it', '', ...table(['figure', 'system', 'what', ''], beside), '');
  return lines.join('\n');
}

function figureTable(
  { figure: what, systems }: FigureSummary,
  { subject, systems: known }: RunInfo,
): string[] {
  const head = `### ${what.title} (\`${what.key}\`)`;
  const unit = `${what.unit}${what.higherIsBetter ? '' : ', less is better'}`;
  const columns = ['', unit, `${subject} / it`];
  if (what.costUnit !== null) columns.push(what.costUnit, `${subject} / it`);
  columns.push("daemons' CPUs", 'rounds', '');
  const rows = systems.map((system) => {
    const layer = known.find(({ key }) => key === system.system)?.layer;
    const cells = [`${system.system}${layer === 3 ? ' (L3)' : ''}`, cell(system.value), bold(system.ratio)];
    if (what.costUnit !== null) cells.push(cell(system.cost), cell(system.costRatio));
    return [...cells, cell(system.daemonCpus), String(system.rounds), note(system)];
  });
  return [head, '', ...table(columns, rows)];
}

function note({ discarded, reason }: SystemSummary): string {
  const notes = discarded > 0 ? [`${discarded} discarded`] : [];
  if (reason !== null) notes.push(reason);
  return notes.join('; ');
}

function besideRows({ figure: what }: FigureSummary, summary: SystemSummary): string[][] {
  const rows = Object.entries(summary.details).map(([key, values]) => [key, cell(values)]);
  if (summary.busyCpus !== null) rows.unshift(['busy CPUs', cell(summary.busyCpus)]);
  return rows.map((row) => [what.key, summary.system, ...row]);
}

function cell(values: Spread | null): string {
  if (values === null) return '-';
  return `${figure(values.median)} (${figure(values.low)}-${figure(values.high)})`;
}

function bold(values: Spread | null): string {
  return values === null
    ? '-'
    : `**${figure(values.median)}** (${figure(values.low)}-${figure(values.high)})`;
}

function table(head: readonly string[], rows: readonly string[][]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.map(escaped).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)];
}

/** A cell may hold what a program said. */
function escaped(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

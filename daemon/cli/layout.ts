/** Tables and blocks of properties. */

export interface Column<Row> {
  header: string;
  cell(row: Row): string;
  /** For numbers. */
  right?: boolean;
}

/** Columns apart by two spaces under headers, one line a row, ended by a newline. */
export async function table<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  options: { bold: boolean },
): Promise<string> {
  const { default: Table } = await import('cli-table3');
  const grid = new Table({
    head: columns.map((column) => column.header),
    chars: { ...noBorders, middle: '  ' },
    style: { 'padding-left': 0, 'padding-right': 0, head: options.bold ? ['bold'] : [], border: [] },
    colAligns: columns.map((column) => (column.right === true ? 'right' : 'left')),
  });
  for (const row of rows) grid.push(columns.map((column) => column.cell(row)));
  return `${grid.toString().replace(/ +$/gm, '')}\n`;
}

const edges = [
  'top',
  'top-mid',
  'top-left',
  'top-right',
  'bottom',
  'bottom-mid',
  'bottom-left',
  'bottom-right',
];
const sides = ['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'];
const noBorders = Object.fromEntries([...edges, ...sides].map((name) => [name, '']));

/** `Key: value` lines with the keys aligned to the right; further lines of a value stand under its first. */
export function block(
  properties: readonly (readonly [key: string, value: string | readonly string[]])[],
): string {
  const width = Math.max(...properties.map(([key]) => key.length));
  const lines = properties.flatMap(([key, value]) => {
    const [first = '-', ...more] = typeof value === 'string' ? [value] : value;
    return [`${key.padStart(width)}: ${first}`, ...more.map((line) => `${' '.repeat(width)}  ${line}`)];
  });
  return `${lines.join('\n')}\n`;
}

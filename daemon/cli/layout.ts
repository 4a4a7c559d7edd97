/** Tables and blocks of properties. */

export interface Column<Row> {
  header: string;
  cell(row: Row): string;
  /** For numbers. */
  right?: boolean;
}

/**
 * Columns apart by two spaces under headers, one line a row, ended by a newline.
 * Linear in the number of cells: an FDB has up to a million entries, and table libraries take minutes for a hundredth of them.
 */
export function table<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  options: { bold: boolean },
): string {
  const cells = [
    columns.map((column) => column.header),
    ...rows.map((row) => columns.map((column) => column.cell(row))),
  ];
  const widths = columns.map((_, index) =>
    cells.reduce((width, line) => Math.max(width, widthOf(line[index])), 0),
  );
  const lines = cells.map((line) =>
    line
      .map((cell, index) => {
        const space = ' '.repeat((widths[index] ?? 0) - widthOf(cell));
        return columns[index]?.right === true ? space + cell : cell + space;
      })
      .join('  ')
      .trimEnd(),
  );
  if (options.bold) lines[0] = `\x1b[1m${lines[0]}\x1b[22m`;
  return `${lines.join('\n')}\n`;
}

/** In code points; nearly every cell is ASCII. */
function widthOf(cell = ''): number {
  return /^[\x20-\x7e]*$/.test(cell) ? cell.length : [...cell].length;
}

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

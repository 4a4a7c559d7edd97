import { describe, expect, it } from 'vitest';
import { block, table } from './layout.js';

describe('table', () => {
  const columns = [
    { header: 'A', cell: (row: string) => row },
    { header: 'B', cell: (row: string) => String(row.length), right: true },
  ];

  it('aligns by characters, not by bytes', () => {
    expect(table(['ü🙂', 'abc'], columns, { bold: false })).toBe('A    B\nü🙂   3\nabc  3\n');
  });

  it('makes the headers bold when told to', () => {
    expect(table([], columns, { bold: true })).toBe('\x1b[1mA  B\x1b[22m\n');
  });

  it('takes a large FDB', () => {
    const rows = new Array<string>(100_000).fill('02:00:5e:10:00:01');
    expect(table(rows, columns, { bold: false }).split('\n')).toHaveLength(100_002);
  });
});

describe('block', () => {
  it('aligns keys to the right and further lines under the first', () => {
    const text = block([
      ['A', '1'],
      ['Long', ['x', 'y']],
      ['None', []],
    ]);
    expect(text).toBe('   A: 1\nLong: x\n      y\nNone: -\n');
  });
});

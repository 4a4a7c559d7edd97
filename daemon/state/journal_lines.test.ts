import { describe, expect, it } from 'vitest';
import {
  changeLines,
  Damage,
  type Header,
  headerLines,
  type Operation,
  readHeader,
  readJournal,
} from './journal_lines.js';

const header: Header = {
  format: 'weft-state',
  schema: 3,
  host: '00000000-0000-4000-8000-000000000001',
  machine: { id: 'a'.repeat(32), name: 'h1' },
  version: '1.2.3',
  lines: 1,
};
const changes: Operation[][] = [
  [['put', 'network', 'blue', { name: 'blue', note: 'ünïcode\nand a line end' }]],
  [
    ['put', 'network', 'red', { name: 'red' }],
    ['delete', 'network', 'blue'],
  ],
  [['put', 'pool', 'p', { id: 'p', requestedAt: 1 }]],
];
const written = [
  headerLines(header),
  ...changes.map((operations, index) => changeLines(index + 1, operations)),
];
const bytes = Buffer.concat(written);
const endOf = (lines: number) => written.slice(0, lines + 1).reduce((sum, { length }) => sum + length, 0);

describe('a journal', () => {
  it('gives back what was written', () => {
    expect(readJournal(bytes)).toEqual({
      header,
      changes,
      end: bytes.length,
      repaired: 0,
      unfinished: false,
    });
  });

  it('loses nothing, whichever bit of it changes', () => {
    for (let offset = 0; offset < bytes.length; offset++)
      for (let bit = 0; bit < 8; bit++) {
        const flipped = Buffer.from(bytes);
        flipped[offset] = (flipped[offset] as number) ^ (1 << bit);
        expect(readJournal(flipped), `bit ${bit} of byte ${offset}`).toMatchObject({
          header,
          changes,
        });
      }
  });

  it('loses nothing, whatever a byte of it becomes', () => {
    for (let offset = 0; offset < bytes.length; offset += 3)
      for (const value of [0, 10, 32, 48, 255]) {
        const changed = Buffer.from(bytes);
        changed[offset] = value;
        expect(readJournal(changed), `byte ${offset} is ${value}`).toMatchObject({ header, changes });
      }
  });

  it('has whole lines, wherever it was cut off; and none is missing that was there from the start', () => {
    for (let length = 0; length < bytes.length; length++) {
      const whole = changes.filter((_, index) => {
        // The first copy is enough.
        const half = (endOf(index + 1) - endOf(index)) / 2;
        return length >= endOf(index) + half - 1;
      });
      const read = () => readJournal(bytes.subarray(0, length));
      if (whole.length < header.lines) expect(read, `${length} bytes`).toThrow(Damage);
      else expect(read().changes, `${length} bytes`).toEqual(whole);
    }
  });

  it('is refused when both copies of a line are not what was written, also of the last', () => {
    for (const [line, reason] of [
      [0, 'it does not begin as it should'],
      [1, 'line 1 of 3'],
      [2, 'line 2 of 3'],
      [3, 'what follows line 2'],
    ] as const) {
      const from = line === 0 ? 0 : endOf(line - 1);
      const half = (endOf(line) - from) / 2;
      const damaged = Buffer.from(bytes);
      for (const copy of [0, 1]) damaged[from + copy * half + 15] = 0x7e;
      expect(() => readJournal(damaged)).toThrow(reason);
    }
  });

  it('is refused when the last lines are damaged together, as by a sector that holds something else', () => {
    for (const byte of [0x7e, 0xff])
      for (let from = endOf(1); from < endOf(2); from++) {
        const damaged = Buffer.from(bytes);
        damaged.fill(byte, from);
        // The first copy is enough.
        const half = (endOf(2) - endOf(1)) / 2;
        if (from >= endOf(1) + half - 1) continue;
        if (from > endOf(1)) damaged[bytes.length - 1] = 10;
        expect(() => readJournal(damaged), `${byte} from ${from}`).toThrow('what follows line 1');
      }
    const holes = Buffer.from(bytes);
    for (const line of [1, 2])
      for (const copy of [0, 1]) {
        const from = endOf(line) + (copy * (endOf(line + 1) - endOf(line))) / 2 + 12;
        holes.fill(0, from, from + 16);
      }
    expect(() => readJournal(holes)).toThrow('what follows line 1');
    const random = Buffer.from(bytes);
    for (let at = endOf(1); at < bytes.length; at++) if (random[at] !== 10) random[at] = 33 + (at % 90);
    expect(() => readJournal(random)).toThrow('what follows line 1');
  });

  it('tells a last line that stands only once, and what is left of another', () => {
    const half = (endOf(3) - endOf(2)) / 2;
    for (let length = endOf(2) + half - 1; length < bytes.length; length++)
      expect(readJournal(bytes.subarray(0, length)), `${length}`).toMatchObject({
        changes,
        end: null,
        repaired: 0,
        unfinished: true,
      });
    for (let length = endOf(2) + 1; length < endOf(2) + half - 1; length++)
      expect(readJournal(bytes.subarray(0, length)), `${length}`).toMatchObject({
        changes: changes.slice(0, 2),
        end: endOf(2),
        repaired: 0,
        unfinished: true,
      });
  });

  it('ends before a line whose blocks did not all reach the disk', () => {
    const zeroed = Buffer.from(bytes);
    zeroed.fill(0, endOf(2) + 5);
    expect(readJournal(zeroed)).toMatchObject({ changes: changes.slice(0, 2), end: endOf(2) });
  });

  it('is refused when it is something else', () => {
    for (const other of ['', 'hello\n', '\0'.repeat(10_000), '{"format":"weft-state"}\n'])
      expect(() => readJournal(Buffer.from(other))).toThrow(Damage);
    const twoForms = Buffer.concat([bytes, changeLines(3, [])]);
    expect(() => readJournal(twoForms)).toThrow('line 3 in two forms');
  });

  it('says whose it is when the rest cannot be read', () => {
    const damaged = Buffer.from(bytes);
    damaged.fill(0x7e, endOf(0));
    expect(readHeader(damaged)).toEqual(header);
    expect(() => readJournal(damaged)).toThrow(Damage);
  });
});

/**
 * Records in memory. Nobody changes what is kept by changing what was put or read: what is put is copied, one record is read as a copy, and
 * those of a list, which is read all the time, are frozen.
 */
import { frozen } from './frozen.js';
import type { Operation } from './journal_lines.js';

/** By kind and key. */
export type RecordsByKey = Map<string, Map<string, unknown>>;

/** Bytes of what stands around a record in a line, and its kind. */
const perOperation = 20;

export class Tables {
  private readonly kinds = new Map<string, Map<string, unknown>>();
  /** Keys in their order, while nothing was added or taken away. */
  private readonly sorted = new Map<string, string[]>();

  /** Keeps the records themselves. */
  static of(records: RecordsByKey): Tables {
    const tables = new Tables();
    for (const [kind, byKey] of records)
      tables.kinds.set(kind, new Map([...byKey].map(([key, record]) => [key, frozen(record)])));
    return tables;
  }

  get size(): number {
    return [...this.kinds.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /** About as many bytes as one copy of the lines of {@link operations} takes. */
  length(): number {
    let sum = 0;
    for (const records of this.kinds.values())
      for (const [key, record] of records) sum += JSON.stringify(record).length + key.length + perOperation;
    return sum;
  }

  get(kind: string, key: string): unknown {
    const record = this.kinds.get(kind)?.get(key);
    return record === undefined ? undefined : copyOf(record);
  }

  list(kind: string): unknown[] {
    const records = this.kinds.get(kind);
    if (records === undefined) return [];
    return this.keys(kind, records).map((key) => records.get(key));
  }

  apply(operation: Operation): void {
    const [what, kind, key] = operation;
    const records = this.kinds.get(kind) ?? new Map<string, unknown>();
    this.kinds.set(kind, records);
    const had = records.has(key);
    if (what === 'put') records.set(key, frozen(copyOf(operation[3])));
    else records.delete(key);
    if (had !== records.has(key)) this.sorted.delete(kind);
  }

  /** All of it, so many operations at a time. */
  *operations(most: number): Generator<Operation[]> {
    let some: Operation[] = [];
    for (const [kind, records] of this.kinds)
      for (const [key, record] of records) {
        some.push(['put', kind, key, record]);
        if (some.length === most) {
          yield some;
          some = [];
        }
      }
    if (some.length > 0) yield some;
  }

  records(): RecordsByKey {
    return new Map(
      [...this.kinds].map(([kind, records]) => [
        kind,
        new Map([...records].map(([key, record]): [string, unknown] => [key, copyOf(record)])),
      ]),
    );
  }

  private keys(kind: string, records: ReadonlyMap<string, unknown>): string[] {
    const known = this.sorted.get(kind);
    if (known !== undefined) return known;
    const keys = [...records.keys()].sort();
    this.sorted.set(kind, keys);
    return keys;
  }
}

/** As it would be read again. */
function copyOf(record: unknown): unknown {
  return JSON.parse(JSON.stringify(record));
}

/** The versions of the records' shapes, and the way from each to the next. */
import type { RecordsByKey } from './tables.js';

export interface Schema {
  /** Grows when the shape of a record changes so that an older weft would misread it. */
  version: number;
  /** `steps[n]` makes records of version n out of those of n - 1, in place; all steps of a start become true together. */
  steps: Readonly<Record<number, (records: RecordsByKey) => void>>;
}

/** Versions 1 and 2 were files of lmdb. 1 had no ports of Docker; nothing else changed, so nothing is to be done. */
export const currentSchema: Schema = {
  version: 3,
  steps: { 2: () => undefined, 3: () => undefined },
};

export function migrate(records: RecordsByKey, from: number, { version, steps }: Schema): void {
  for (let next = from + 1; next <= version; next++) {
    const step = steps[next];
    if (step === undefined) throw new Error(`there is no way from schema ${next - 1} to ${next}`);
    step(records);
  }
}

/** What a round of the reconciler saw and could not do: what findings are made from. */
import type { Failure } from './carry_out.js';
import type { Conflict } from './conflicts.js';
import type { Picture } from './desire.js';
import type { Actual } from './plan.js';

export interface View {
  picture: Picture;
  actual: Actual;
  failures: readonly Failure[];
  conflicts: readonly Conflict[];
  /** Guarded ports of which something was refused of late. */
  refusing: ReadonlySet<string>;
}

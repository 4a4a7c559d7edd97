/** Stands in where nothing is checked, for tests. */
import type { OffloadChecks } from './offload_checks.js';

export const noChecks: Pick<OffloadChecks, 'view' | 'check'> = {
  view: () => ({ state: 'pending', at: null, detail: null }),
  check: async () => ({ state: 'pending', at: null, detail: null }),
};

/** Stands in where nothing is checked and nobody is spoken to, for tests. */
import type { Mesh } from './mesh.js';
import type { OffloadChecks } from './offload_checks.js';

export const noChecks: Pick<OffloadChecks, 'view' | 'check'> = {
  view: () => ({ state: 'pending', at: null, detail: null }),
  check: async () => ({ state: 'pending', at: null, detail: null }),
};

export const noMesh: Pick<Mesh, 'view' | 'ping' | 'checkPath'> = {
  view: () => ({ hello: null, path: { limit: null, at: null } }),
  ping: async () => ({ outcome: 'silence' }),
  checkPath: async () => undefined,
};

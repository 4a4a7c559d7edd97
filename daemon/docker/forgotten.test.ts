import { pino } from 'pino';
import { beforeEach, expect, it } from 'vitest';
import type { EngineNetworkRecord } from '../model/objects.js';
import { ForgottenNetworks } from './forgotten.js';
import type { Inventory } from './names.js';

const network = (id: string): EngineNetworkRecord => ({
  id,
  engine: 'docker',
  network: 'blue',
  pools: [],
  internal: false,
});

let known: Map<string, EngineNetworkRecord>;
let inventory: Inventory | null;
let occupied: Set<string>;
let clock: number;
let forgotten: ForgottenNetworks;

beforeEach(() => {
  known = new Map([['a', network('a')]]);
  inventory = { engine: 'E1', networks: new Set(['a']) };
  occupied = new Set();
  clock = 0;
  forgotten = build();
});

function build(): ForgottenNetworks {
  return new ForgottenNetworks({
    networks: {
      list: () => [...known.values()],
      hasEndpoints: (id) => occupied.has(id),
      markSeen: async (id, seenBy) => void known.set(id, { ...network(id), seenBy }),
      remove: async (id) => void known.delete(id),
    },
    names: { inventory: () => inventory },
    log: pino({ level: 'silent' }),
    now: () => clock,
  });
}

async function pass(milliseconds: number): Promise<void> {
  await forgotten.check();
  clock += milliseconds;
  await forgotten.check();
}

it('gives a network up that its engine does not list for a minute, also after a restart', async () => {
  await forgotten.check();
  forgotten = build();
  inventory = { engine: 'E1', networks: new Set() };
  await pass(59_000);
  expect([...known.keys()]).toEqual(['a']);
  await pass(2_000);
  expect([...known.keys()]).toEqual([]);
});

it('keeps what no engine has shown yet, and what another engine has', async () => {
  inventory = { engine: 'E1', networks: new Set() };
  await pass(120_000);
  inventory = { engine: 'E1', networks: new Set(['a']) };
  await forgotten.check();
  inventory = { engine: 'E2', networks: new Set() };
  await pass(120_000);
  expect([...known.keys()]).toEqual(['a']);
});

it('begins anew when the engine could not be asked, or had it again', async () => {
  await forgotten.check();
  inventory = { engine: 'E1', networks: new Set() };
  await pass(40_000);
  inventory = null;
  await forgotten.check();
  inventory = { engine: 'E1', networks: new Set() };
  await pass(40_000);
  expect([...known.keys()]).toEqual(['a']);
});

it('keeps a network with endpoints, which Docker would not have removed', async () => {
  await forgotten.check();
  inventory = { engine: 'E1', networks: new Set() };
  occupied.add('a');
  await pass(120_000);
  expect([...known.keys()]).toEqual(['a']);
  occupied.clear();
  await pass(120_000);
  expect([...known.keys()]).toEqual([]);
});

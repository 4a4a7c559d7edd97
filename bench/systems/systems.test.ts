import { expect, it } from 'vitest';
import { systems } from './index.js';

it('are told apart by key and title, and weft comes first', () => {
  expect(systems[0]?.key).toBe('weft');
  for (const name of ['key', 'title'] as const) {
    const names = systems.map((system) => system[name]);
    expect(new Set(names).size).toBe(names.length);
  }
});

it('have keys for the command line', () => {
  for (const { key } of systems) expect(key).toMatch(/^[a-z0-9-]{1,13}$/);
});

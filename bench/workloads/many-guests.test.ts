import { expect, it } from 'vitest';
import { ofBoth } from './many-guests.js';

it('two halves are as quiet as the less quiet one', () => {
  const quiet = { busyCpus: 1, stealShare: 0, otherCpus: 0, workCpus: 1, daemonCpus: 0.5 };
  const stolen = { ...quiet, stealShare: 0.3 };
  const crowded = { ...quiet, otherCpus: 0.5 };
  const second = { ...quiet, daemonCpus: 0.7 };
  expect(ofBoth(stolen, quiet)).toBe(stolen);
  expect(ofBoth(quiet, crowded)).toBe(crowded);
  expect(ofBoth(quiet, second)).toBe(second);
});

import { describe, expect, it } from 'vitest';
import { parseOptions } from './options.js';

describe('parseOptions', () => {
  it('measures everything by default', async () => {
    expect(await parseOptions([])).toEqual({
      rounds: 5,
      seconds: 5,
      only: ['tcp', 'tcp4', 'pps', 'pps64', 'rr'],
      systems: ['kernel', 'weft'],
      keepDisturbed: false,
      json: null,
    });
  });

  it('is short with --quick, but for what is given', async () => {
    expect(await parseOptions(['--quick', '--rounds', '7'])).toMatchObject({ rounds: 7, seconds: 2 });
  });

  it('takes measurements in the order of the table', async () => {
    expect((await parseOptions(['--only', 'rr,tcp'])).only).toEqual(['tcp', 'rr']);
  });
});

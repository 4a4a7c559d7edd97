import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { benchResults } from '../lab/checkout.js';

const script = fileURLToPath(new URL('../scripts/bench', import.meta.url));

it.each([['help'], ['--quick help'], ['--quick --help']])(
  '%s is for reading: it builds and installs nothing',
  (words) => {
    const { status, stdout, stderr } = spawnSync('bash', [script, ...words.split(' ')], { encoding: 'utf8' });
    expect(stdout).toContain('Figures, by group:');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  },
  120_000,
);

it('does not mind a reader that has seen enough', () => {
  const committed = readdirSync(benchResults).find((name) => name.endsWith('.json'));
  const file = `${benchResults}/${committed}`;
  const line = `set -o pipefail; bash "$0" compare "$1" "$1" --json | head -c 1`;
  const { status, stdout, stderr } = spawnSync('bash', ['-c', line, script, file], { encoding: 'utf8' });
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '{', stderr: '' });
}, 120_000);

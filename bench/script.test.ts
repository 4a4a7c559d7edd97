import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

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

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { madeUpResult, madeUpSeries } from './made-up.js';
import { writeOutcome } from './outcome.js';
import { readResult } from './store.js';

const result = madeUpResult([madeUpSeries('tcp-1', 'weft', [1])]);

function directory(): string {
  const above = mkdtempSync(join(tmpdir(), 'bench-outcome-'));
  onTestFinished(() => rmSync(above, { recursive: true }));
  return join(above, 'results');
}

it('an outcome is a result, a report and its charts', async () => {
  const dir = directory();
  await writeOutcome(dir, 'a', result, () => Promise.resolve([{ group: 'tcp', svg: '<svg/>' }]));
  expect(readResult(join(dir, 'a.json'))).toEqual(result);
  expect(readFileSync(join(dir, 'a.md'), 'utf8')).toContain('(a/tcp.svg)');
  expect(readFileSync(join(dir, 'a/tcp.svg'), 'utf8')).toBe('<svg/>');
});

it('the result is there although its charts cannot be drawn', async () => {
  const dir = directory();
  const failing = () => Promise.reject(new Error('no font'));
  await expect(writeOutcome(dir, 'a', result, failing)).rejects.toThrow('no font');
  expect(readResult(join(dir, 'a.json'))).toEqual(result);
});

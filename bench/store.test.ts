import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { madeUpResult, madeUpSeries } from './made-up.js';
import {
  checkWritable,
  commitOf,
  committedResults,
  freeName,
  readResult,
  writeReport,
  writeResult,
} from './store.js';

const result = madeUpResult([madeUpSeries('tcp-1', 'weft', [1])]);
let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'bench-store-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

function git(...words: string[]): void {
  const identity = ['-c', 'user.name=t', '-c', 'user.email=t@t'];
  execFileSync('git', [...identity, ...words], { cwd: dir, stdio: 'ignore' });
}

describe('the results', () => {
  it('have the date and the machine as their name, and never overwrite one', () => {
    expect(freeName(dir, result)).toBe('2026-01-02-2x-cpu');
    writeResult(join(dir, '2026-01-02-2x-cpu.json'), result);
    expect(freeName(dir, result)).toBe('2026-01-02-2x-cpu-2');
    expect(readResult(join(dir, '2026-01-02-2x-cpu.json'))).toEqual(result);
  });

  it('say that a file is not there', () => {
    expect(() => readResult(join(dir, 'x.json'))).toThrow(/x\.json: there is no such file/);
  });

  it('are known to have no place before they are there', () => {
    expect(() => checkWritable(join(dir, 'new.json'))).not.toThrow();
    expect(readdirSync(dir)).toEqual([]);
    writeFileSync(join(dir, 'old.json'), '');
    expect(() => checkWritable(join(dir, 'old.json'))).not.toThrow();
    expect(() => checkWritable(join(dir, 'absent', 'x.json'))).toThrow(
      /x\.json: cannot be written: .*ENOENT/,
    );
    mkdirSync(join(dir, 'folder.json'));
    expect(() => checkWritable(join(dir, 'folder.json'))).toThrow(/is a directory/);
  });

  it('have charts beside the report, and none of an earlier one', () => {
    writeReport(dir, 'a', 'text', [{ group: 'tcp', svg: '<svg/>' }]);
    expect(readdirSync(join(dir, 'a'))).toEqual(['tcp.svg']);
    writeReport(dir, 'a', 'text', []);
    expect(existsSync(join(dir, 'a'))).toBe(false);
  });

  it('count as committed when git knows them', () => {
    git('init', '-q');
    writeFileSync(join(dir, 'old.json'), '');
    git('add', 'old.json');
    git('commit', '-q', '-m', 'old');
    writeFileSync(join(dir, 'new.json'), '');
    expect(committedResults(dir)).toEqual([join(dir, 'old.json')]);
    expect(commitOf(dir)).toMatch(/^[0-9a-f]{10}$/);
    writeFileSync(join(dir, 'old.json'), 'changed');
    expect(commitOf(dir)).toMatch(/^[0-9a-f]{10}\+$/);
  });

  it('all count where there is no checkout', () => {
    writeFileSync(join(dir, 'new.json'), '');
    expect(committedResults(dir)).toEqual([join(dir, 'new.json')]);
    expect(committedResults(join(dir, 'absent'))).toEqual([]);
    expect(commitOf(dir)).toBeNull();
  });
});

import { execFileSync } from 'node:child_process';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Chart } from './charts.js';
import { parseResult, type Result, ResultError, stringifyResult } from './results.js';

/** `2026-11-22-2x-amd-epyc`, or with `-2` where the first of that day is there already. */
export function freeName(dir: string, { date, machine }: Result): string {
  const name = `${date.slice(0, 10)}-${machine.name}`;
  for (let number = 1; ; number += 1) {
    const candidate = number === 1 ? name : `${name}-${number}`;
    if (!existsSync(join(dir, `${candidate}.json`))) return candidate;
  }
}

export function readResult(file: string): Result {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new ResultError(`${file}: ${code === 'ENOENT' ? 'there is no such file' : String(error)}`);
  }
  return parseResult(text, file);
}

/** Throws where a result could not be written to `file`: known before the readings, that costs nothing. */
export function checkWritable(file: string): void {
  const there = existsSync(file);
  if (there && statSync(file).isDirectory()) throw new ResultError(`${file}: is a directory`);
  try {
    accessSync(there ? file : dirname(file), constants.W_OK);
  } catch (error) {
    throw new ResultError(`${file}: cannot be written: ${String(error)}`);
  }
}

export function writeResult(file: string, result: Result): void {
  writeFileSync(file, stringifyResult(result));
}

/** Writes NAME.md, and the charts into the folder NAME, whose other content goes. */
export function writeReport(dir: string, name: string, text: string, charts: readonly Chart[]): void {
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, `${name}.md`), text);
  rmSync(join(dir, name), { recursive: true, force: true });
  if (charts.length > 0) mkdirSync(join(dir, name));
  for (const { group, svg } of charts) writeFileSync(join(dir, name, `${group}.svg`), svg);
}

/** The results that are committed, by file: what a run of today leaves beside them is no measure for it. All where this is no checkout. */
export function committedResults(dir: string): string[] {
  if (!existsSync(dir)) return [];
  const all = readdirSync(dir).filter((name) => name.endsWith('.json'));
  const known = git(dir, 'ls-files', '--', '.');
  const committed = known === null ? all : all.filter((name) => known.split('\n').includes(name));
  return committed.map((name) => join(dir, name));
}

/** The checkout's commit, with `+` where files differ from it; null where this is no checkout. */
export function commitOf(dir: string): string | null {
  const commit = git(dir, 'rev-parse', '--short=10', 'HEAD');
  if (commit === null) return null;
  return git(dir, 'status', '--porcelain', '--untracked-files=no') === '' ? commit : `${commit}+`;
}

/** What git says; null where it cannot. Under sudo a checkout belongs to somebody else, which git takes for a danger unless told. */
function git(dir: string, ...words: string[]): string | null {
  try {
    const argv = ['-c', 'safe.directory=*', ...words];
    return execFileSync('git', argv, {
      cwd: dir,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return null;
  }
}

/** Writes a tar.gz with the system's tar. */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { WeftError } from '../errors.js';

export interface BundledFile {
  /** Below the one directory of the bundle. */
  path: string;
  content: string;
}

/** Bytes of the bundle. Readable by its owner alone. Throws WEFT_REPORT_EXISTS, WEFT_REPORT_FAILED; then there is no file. */
export async function writeBundle(
  file: string,
  name: string,
  files: readonly BundledFile[],
): Promise<number> {
  let target: number;
  try {
    target = openSync(file, 'wx', 0o600);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw new WeftError('WEFT_REPORT_EXISTS', { file });
    throw new WeftError('WEFT_REPORT_FAILED', { file, reason: message }, { cause });
  }
  let directory = '';
  try {
    directory = mkdtempSync(join(tmpdir(), 'weft-report-'));
    for (const { path, content } of files) {
      const place = join(directory, name, path);
      mkdirSync(dirname(place), { recursive: true, mode: 0o700 });
      writeFileSync(place, content, { mode: 0o600 });
    }
    await pack(directory, name, target);
    return statSync(file).size;
  } catch (cause) {
    rmSync(file, { force: true });
    throw new WeftError('WEFT_REPORT_FAILED', { file, reason: (cause as Error).message }, { cause });
  } finally {
    closeSync(target);
    if (directory !== '') rmSync(directory, { recursive: true, force: true });
  }
}

async function pack(directory: string, name: string, target: number): Promise<void> {
  const words = ['-czf', '-', '--owner=0', '--group=0', '-C', directory, name];
  const child = spawn('tar', words, { stdio: ['ignore', target, 'pipe'] });
  let said = '';
  child.stderr?.setEncoding('utf8');
  child.stderr?.on('data', (chunk: string) => {
    said = (said + chunk).slice(0, 500);
  });
  await new Promise<void>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) =>
      status === 0 ? resolve() : reject(new Error(`tar: ${said.trim() || status}`)),
    );
  });
}

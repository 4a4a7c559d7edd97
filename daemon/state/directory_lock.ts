/** One weftd for each state directory, also when several run in different network namespaces. */
import { linkSync, mkdirSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { WeftError } from '../errors.js';

/** What tells a living process from another one with its PID. */
export interface Processes {
  /** Start time of a process; null when there is none. */
  startTime(pid: number): string | null;
}

/**
 * Makes the directory when it is absent and takes `weftd.pid` in it. Returns what lets it go. Throws WEFT_STATE_LOCKED or
 * WEFT_STATE_UNUSABLE.
 */
export function lockDirectory(directory: string, processes: Processes, pid = process.pid): () => void {
  const file = join(directory, 'weftd.pid');
  const mine = join(directory, `weftd.pid.${pid}`);
  const content = `${pid} ${processes.startTime(pid) ?? ''}\n`;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    writeFileSync(mine, content, { mode: 0o600 });
  } catch (cause) {
    throw new WeftError(
      'WEFT_STATE_UNUSABLE',
      { dir: directory, reason: (cause as Error).message },
      { cause },
    );
  }
  try {
    for (let attempt = 0; ; attempt++) {
      try {
        // link(2) fails when the name exists, and the file has its content from the start.
        linkSync(mine, file);
        return () => {
          if (readOrNull(file) === content) unlinkSync(file);
        };
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code !== 'EEXIST' || attempt > 10) {
          throw new WeftError(
            'WEFT_STATE_UNUSABLE',
            { dir: directory, reason: (cause as Error).message },
            { cause },
          );
        }
        removeStale(directory, file, pid, processes);
      }
    }
  } finally {
    unlinkSync(mine);
  }
}

function removeStale(directory: string, file: string, pid: number, processes: Processes): void {
  const content = readOrNull(file);
  if (content === null) return;
  const [holder = '', startTime = ''] = content.trim().split(' ');
  if (startTime !== '' && processes.startTime(Number(holder)) === startTime) {
    throw new WeftError('WEFT_STATE_LOCKED', { dir: directory, pid: holder });
  }
  // Another weftd may have replaced the stale file meanwhile: what was moved away is looked at again, and put back if it lives.
  const aside = `${file}.stale.${pid}`;
  try {
    renameSync(file, aside);
  } catch {
    return;
  }
  if (readOrNull(aside) !== content) linkSync(aside, file);
  unlinkSync(aside);
}

function readOrNull(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}

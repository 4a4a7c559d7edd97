/** One weftd for each state directory, also when several run in different network namespaces. */
import { closeSync, constants, fstatSync, open } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Kernel } from '../datapath/kernel.js';
import { WeftError } from '../errors.js';
import { type Disk, realDisk } from './disk.js';

/**
 * Makes the directory when it is absent and locks it, without writing into it: it may be full or read-only. Returns what lets it go; the
 * end of the process does, too. Throws WEFT_STATE_LOCKED or WEFT_STATE_UNUSABLE. No call here blocks the thread when the disk hangs.
 */
export async function lockDirectory(
  directory: string,
  kernel: Pick<Kernel, 'lockFile'>,
  disk: Pick<Disk, 'makeDirectory' | 'syncDirectory'> = realDisk,
): Promise<() => void> {
  let fd: number | null = null;
  try {
    await makeDurable(resolve(directory), disk);
    fd = await promisify(open)(directory, constants.O_RDONLY | constants.O_DIRECTORY);
    if (!kernel.lockFile(fd)) {
      const pid = holderOf(fstatSync(fd).ino, await readFile('/proc/locks', 'utf8').catch(() => ''));
      throw new WeftError('WEFT_STATE_LOCKED', { dir: directory, pid: pid ?? 'unknown' });
    }
  } catch (cause) {
    if (fd !== null) closeSync(fd);
    if (cause instanceof WeftError) throw cause;
    const { message } = cause as Error;
    throw new WeftError('WEFT_STATE_UNUSABLE', { dir: directory, reason: message }, { cause });
  }
  const held = fd;
  return () => closeSync(held);
}

/** What is kept in a directory is lost with its name, and that stands in the one above it. */
async function makeDurable(
  directory: string,
  disk: Pick<Disk, 'makeDirectory' | 'syncDirectory'>,
): Promise<void> {
  const topmost = await disk.makeDirectory(directory);
  if (topmost === null) return;
  for (let made = directory; made.length >= topmost.length; made = dirname(made))
    await disk.syncDirectory(dirname(made));
}

/** proc(5): `1: FLOCK  ADVISORY  WRITE 4242 fe:01:131074 0 EOF`. The device is not compared: some file systems show another one. */
export function holderOf(inode: number, locks: string): string | null {
  for (const line of locks.split('\n')) {
    const [, kind, , , pid = '', file = ''] = line.trim().split(/\s+/);
    if (kind === 'FLOCK' && file.endsWith(`:${inode}`) && Number(pid) > 0) return pid;
  }
  return null;
}

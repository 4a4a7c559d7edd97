/** What the state asks of a file system; tests pass one that fails, hangs, or forgets what was not synced. */
import { link, mkdir, open, readFile, rename, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from '../datapath/kernel.js';

export interface DiskFile {
  /** Writes all of it, or throws; then any part of it may be there. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  truncate(length: number): Promise<void>;
  /** Resolves when what was written is on the disk. */
  sync(): Promise<void>;
  /** Device and inode. */
  identity(): Promise<string>;
  close(): Promise<void>;
}

export interface Disk {
  /** With those above it that are missing; gives the topmost one that was made, null when there was nothing to make. */
  makeDirectory(path: string): Promise<string | null>;
  /** null when there is no such file. */
  read(path: string): Promise<Buffer | null>;
  /** One that exists, for writing. */
  open(path: string): Promise<DiskFile>;
  /** A new one, in the place of what has the name; that goes on under its other names, if it has any. */
  create(path: string): Promise<DiskFile>;
  rename(from: string, to: string): Promise<void>;
  /** A second name for the file, in the place of what has it now. */
  link(from: string, to: string): Promise<void>;
  /** Nothing happens when there is none. */
  remove(path: string): Promise<void>;
  /** What others wrote to the file, and may not have synced, is on the disk afterwards. */
  syncFile(path: string): Promise<void>;
  /** Names that were given or taken away in it are on the disk afterwards. */
  syncDirectory(path: string): Promise<void>;
  /** As that of a file; null when there is none. */
  identity(path: string): Promise<string | null>;
}

const mode = { directory: 0o700, file: 0o600 };

export const realDisk: Disk = {
  makeDirectory,
  read: (path) => nullWhenAbsent(readFile(path)),
  open: async (path) => fileOf(await open(path, 'r+')),
  create: async (path) => {
    await nullWhenAbsent(unlink(path));
    // After a crash the name may be a second one of the file that is in use; and no link that somebody laid there is followed.
    return fileOf(await open(path, 'wx', mode.file));
  },
  rename,
  link: async (from, to) => {
    await nullWhenAbsent(unlink(to));
    await link(from, to);
  },
  remove: async (path) => {
    await nullWhenAbsent(unlink(path));
  },
  syncFile: sync,
  syncDirectory: sync,
  identity: async (path) => {
    const status = await nullWhenAbsent(stat(path));
    return status === null ? null : `${status.dev} ${status.ino}`;
  },
};

/** What mkdir of Node does by itself where it is recursive, but that one says ENOENT when the file system is read-only. */
async function makeDirectory(path: string): Promise<string | null> {
  try {
    await mkdir(path, { mode: mode.directory });
    return path;
  } catch (error) {
    if (await isDirectory(path)) return null;
    const above = dirname(path);
    if (errnoOf(error) !== 'ENOENT' || above === path || (await isDirectory(above))) throw error;
    const topmost = await makeDirectory(above);
    const own = await makeDirectory(path);
    return topmost ?? own;
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isDirectory() ?? false;
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function fileOf(handle: Awaited<ReturnType<typeof open>>): DiskFile {
  return {
    write: async (bytes, position) => {
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
        done += bytesWritten;
      }
    },
    truncate: (length) => handle.truncate(length),
    sync: () => handle.datasync(),
    identity: async () => {
      const { dev, ino } = await handle.stat();
      return `${dev} ${ino}`;
    },
    close: () => handle.close(),
  };
}

async function nullWhenAbsent<T>(task: Promise<T>): Promise<T | null> {
  try {
    return await task;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}

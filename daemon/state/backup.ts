/** The state as a file of its own, and back. Each works on the directory itself and needs no weftd. */
import { dirname } from 'node:path';
import type { Kernel } from '../datapath/kernel.js';
import { WeftError } from '../errors.js';
import { lockDirectory } from './directory_lock.js';
import { type Disk, realDisk } from './disk.js';
import { journalName, writeJournal } from './journal_file.js';
import { Damage, type Header } from './journal_lines.js';
import { type Machine, thisMachine } from './machine.js';
import { openState, type ReadState, readState, refusal } from './open_state.js';
import { type RecordsByKey, Tables } from './tables.js';

/** What a file of the state holds. */
export interface Holdings {
  file: string;
  /** The host ID. */
  host: string;
  /** Version of weft that wrote it. */
  version: string;
  schema: number;
  /** Name of the host that wrote it. */
  machine: string | null;
  /** By kind. */
  records: Record<string, number>;
  /** Damaged copies of lines whose other copy is whole. */
  repaired: number;
}

export interface Tools {
  kernel: Pick<Kernel, 'lockFile'>;
  /** Of this weft. */
  version: string;
  machine?: Machine | null;
  disk?: Disk;
}

/** Of a backup. Throws WEFT_BACKUP_DAMAGED, WEFT_STATE_NEWER, WEFT_BACKUP_UNUSABLE. */
export async function holdingsOf(file: string, version: string, disk = realDisk): Promise<Holdings> {
  return summary(file, await backupIn(file, version, disk));
}

/** Of a state directory. Throws WEFT_STATE_DAMAGED, WEFT_STATE_NEWER, WEFT_STATE_UNUSABLE, WEFT_STATE_ABSENT. */
export async function holdingsOfState(
  directory: string,
  version: string,
  disk: Pick<Disk, 'read'> = realDisk,
): Promise<Holdings> {
  return summary(`${directory}/${journalName}`, await stateIn(directory, version, disk));
}

/** Throws WEFT_BACKUP_EXISTS where there is a file already, unless `overwrite`; then it is replaced as a whole, once the copy is on the disk. */
export async function backUp(
  directory: string,
  file: string,
  version: string,
  { overwrite = false, disk = realDisk }: { overwrite?: boolean; disk?: Disk } = {},
): Promise<Holdings> {
  const path = `${directory}/${journalName}`;
  const { header, records } = await stateIn(directory, version, disk);
  try {
    const there = await disk.identity(file);
    if (there === (await disk.identity(path))) throw new Error('it is the state itself, and no copy of it');
    if (there !== null && !overwrite) throw new WeftError('WEFT_BACKUP_EXISTS', { file });
    await replace(disk, file, header, records);
  } catch (cause) {
    throw backupRefusal(file, cause);
  }
  return await holdingsOf(file, version, disk);
}

/** Throws WEFT_STATE_LOCKED while weftd runs. What is there is kept as `journal.before-restore`. */
export async function restore(
  directory: string,
  file: string,
  { kernel, version, machine = thisMachine(), disk = realDisk }: Tools,
): Promise<Holdings> {
  const { header, records } = await backupIn(file, version, disk);
  const unlock = await lockDirectory(directory, kernel);
  try {
    const path = `${directory}/${journalName}`;
    // Not before the new one is complete: what is put back may be the one that was kept the last time.
    await replace(disk, path, { ...header, machine }, records, async () => {
      if ((await disk.identity(path)) !== null) await disk.link(path, `${path}.before-restore`);
    }).catch((cause: unknown) => {
      throw refusal(directory, cause);
    });
    return await holdingsOfState(directory, version, disk);
  } finally {
    unlock();
  }
}

/** Gives sentences about what was done. */
export async function adopt(
  directory: string,
  { kernel, version, machine = thisMachine(), disk = realDisk }: Tools,
): Promise<string[]> {
  await stateIn(directory, version, disk);
  const unlock = await lockDirectory(directory, kernel);
  try {
    const { store, notes } = await openState(directory, { version, machine, disk, adopt: true });
    const problem = await store.check();
    await store.close();
    if (problem !== null)
      throw new WeftError('WEFT_STATE_UNUSABLE', { dir: directory, reason: problem.reason });
    return notes;
  } finally {
    unlock();
  }
}

async function stateIn(directory: string, version: string, disk: Pick<Disk, 'read'>): Promise<ReadState> {
  const found = await readState(`${directory}/${journalName}`, version, disk).catch((cause: unknown) => {
    throw refusal(directory, cause);
  });
  if (found === null) throw new WeftError('WEFT_STATE_ABSENT', { dir: directory });
  return found;
}

async function backupIn(file: string, version: string, disk: Disk): Promise<ReadState> {
  try {
    const found = await readState(file, version, disk);
    if (found === null) throw new Error('there is no such file');
    return found;
  } catch (cause) {
    throw backupRefusal(file, cause);
  }
}

function backupRefusal(file: string, cause: unknown): WeftError {
  if (cause instanceof WeftError) return cause;
  const code = cause instanceof Damage ? 'WEFT_BACKUP_DAMAGED' : 'WEFT_BACKUP_UNUSABLE';
  return new WeftError(code, { file, reason: (cause as Error).message }, { cause });
}

async function replace(
  disk: Disk,
  path: string,
  header: Header,
  records: RecordsByKey,
  beforeRename?: () => Promise<void>,
): Promise<void> {
  const { file } = await writeJournal(disk, path, header, Tables.of(records), beforeRename);
  await file.close();
  await disk.syncDirectory(dirname(path));
}

function summary(file: string, { header, records, repaired }: ReadState): Holdings {
  const { host, version, schema, machine } = header;
  const counts = Object.fromEntries([...records].map(([kind, byKey]) => [kind, byKey.size]));
  return { file, host, version, schema, machine: machine?.name ?? null, records: counts, repaired };
}

/** Opens a state directory: reads what is there, whatever version left it, and says what is to be done where that cannot be. */
import { randomUUID } from 'node:crypto';
import { WeftError } from '../errors.js';
import type { CommitMeter } from '../telemetry/meters.js';
import { type Disk, realDisk } from './disk.js';
import { JournalFile, journalName } from './journal_file.js';
import { Damage, type Header, type Journal, readHeader, readJournal } from './journal_lines.js';
import { JournalStore } from './journal_store.js';
import { type OldState, readLmdb } from './lmdb_file.js';
import { type Machine, thisMachine } from './machine.js';
import { currentSchema, migrate, type Schema } from './schema.js';
import { type RecordsByKey, Tables } from './tables.js';

export interface StateOptions {
  /** Of this weft. */
  version: string;
  machine?: Machine | null;
  schema?: Schema;
  disk?: Disk;
  /** The state of another machine becomes that of this one. */
  adopt?: boolean;
  /** Milliseconds that the disk may take for a write. */
  patience?: number;
  meter?: CommitMeter;
}

export interface OpenedState {
  store: JournalStore;
  /** Sentences for the log: what was done to what was found. */
  notes: string[];
}

/** Where lmdb kept the state, below the directory. */
const lmdbName = 'state/data.mdb';

/** What stands there since, so that a weft that only knows lmdb refuses to start instead of beginning anew. */
const moved =
  'The state of weft is in the file "journal" one directory up. What was here is in data.mdb.schema-2.\n';

/** What was found in a directory. */
interface Found {
  from: 'nothing' | 'journal' | 'lmdb';
  header: Omit<Header, 'format' | 'lines'>;
  records: RecordsByKey;
  journal: (Pick<Journal, 'end' | 'repaired' | 'unfinished'> & { size: number; number: number }) | null;
}

/**
 * Throws WEFT_STATE_DAMAGED, WEFT_STATE_NEWER or WEFT_STATE_FOREIGN when what is there must not be used, and WEFT_STATE_UNUSABLE when it
 * cannot be read. A directory that can be read and not written is opened: then the store says of each change that it cannot be kept.
 * The caller holds the lock of the directory.
 */
export async function openState(directory: string, options: StateOptions): Promise<OpenedState> {
  const { version, machine = thisMachine(), schema = currentSchema, disk = realDisk, patience } = options;
  const notes: string[] = [];
  let found: Found | null;
  try {
    found = await find(directory, disk, schema, version);
  } catch (cause) {
    throw refusal(directory, cause);
  }
  const { header, records, from, journal } = found ?? beginning();
  const owner = ownerOf(directory, header, records, machine, options.adopt === true, notes);
  if (header.schema < schema.version) {
    migrate(records, header.schema, schema);
    notes.push(`the state was brought from schema ${header.schema} to ${schema.version}`);
  }
  const repaired = journal?.repaired ?? 0;
  if (repaired > 0)
    notes.push(`the state had ${repaired} damaged line(s), which were put right; check the disk`);

  const tables = Tables.of(records);
  const now = { schema: schema.version, host: owner.host, machine: owner.machine, version };
  const file = new JournalFile(disk, directory, { format: 'weft-state', ...now }, tables);
  const asItWas = from === 'journal' && journal !== null && sameHeader(header, now);
  const { meter } = options;
  const store = new JournalStore({
    hostId: owner.host,
    ...{ repaired, directory, tables, file, patience, meter },
  });
  let failure: string | null = null;
  if (asItWas && journal.repaired === 0 && !journal.unfinished) {
    await file.goOn(journal);
    failure = await store.confirm();
  } else if (from === 'nothing' || owner.host !== header.host) {
    // Until it is written nothing can be relied on: the host would have another ID with each start.
    await file.rewrite().catch((cause: unknown) => {
      throw refusal(directory, cause);
    });
  } else {
    const keep = from === 'journal' && header.schema < schema.version;
    await file.replaceLater(keep ? `${journalName}.schema-${header.schema}` : null);
    failure = await store.writeAnew();
    // What is appended to the file as it is belongs to whom its header names.
    const same = header.machine === null || header.machine.id === owner.machine?.id;
    if (failure !== null && header.schema === schema.version && same && journal !== null) {
      await file.goOn(journal);
      await store.confirm();
    }
  }
  if (failure !== null)
    notes.push(`the state cannot be written: ${failure}; weftd goes on with what it has read`);
  if (failure === null) await retireLmdb(directory, disk).catch(() => undefined);
  return { store, notes };

  function beginning(): Found {
    const header = { schema: schema.version, host: randomUUID(), machine, version };
    return { from: 'nothing', header, records: new Map(), journal: null };
  }
}

export interface ReadState {
  header: Header;
  records: RecordsByKey;
  repaired: number;
}

/** Reads a journal as a file of its own. Throws {@link Damage}, WEFT_STATE_NEWER, and what reading the file does. */
export async function readState(
  path: string,
  version: string,
  disk: Pick<Disk, 'read'>,
): Promise<ReadState | null> {
  const bytes = await disk.read(path);
  if (bytes === null) return null;
  const journal = readJournal(bytes);
  refuseNewer(path, journal.header, currentSchema, version, null);
  return { header: journal.header, records: recordsOf(journal), repaired: journal.repaired };
}

/**
 * Whose links the ports of this directory are; null when it holds no state. Records that are damaged do not matter here. Throws
 * WEFT_STATE_DAMAGED and WEFT_STATE_UNUSABLE.
 */
export async function hostIdOf(directory: string, disk: Disk = realDisk): Promise<string | null> {
  try {
    const bytes = await disk.read(`${directory}/${journalName}`);
    if (bytes !== null) return readHeader(bytes).host;
    return (await readOldState(directory, disk))?.host ?? null;
  } catch (cause) {
    throw refusal(directory, cause);
  }
}

async function find(directory: string, disk: Disk, schema: Schema, version: string): Promise<Found | null> {
  const bytes = await disk.read(`${directory}/${journalName}`);
  if (bytes !== null) {
    const journal = readJournal(bytes);
    const { header, changes, ...rest } = journal;
    const kept = `${directory}/${journalName}.schema-${schema.version}`;
    refuseNewer(directory, header, schema, version, (await disk.identity(kept)) === null ? null : kept);
    const read = { ...rest, size: bytes.length, number: changes.length };
    return { from: 'journal', header, records: recordsOf(journal), journal: read };
  }
  const old = await readOldState(directory, disk);
  if (old === null) return null;
  const header = { schema: old.schema, host: old.host, machine: null, version: '' };
  return { from: 'lmdb', header, records: old.records, journal: null };
}

function refuseNewer(
  directory: string,
  header: Header,
  { version: known }: Schema,
  own: string,
  kept: string | null,
): void {
  if (header.schema <= known) return;
  throw new WeftError('WEFT_STATE_NEWER', {
    dir: directory,
    version: header.version,
    schema: header.schema,
    own,
    known,
    back:
      kept === null
        ? 'put a backup back that weft of this version made: "weft state restore FILE"'
        : `"weft state restore ${kept}" puts back what was kept when the newer version took over`,
  });
}

/** The host and the machine that the state belongs to from now on. */
function ownerOf(
  directory: string,
  { host, machine: before }: Found['header'],
  records: RecordsByKey,
  machine: Machine | null,
  adopt: boolean,
  notes: string[],
): { host: string; machine: Machine | null } {
  if (machine === null || before === null || before.id === machine.id)
    return { host, machine: machine ?? before };
  if (adopt) {
    notes.push(`the state of "${before.name}" is now that of this machine`);
    return { host, machine };
  }
  const empty = [...records.values()].every(({ size }) => size === 0);
  if (!empty)
    throw new WeftError('WEFT_STATE_FOREIGN', { dir: directory, host, machine: before.name || before.id });
  notes.push(
    'the state directory was copied from another machine and holds nothing: this host gets an ID of its own',
  );
  return { host: randomUUID(), machine };
}

function sameHeader(one: Found['header'], other: Found['header']): boolean {
  return (
    one.schema === other.schema &&
    one.host === other.host &&
    one.version === other.version &&
    one.machine?.id === other.machine?.id &&
    one.machine?.name === other.machine?.name
  );
}

function recordsOf({ changes }: Journal): RecordsByKey {
  const records: RecordsByKey = new Map();
  for (const [what, kind, key, record] of changes.flat()) {
    const byKey = records.get(kind) ?? new Map<string, unknown>();
    records.set(kind, byKey);
    if (what === 'put') byKey.set(key, record);
    else byKey.delete(key);
  }
  return records;
}

async function readOldState(directory: string, disk: Disk): Promise<OldState | null> {
  const bytes = await disk.read(`${directory}/${lmdbName}`);
  return bytes === null ? null : readLmdb(bytes);
}

/** The journal holds all of it now. */
async function retireLmdb(directory: string, disk: Disk): Promise<void> {
  const path = `${directory}/${lmdbName}`;
  const bytes = await disk.read(path);
  if (bytes === null || bytes.equals(Buffer.from(moved))) return;
  await disk.link(path, `${path}.schema-2`);
  const fresh = `${path}.new`;
  const file = await disk.create(fresh);
  await file.write(Buffer.from(moved), 0);
  await file.sync();
  await file.close();
  await disk.rename(fresh, path);
  await disk.syncDirectory(`${directory}/state`);
}

/** What is wrong with the state of a directory. */
export function refusal(directory: string, cause: unknown): WeftError {
  if (cause instanceof WeftError) return cause;
  const reason = (cause as Error).message;
  const code = cause instanceof Damage ? 'WEFT_STATE_DAMAGED' : 'WEFT_STATE_UNUSABLE';
  return new WeftError(code, { dir: directory, reason }, { cause });
}

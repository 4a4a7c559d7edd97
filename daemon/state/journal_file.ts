/**
 * The file of the state: changes are appended to it, and now and then it is written anew, so that it does not grow for ever. Calls are made
 * one after the other.
 */
import type { Disk, DiskFile } from './disk.js';
import { changeLines, type Header, headerLines, type Operation } from './journal_lines.js';
import type { Tables } from './tables.js';

/** Operations of one line, where there are many. */
const perLine = 100;

/** A whole journal of these records, piece by piece. */
export function* journalOf(header: Omit<Header, 'lines'>, tables: Tables): Generator<Buffer> {
  yield headerLines({ ...header, lines: Math.ceil(tables.size / perLine) });
  let number = 0;
  for (const operations of tables.operations(perLine)) yield changeLines(++number, operations);
}

/** Writes a journal to a new file that gets its name when it is complete and on the disk; gives that file, open, and its length. */
export async function writeJournal(
  disk: Disk,
  path: string,
  header: Omit<Header, 'lines'>,
  tables: Tables,
  beforeRename: (file: DiskFile) => Promise<void> = async () => undefined,
): Promise<{ file: DiskFile; end: number; lines: number }> {
  const fresh = `${path}.new`;
  const file = await disk.create(fresh);
  try {
    let end = 0;
    let pieces = 0;
    for (const bytes of journalOf(header, tables)) {
      await file.write(bytes, end);
      end += bytes.length;
      pieces++;
    }
    await file.sync();
    await beforeRename(file);
    await disk.rename(fresh, path);
    return { file, end, lines: pieces - 1 };
  } catch (error) {
    await file.close().catch(() => undefined);
    await disk.remove(fresh).catch(() => undefined);
    throw error;
  }
}
/** Bytes up to which a file is never written anew for its size. */
const smallFile = 1024 * 1024;

/** Where in the directory what is kept stands. */
export const journalName = 'journal';

/** The file is not the one that was opened: what is written to it would be lost. */
export class Replaced extends Error {}

export class JournalFile {
  private file: DiskFile | null = null;
  /** Of the file that was read or written, as long as it has the name; and of the one that is about to get it. */
  private identity: string | null = null;
  private successor: string | null = null;
  private number = 0;
  /** Of what is finished. */
  private end = 0;
  /** Something may stand behind the end. */
  private untidy = false;
  /** Nothing is appended before it was written anew. */
  private stale = true;
  /** The file that was read ends in a whole line. */
  private appendable = false;
  private sizeWhenWritten = 0;
  /** Bytes of the longest line that could not be written, while no line of that length was. */
  private refused = 0;
  /** Second name for the file that is replaced next. */
  private keep: string | null = null;

  constructor(
    private readonly disk: Disk,
    private readonly directory: string,
    private readonly header: Omit<Header, 'lines'>,
    private readonly tables: Tables,
  ) {}

  private get path(): string {
    return `${this.directory}/${journalName}`;
  }

  /**
   * Goes on with the file that was read; `end` and `number` are those of its last line. Until {@link confirm}, and where there is no
   * end, it is written anew before anything is appended.
   */
  async goOn(read: { end: number | null; size: number; number: number }): Promise<void> {
    const identity = await this.disk.identity(this.path);
    // It was written anew, and only the last step of that failed: what was read has no name any more.
    if (identity !== null && identity === this.successor) return;
    this.identity = identity;
    this.appendable = read.end !== null;
    this.end = read.end ?? read.size;
    this.number = read.number;
    // It may have grown for long, and through many starts.
    this.sizeWhenWritten = this.end > smallFile ? Math.min(this.end, 2 * this.tables.length()) : this.end;
    this.untidy = read.size > this.end;
  }

  /** A process that was killed has written what was read here, and may not have synced it: others act on it from now on. */
  async confirm(): Promise<void> {
    await this.disk.syncFile(this.path);
    await this.disk.syncDirectory(this.directory);
    this.stale = !this.appendable;
  }

  /**
   * Goes on from a file that was read, and that has to be written anew before anything is appended; `keep` is a second name for it as it
   * is now.
   */
  async replaceLater(keep: string | null): Promise<void> {
    this.identity = await this.disk.identity(this.path);
    this.keep = keep;
  }

  /**
   * Resolves when the operations are on the disk. When it rejects, they are not, or are taken back before the next ones are written; the
   * same when nobody wants them any more when they are.
   */
  async append(operations: readonly Operation[], wanted: () => boolean = () => true): Promise<void> {
    try {
      const bytes = await this.write(operations);
      if (bytes >= this.refused) this.refused = 0;
      if (!wanted()) return;
      this.end += bytes;
      this.number += 1;
      this.untidy = false;
    } catch (error) {
      this.refused = Math.max(this.refused, changeLines(this.number + 1, operations).length);
      throw error;
    }
  }

  /** Whether a line as long as any that was refused can be written. It is taken back at once; rejects when it cannot be. */
  async attempt(): Promise<void> {
    await this.write([], this.refused);
    await this.tidy();
    this.refused = 0;
  }

  /** A line was refused, and no other one of that length was written since: what was may have been shorter. */
  get owes(): boolean {
    return this.refused > 0;
  }

  /** Behind the end, where it does not count yet. Gives its bytes. */
  private async write(operations: readonly Operation[], atLeast = 0): Promise<number> {
    await this.tidy();
    const file = this.file as DiskFile;
    const bytes = changeLines(this.number + 1, operations, atLeast);
    this.untidy = true;
    let written = false;
    try {
      await file.write(bytes, this.end);
      written = true;
      await file.sync();
    } catch (error) {
      // After a sync that failed the kernel may have thrown away what it could not write, and says so only once.
      this.stale = written;
      // What was refused must not be found by the next process, either.
      await file.truncate(this.end).catch(() => undefined);
      throw error;
    }
    return bytes.length;
  }

  /** Far more has been appended than there is. */
  get grown(): boolean {
    return this.end > smallFile && this.end > 4 * this.sizeWhenWritten;
  }

  /** It may grow as much again before {@link grown} says so. */
  letGrow(): void {
    this.sizeWhenWritten = this.end;
  }

  /** Writes the tables to a new file that takes the place of the old one when it is complete. */
  async rewrite(): Promise<void> {
    await this.mustBeOurs();
    const { file, end, lines } = await writeJournal(
      this.disk,
      this.path,
      this.header,
      this.tables,
      async (fresh) => {
        if (this.keep !== null) await this.disk.link(this.path, `${this.directory}/${this.keep}`);
        // Once only: next time the name may lead to the new one.
        this.keep = null;
        this.successor = await fresh.identity();
        // From here on it has the name or not, also when a call says that it failed.
        this.stale = true;
      },
    );
    this.identity = this.successor;
    const before = this.file;
    Object.assign(this, { file, end, number: lines, sizeWhenWritten: end, untidy: false });
    await before?.close().catch(() => undefined);
    await this.disk.syncDirectory(this.directory);
    this.stale = false;
  }

  /** Throws {@link Replaced} when the name leads to another file, or to none. */
  async mustBeOurs(): Promise<void> {
    if (this.identity === null) return;
    const found = await this.disk.identity(this.path);
    if (found === null || (found !== this.identity && found !== this.successor)) throw new Replaced();
  }

  async close(): Promise<void> {
    await this.file?.close();
    this.file = null;
  }

  private async tidy(): Promise<void> {
    if (this.stale) await this.rewrite();
    await this.mustBeOurs();
    this.file ??= await this.disk.open(this.path);
    if (!this.untidy) return;
    await this.file.truncate(this.end);
    // Or a power cut could leave parts of what was cut off beside parts of what is written in its place.
    this.stale = true;
    await this.file.sync();
    this.stale = false;
    this.untidy = false;
  }
}

/** The store: all records in memory, and each change in a journal before it is answered. */
import { WeftError } from '../errors.js';
import { secondsSince } from '../telemetry/histogram.js';
import { CommitMeter } from '../telemetry/meters.js';
import { type JournalFile, Replaced } from './journal_file.js';
import type { Operation } from './journal_lines.js';
import type { Change, Kind, Records, Store, StoreProblem, Transaction } from './store.js';
import type { Tables } from './tables.js';

/** Milliseconds that a disk may take for one write. */
const defaultPatience = 10_000;

interface Waiting {
  change: (tx: Transaction) => void;
  resolve: () => void;
  reject: (error: unknown) => void;
}

/** What one transaction changes. */
interface Agreed {
  operations: Operation[];
  waiting: Waiting;
}

const removed: StoreProblem = {
  kind: 'removed',
  reason: 'it was removed or replaced while weftd runs; start weftd again',
};

export interface JournalStoreParts {
  hostId: string;
  /** Damaged lines that were put right when it was read. */
  repaired: number;
  directory: string;
  tables: Tables;
  file: JournalFile;
  /** Milliseconds that the disk may take for a write. */
  patience?: number | undefined;
  meter?: CommitMeter | undefined;
}

export class JournalStore implements Store {
  private readonly listeners = new Set<(change: Change) => void>();
  private queue: Waiting[] = [];
  private writing: Promise<void> | null = null;
  /** Calls that the disk has not answered in time. */
  private overdue = 0;
  private lastFailure: string | null = null;
  private readonly patience: number;
  private readonly meter: CommitMeter;

  constructor(private readonly parts: JournalStoreParts) {
    this.patience = parts.patience ?? defaultPatience;
    this.meter = parts.meter ?? new CommitMeter();
  }

  get hostId(): string {
    return this.parts.hostId;
  }

  get repaired(): number {
    return this.parts.repaired;
  }

  get<K extends Kind>(kind: K, key: string): Records[K] | undefined {
    return this.parts.tables.get(kind, key) as Records[K] | undefined;
  }

  list<K extends Kind>(kind: K): Records[K][] {
    return this.parts.tables.list(kind) as Records[K][];
  }

  put<K extends Kind>(kind: K, key: string, record: Records[K]): Promise<void> {
    const copy = copyOf(record) as Records[K];
    return this.transaction((tx) => tx.put(kind, key, copy));
  }

  delete(kind: Kind, key: string): Promise<void> {
    return this.transaction((tx) => tx.delete(kind, key));
  }

  async transaction(change: (tx: Transaction) => void): Promise<void> {
    const began = performance.now();
    try {
      if (this.stuck) throw this.unusable(this.silence);
      await new Promise<void>((resolve, reject) => {
        this.queue.push({ change, resolve, reject });
        this.writing ??= this.writeAll();
      });
      this.meter.commit(secondsSince(began), false);
    } catch (error) {
      if (error instanceof WeftError && error.code === 'WEFT_STATE_UNUSABLE')
        this.meter.commit(secondsSince(began), true);
      throw error;
    }
  }

  async check(): Promise<StoreProblem | null> {
    if (this.stuck) return { kind: 'failed', reason: this.silence };
    try {
      await this.inTime(this.parts.file.mustBeOurs());
      if (this.lastFailure !== null) await this.transaction(() => undefined);
    } catch (error) {
      if (error instanceof Replaced) return removed;
      this.lastFailure ??= reasonOf(error);
    }
    return this.lastFailure === null ? null : { kind: 'failed', reason: this.lastFailure };
  }

  watch(listener: (change: Change) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** A disk that does not answer is not waited for. */
  async close(): Promise<boolean> {
    this.listeners.clear();
    await this.writing;
    if (this.stuck) return false;
    await this.parts.file.close();
    return true;
  }

  /** Writes all records to a new file, before anything else is asked for; gives the reason when that cannot be, or takes too long. */
  async writeAnew(): Promise<string | null> {
    await this.inTime(this.parts.file.rewrite()).catch((error: unknown) => {
      this.lastFailure = reasonOf(error);
    });
    return this.lastFailure;
  }

  /** What was read is on the disk, or is written anew before the next change; gives the reason when that is to be. */
  async confirm(): Promise<string | null> {
    if (!this.stuck)
      await this.inTime(this.parts.file.confirm()).catch((error: unknown) => {
        this.lastFailure = reasonOf(error);
      });
    return this.lastFailure;
  }

  /** The disk does not answer: what is asked meanwhile is refused at once. */
  private get stuck(): boolean {
    return this.overdue > 0;
  }

  private get silence(): string {
    return `its disk has not answered for ${this.patience / 1000} s`;
  }

  private async writeAll(): Promise<void> {
    // What is asked for in the same moment is written at once.
    await Promise.resolve();
    while (this.queue.length > 0 && !this.stuck) {
      await this.write(this.evaluate(this.queue.splice(0)));
      if (this.parts.file.grown && !this.stuck)
        await this.inTime(this.parts.file.rewrite()).catch(() => this.parts.file.letGrow());
    }
    for (const { reject } of this.queue.splice(0)) reject(this.unusable(this.silence));
    // In the same moment as the last look at the queue, or somebody would wait in it for ever.
    this.writing = null;
  }

  /** Each sees what the ones before it leave. */
  private evaluate(batch: readonly Waiting[]): Agreed[] {
    const earlier = new Map<string, string | null>();
    const agreed: Agreed[] = [];
    for (const waiting of batch) {
      const operations: Operation[] = [];
      const tx: Transaction = {
        get: <K extends Kind>(kind: K, key: string) => {
          const text = earlier.get(`${kind} ${key}`);
          if (text === undefined) return this.get(kind, key);
          return text === null ? undefined : (JSON.parse(text) as Records[K]);
        },
        put: (kind, key, record) => operations.push(['put', kind, key, copyOf(record)]),
        delete: (kind, key) => operations.push(['delete', kind, key]),
      };
      try {
        waiting.change(tx);
      } catch (error) {
        waiting.reject(error);
        continue;
      }
      agreed.push({ operations, waiting });
      for (const [what, kind, key, record] of operations)
        earlier.set(`${kind} ${key}`, what === 'put' ? JSON.stringify(record) : null);
    }
    return agreed;
  }

  private async write(agreed: readonly Agreed[]): Promise<void> {
    const operations = agreed.flatMap((one) => one.operations);
    try {
      if (operations.length > 0) {
        let wanted = true;
        const appended = this.parts.file.append(operations, () => wanted);
        await this.inTime(appended, () => {
          wanted = false;
        });
      } else if (this.lastFailure !== null) {
        await this.inTime(this.parts.file.attempt());
      }
      // A short line may still fit where others do not.
      if (!this.parts.file.owes) this.lastFailure = null;
    } catch (cause) {
      this.lastFailure = reasonOf(cause);
      for (const { waiting } of agreed) waiting.reject(this.unusable(this.lastFailure, cause));
      return;
    }
    for (const { operations, waiting } of agreed) {
      for (const operation of operations) this.parts.tables.apply(operation);
      try {
        for (const [, kind, key] of operations)
          for (const listener of this.listeners) listener({ kind: kind as Kind, key });
        waiting.resolve();
      } catch (error) {
        waiting.reject(error);
      }
    }
  }

  /** Rejects when the disk lets it wait for too long; the store is stuck then until it answers. */
  private async inTime(work: Promise<void>, onLate: () => void = () => undefined): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        this.overdue++;
        onLate();
        const over = (): void => {
          this.overdue--;
        };
        work.then(over, over);
        reject(new Error(this.silence));
      }, this.patience);
    });
    try {
      await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  private unusable(reason: string, cause?: unknown): WeftError {
    return new WeftError('WEFT_STATE_UNUSABLE', { dir: this.parts.directory, reason }, { cause });
  }
}

/** As it would be read again. */
function copyOf(record: unknown): unknown {
  return JSON.parse(JSON.stringify(record));
}

function reasonOf(error: unknown): string {
  return error instanceof Replaced ? removed.reason : (error as Error).message;
}

/** A disk in memory that fails, hangs, dies, and after a power cut has what was synced and perhaps some of the rest. */
import type { Disk, DiskFile } from '../disk.js';

export class Dead extends Error {}

/** What a file held since it was synced, oldest first: a power cut leaves any mixture of these. */
class Content {
  private constructor(private readonly versions: Buffer[]) {}

  static synced(bytes: Uint8Array): Content {
    return new Content([Buffer.from(bytes)]);
  }

  copy(): Content {
    return new Content([...this.versions]);
  }

  /** What a process sees. */
  get bytes(): Buffer {
    return this.versions.at(-1) as Buffer;
  }

  set bytes(bytes: Buffer) {
    this.versions.push(bytes);
  }

  /** What a power cut leaves for certain. */
  get synced(): Buffer {
    return this.versions[0] as Buffer;
  }

  sync(): void {
    this.versions.splice(0, this.versions.length - 1);
  }

  /** The length is of one version and each block of any, with zeros where that has none: a disk writes in no order. */
  mixture(pick: Pick, block: number): Buffer {
    if (this.versions.length === 1) return this.bytes;
    const one = () => this.versions[pick(this.versions.length)] as Buffer;
    const left = Buffer.alloc(one().length);
    for (let at = 0; at < left.length; at += block)
      left.set(one().subarray(at, Math.min(at + block, left.length)), at);
    return left;
  }
}

/** Any number from 0 that is less than this one. */
export type Pick = (options: number) => number;

export class FakeDisk implements Disk {
  /** Names as a process sees them, and as they were since they were synced, oldest first: a power cut leaves any one of these. */
  private names = new Map<string, Content>();
  private namesSince: ReadonlyMap<string, Content>[] = [new Map()];
  /** Calls so far that change something. */
  calls = 0;
  /** The process dies in this call, when half of it is done. */
  diesAt = Number.POSITIVE_INFINITY;
  /** Bytes that fit in all. */
  room = Number.POSITIVE_INFINITY;
  readOnly = false;
  /** The next sync fails; what was to be synced is lost. */
  syncFails = false;
  /** This call fails, and changes nothing or has done all that it was to do. */
  failsAt = Number.POSITIVE_INFINITY;
  failsLate = false;
  /** Calls that change something do not return while it is pending. */
  answers: Promise<void> = Promise.resolve();
  /** Nor does the question which file has a name. */
  tells: Promise<void> = Promise.resolve();

  async makeDirectory(): Promise<null> {
    return null;
  }

  async read(path: string): Promise<Buffer | null> {
    const content = this.names.get(path);
    return content === undefined ? null : Buffer.from(content.bytes);
  }

  /** As another program would. */
  put(path: string, bytes: Uint8Array): void {
    this.names.set(path, Content.synced(bytes));
    this.namesSince = [new Map(this.names)];
  }

  delete(path: string): void {
    this.names.delete(path);
    this.namesSince = [new Map(this.names)];
  }

  paths(): string[] {
    return [...this.names.keys()].sort();
  }

  async open(path: string): Promise<DiskFile> {
    const content = this.names.get(path);
    if (content === undefined) throw errno('ENOENT');
    if (this.readOnly) throw errno('EROFS');
    return this.fileOf(content);
  }

  async create(path: string): Promise<DiskFile> {
    const content = Content.synced(Buffer.alloc(0));
    const name = (): void => this.nameAnew({ to: path, content });
    await this.change(name, name);
    return this.fileOf(content);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.changeName(from, (content) => this.nameAnew({ from, to, content }));
  }

  async link(from: string, to: string): Promise<void> {
    await this.changeName(from, (content) => this.nameAnew({ to, content }));
  }

  async remove(path: string): Promise<void> {
    await this.change(() => this.nameAnew({ from: path }));
  }

  async syncFile(path: string): Promise<void> {
    const content = this.names.get(path);
    if (content === undefined) throw errno('ENOENT');
    if (!this.readOnly) await this.sync(content);
  }

  async syncDirectory(): Promise<void> {
    if (this.readOnly) return;
    await this.change(() => {
      this.namesSince = [new Map(this.names)];
    });
  }

  async identity(path: string): Promise<string | null> {
    await this.tells;
    const content = this.names.get(path);
    return content === undefined ? null : this.identityOf(content);
  }

  /** The process was killed: what it had written stays, but a power cut still takes what was not synced. */
  afterKill(): FakeDisk {
    const copies = new Map<Content, Content>();
    const copy = (names: ReadonlyMap<string, Content>) =>
      new Map(
        [...names].map(([name, content]): [string, Content] => {
          const known = copies.get(content) ?? content.copy();
          copies.set(content, known);
          return [name, known];
        }),
      );
    const disk = new FakeDisk();
    disk.names = copy(this.names);
    disk.namesSince = this.namesSince.map(copy);
    return disk;
  }

  /** The power was cut. Names that were not synced are lost or not, and of bytes that were not synced some part is there. */
  afterPowerCut(namesLost: boolean, bytesLost: 'all' | 'half' | 'zeroed' | 'none'): FakeDisk {
    const names = namesLost ? this.namesSince[0] : this.names;
    return this.successor(names as ReadonlyMap<string, Content>, ({ bytes, synced }) => {
      const common = Math.min(bytes.length, synced.length);
      const more = bytes.length - common;
      if (bytesLost === 'none') return bytes;
      if (bytesLost === 'all' || more <= 0) return synced;
      if (bytesLost === 'half') return bytes.subarray(0, common + (more >> 1));
      return Buffer.concat([bytes.subarray(0, common), Buffer.alloc(more)]);
    });
  }

  /** The power was cut, and the disk had got to any of it, in any order, in blocks of so many bytes. */
  afterAnyPowerCut(pick: Pick, block: number): FakeDisk {
    const names = this.namesSince[pick(this.namesSince.length)];
    return this.successor(names as ReadonlyMap<string, Content>, (content) => content.mixture(pick, block));
  }

  private successor(names: ReadonlyMap<string, Content>, left: (content: Content) => Buffer): FakeDisk {
    const disk = new FakeDisk();
    // Two names of one file stay so.
    const contents = new Map([...new Set(names.values())].map((one) => [one, Content.synced(left(one))]));
    disk.names = new Map([...names].map(([name, content]) => [name, contents.get(content) as Content]));
    disk.namesSince = [new Map(disk.names)];
    return disk;
  }

  private readonly identities = new WeakMap<Content, string>();
  private nextIdentity = 1;

  private identityOf(content: Content): string {
    const known = this.identities.get(content) ?? `1 ${this.nextIdentity++}`;
    this.identities.set(content, known);
    return known;
  }

  private fileOf(content: Content): DiskFile {
    return {
      write: async (bytes, position) => {
        const write = (part: Uint8Array): void => {
          const before = content.bytes.subarray(0, position);
          const after = content.bytes.subarray(position + part.length);
          content.bytes = Buffer.concat([before, part, after]);
        };
        let fits = bytes.length;
        await this.change(
          () => {
            const others = [...new Set(this.names.values())].filter((one) => one !== content);
            const used = others.reduce((sum, one) => sum + one.bytes.length, 0);
            const end = Math.min(position + bytes.length, Math.max(content.bytes.length, this.room - used));
            fits = Math.max(0, end - position);
            write(bytes.subarray(0, fits));
          },
          () => write(bytes.subarray(0, bytes.length >> 1)),
        );
        if (fits < bytes.length) throw errno('ENOSPC');
      },
      truncate: (length) =>
        this.change(() => {
          content.bytes = content.bytes.subarray(0, length);
        }),
      sync: () => this.sync(content),
      identity: async () => this.identityOf(content),
      close: async () => undefined,
    };
  }

  private async sync(content: Content): Promise<void> {
    await this.change(() => {
      if (!this.syncFails) return content.sync();
      this.syncFails = false;
      throw errno('EIO');
    });
  }

  private async changeName(path: string, change: (content: Content) => void): Promise<void> {
    await this.change(() => {
      const content = this.names.get(path);
      if (content === undefined) throw errno('ENOENT');
      change(content);
    });
  }

  private nameAnew({ from, to, content }: { from?: string; to?: string; content?: Content }): void {
    if (from !== undefined) this.names.delete(from);
    if (to !== undefined && content !== undefined) this.names.set(to, content);
    this.namesSince.push(new Map(this.names));
  }

  /** In the call in which the process dies only `half` is done, and no call comes back after it. */
  private async change(all: () => void, half: () => void = () => undefined): Promise<void> {
    await this.answers;
    this.calls++;
    if (this.calls > this.diesAt) throw new Dead();
    if (this.calls === this.diesAt) {
      half();
      throw new Dead();
    }
    if (this.readOnly) throw errno('EROFS');
    const fails = this.calls === this.failsAt;
    if (!fails || this.failsLate) all();
    if (fails) throw errno('EIO');
  }
}

function errno(code: string): Error {
  const words: Record<string, string> = {
    ENOENT: 'no such file or directory',
    EROFS: 'read-only file system',
    ENOSPC: 'no space left on device',
    EIO: 'i/o error',
  };
  return Object.assign(new Error(`${code}: ${words[code]}`), { code });
}

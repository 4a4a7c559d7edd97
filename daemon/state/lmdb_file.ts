/**
 * Reads the file of lmdb that held the state up to schema 2, without mapping it: whatever its pages say, nothing outside of them is read.
 * Layout: struct MDB_page, MDB_node, MDB_db and MDB_meta in mdb.c of lmdb 1.0; numbers are little endian.
 */
import { Damage } from './journal_lines.js';

export interface OldState {
  schema: number;
  host: string;
  /** By kind and key. */
  records: Map<string, Map<string, unknown>>;
}

const magic = 0xbeefc0de;
const pageHeader = 24;
/** Offsets in a meta page. */
const meta = { magic: 24, pageSize: 48, mainEntries: 128, mainRoot: 136, transaction: 152, end: 160 };
/** Offsets in a page, and flags of it. */
const page = { number: 0, flags: 18, lower: 20, branch: 1, leaf: 2, overflow: 4 };
const node = { flags: 4, keySize: 6, key: 8, bigData: 1, subData: 2 };
/** Offsets in what describes a tree. */
const tree = { entries: 32, root: 40, size: 48 };
const noRoot = 0xffff_ffff_ffff_ffffn;
const deepest = 32;

/** Throws {@link Damage} where the file is not what lmdb leaves. */
export function readLmdb(bytes: Buffer): OldState {
  try {
    return new Reader(bytes).state();
  } catch (error) {
    if (error instanceof RangeError || error instanceof SyntaxError)
      throw new Damage('its pages are not as they should be');
    throw error;
  }
}

class Reader {
  private readonly pageSize: number;
  /** Pages lead to each other, but never in a circle. */
  private readonly seen = new Set<bigint>();

  constructor(private readonly bytes: Buffer) {
    if (bytes.length === 0) throw new Damage('it is empty');
    if (bytes.length < meta.end || bytes.readUInt32LE(meta.magic) !== magic)
      throw new Damage('it does not begin as it should');
    this.pageSize = bytes.readUInt32LE(meta.pageSize);
    if (this.pageSize < 512 || this.pageSize > 65536 || (this.pageSize & (this.pageSize - 1)) !== 0)
      throw new Damage(`its page size of ${this.pageSize} is none`);
    if (bytes.length < 2 * this.pageSize || bytes.readUInt32LE(this.pageSize + meta.magic) !== magic)
      throw new Damage('its second page is not as it should be');
  }

  state(): OldState {
    const [one, other] = [0, this.pageSize].map((at) => this.bytes.readBigUInt64LE(at + meta.transaction));
    const newest = (other as bigint) > (one as bigint) ? this.pageSize : 0;
    const trees = this.records(
      this.bytes.readBigUInt64LE(newest + meta.mainRoot),
      this.bytes.readBigUInt64LE(newest + meta.mainEntries),
    );
    const records = new Map<string, Map<string, unknown>>();
    let about = new Map<string, unknown>();
    for (const [name, { flags, data }] of trees) {
      if ((flags & node.subData) === 0 || data.length !== tree.size) continue;
      const content = new Map(
        [...this.records(data.readBigUInt64LE(tree.root), data.readBigUInt64LE(tree.entries))].map(
          ([key, { data: text }]): [string, unknown] => [key, JSON.parse(text.toString('utf8'))],
        ),
      );
      if (name === 'meta') about = content;
      else records.set(name, content);
    }
    const [schema, host] = [about.get('schema'), about.get('host')];
    if (typeof schema !== 'number' || typeof host !== 'string')
      throw new Damage('it does not say whose it is');
    return { schema, host, records };
  }

  /** By their keys; throws when there are not as many as there should be. */
  private records(root: bigint, entries: bigint): Map<string, { flags: number; data: Buffer }> {
    const found = new Map<string, { flags: number; data: Buffer }>();
    if (root !== noRoot) this.walk(root, 0, found);
    if (BigInt(found.size) !== entries) throw new Damage(`it has ${found.size} records of ${entries}`);
    return found;
  }

  private walk(number: bigint, depth: number, found: Map<string, { flags: number; data: Buffer }>): void {
    const here = this.pageOf(number);
    if (depth > deepest || this.seen.has(number)) throw new Damage('its pages lead in a circle');
    this.seen.add(number);
    const kind = here.readUInt16LE(page.flags) & (page.branch | page.leaf);
    const count = here.readUInt16LE(page.lower) >> 1;
    for (let index = 0; index < count; index++) {
      const at = here.readUInt16LE(pageHeader + 2 * index) + pageHeader;
      const low = here.readUInt16LE(at);
      const high = here.readUInt16LE(at + 2);
      const flags = here.readUInt16LE(at + node.flags);
      if (kind === page.branch) {
        this.walk(BigInt(low) | (BigInt(high) << 16n) | (BigInt(flags) << 32n), depth + 1, found);
        continue;
      }
      if (kind !== page.leaf) throw new Damage(`its page ${number} is of no kind`);
      const keySize = here.readUInt16LE(at + node.keySize);
      // Names of trees, and strings as keys, end in a zero.
      const key = cut(here, at + node.key, keySize)
        .toString('utf8')
        .replace(/\0$/, '');
      const size = low + high * 65536;
      const from = at + node.key + keySize;
      const data =
        (flags & node.bigData) === 0
          ? cut(here, from, size)
          : cut(this.bytes, this.offsetOf(here.readBigUInt64LE(from)) + pageHeader, size);
      found.set(key, { flags, data });
    }
  }

  private pageOf(number: bigint): Buffer {
    const offset = this.offsetOf(number);
    const found = cut(this.bytes, offset, this.pageSize);
    if (found.readBigUInt64LE(page.number) !== number) throw new Damage(`its page ${number} is another one`);
    return found;
  }

  private offsetOf(number: bigint): number {
    const offset = number * BigInt(this.pageSize);
    if (offset + BigInt(this.pageSize) > BigInt(this.bytes.length))
      throw new Damage(`its page ${number} is missing`);
    return Number(offset);
  }
}

function cut(bytes: Buffer, from: number, length: number): Buffer {
  if (from + length > bytes.length) throw new RangeError();
  return bytes.subarray(from, from + length);
}

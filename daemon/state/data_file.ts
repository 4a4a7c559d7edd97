/**
 * Looks at the file of lmdb before it is mapped: lmdb trusts its pages, and a damaged file would end the process by a signal, without a
 * word. What is checked is what the library needs to find its first page: both meta pages, and that the file has all pages that the
 * newer one speaks of (struct MDB_meta in mdb.c; numbers are little endian).
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const magic = 0xbeefc0de;
/** Offsets in a meta page. */
const at = { magic: 24, pageSize: 48, lastPage: 144, transaction: 152, end: 160 };

/** What is wrong with the file; null when nothing is to be seen, or there is no file. Throws what the kernel refuses. */
export function damageOf(path: string): string | null {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    const { size } = fstatSync(fd);
    if (size === 0) return 'it is empty';
    const first = read(fd, 0);
    if (first === null || first.readUInt32LE(at.magic) !== magic) return 'it does not begin as it should';
    const pageSize = first.readUInt32LE(at.pageSize);
    if (pageSize < 512 || pageSize > 65536 || (pageSize & (pageSize - 1)) !== 0)
      return `its page size of ${pageSize} is none`;
    const second = read(fd, pageSize);
    if (second === null || second.readUInt32LE(at.magic) !== magic)
      return 'its second page is not as it should be';
    const newer =
      second.readBigUInt64LE(at.transaction) > first.readBigUInt64LE(at.transaction) ? second : first;
    const needed = (newer.readBigUInt64LE(at.lastPage) + 1n) * BigInt(pageSize);
    return BigInt(size) < needed ? `it has ${size} bytes of ${needed}` : null;
  } finally {
    closeSync(fd);
  }
}

function read(fd: number, position: number): Buffer | null {
  const page = Buffer.alloc(at.end);
  return readSync(fd, page, 0, page.length, position) === page.length ? page : null;
}

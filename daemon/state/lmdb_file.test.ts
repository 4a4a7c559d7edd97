import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Damage } from './journal_lines.js';
import { readLmdb } from './lmdb_file.js';
import { hostIdOf, openState } from './open_state.js';
import type { Kind } from './store.js';
import { FakeDisk } from './testing/fake_disk.js';

/** What weft wrote while its state was a file of lmdb. */
const fixture = new URL('./testing/schema-2/', import.meta.url);
const file = gunzipSync(readFileSync(new URL('data.mdb.gz', fixture)));
const { host, records } = JSON.parse(readFileSync(new URL('records.json', fixture), 'utf8')) as {
  host: string;
  records: Record<Kind, Record<string, unknown>>;
};
const path = '/s/state/data.mdb';
const open = (disk: FakeDisk) => openState('/s', { version: '1.2.3', machine: null, disk });

function written(): FakeDisk {
  const disk = new FakeDisk();
  disk.put(path, file);
  return disk;
}

async function expectAll(disk: FakeDisk, at = ''): Promise<void> {
  const { store } = await open(disk);
  expect(store.hostId, at).toBe(host);
  for (const [kind, byKey] of Object.entries(records) as [Kind, Record<string, unknown>][]) {
    const keys = Object.keys(byKey).sort();
    expect(store.list(kind), at).toEqual(keys.map((key) => byKey[key]));
    for (const key of keys) expect(store.get(kind, key), at).toEqual(byKey[key]);
  }
}

describe('the state of schema 2', () => {
  it('is taken over, record by record', async () => {
    const disk = written();
    expect(await hostIdOf('/s', disk)).toBe(host);
    expect((await open(disk)).notes).toEqual(['the state was brought from schema 2 to 3']);
    await expectAll(disk);
    expect(await hostIdOf('/s', disk)).toBe(host);
    expect(await disk.read(`${path}.schema-2`)).toEqual(file);
  });

  it('is there in the old form or in the new one, wherever the process dies', async () => {
    for (let diesAt = 1; ; diesAt++) {
      const disk = written();
      disk.diesAt = diesAt;
      await open(disk);
      for (const left of [
        disk.afterKill(),
        disk.afterPowerCut(true, 'all'),
        disk.afterPowerCut(false, 'half'),
      ])
        await expectAll(left, `call ${diesAt}`);
      if (disk.calls < disk.diesAt) return;
    }
  });

  it('is no more in the place where a weft of that time would begin anew, or take it for the newest', async () => {
    const disk = written();
    await open(disk);
    const placeholder = (await disk.read(path)) as Buffer;
    expect(placeholder.toString()).toContain('"journal"');
    expect(() => readLmdb(placeholder)).toThrow('it does not begin as it should');
  });

  it('is refused as damaged when its pages are not what they should be, whatever they are', () => {
    expect(() => readLmdb(Buffer.alloc(0))).toThrow('it is empty');
    expect(() => readLmdb(file.subarray(0, 20_000))).toThrow(Damage);
    const change = fc.tuple(fc.nat(file.length - 1), fc.nat(255));
    fc.assert(
      fc.property(
        fc.array(change, { minLength: 1, maxLength: 20 }),
        fc.nat(file.length),
        (changes, length) => {
          const bytes = Buffer.from(length % 5 === 0 ? file.subarray(0, length) : file);
          for (const [offset, value] of changes) if (offset < bytes.length) bytes[offset] = value;
          try {
            readLmdb(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(Damage);
          }
        },
      ),
      { numRuns: 3000 },
    );
  });
});

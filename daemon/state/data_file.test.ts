import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { damageOf } from './data_file.js';
import { LmdbStore } from './lmdb_store.js';

describe('the file of the store', () => {
  let dir: string;
  let file: string;

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'weft-data-'));
    file = join(dir, 'state', 'data.mdb');
    const store = await LmdbStore.open(dir);
    for (let index = 0; index < 50; index++)
      await store.put('pool', `p${index}`, {
        id: `p${index}`,
        scope: 's',
        subnet: '10.0.0.0/8',
        range: null,
        references: 1,
        bound: false,
        requestedAt: index,
      });
    await store.close();
  });

  afterEach(() => rmSync(dir, { recursive: true }));

  it('is sound after use, and when there is none', () => {
    expect(damageOf(file)).toBeNull();
    expect(damageOf(join(dir, 'none'))).toBeNull();
  });

  it.each<[string, () => void]>([
    ['empty', () => truncateSync(file, 0)],
    ['text', () => writeFileSync(file, 'hello\n')],
    ['zeros', () => writeFileSync(file, Buffer.alloc(readFileSync(file).length))],
    [
      'random',
      () => writeFileSync(file, Buffer.from(Array.from({ length: 20_000 }, (_, i) => (i * 7919) & 0xff))),
    ],
    ['cut short', () => truncateSync(file, 8192)],
    [
      'without its second page',
      () => {
        const bytes = readFileSync(file);
        bytes.fill(0, 4096, 8192);
        writeFileSync(file, bytes);
      },
    ],
  ])('is refused by name when it is %s, instead of ending the process', async (_, damage) => {
    damage();
    await expect(LmdbStore.open(dir)).rejects.toMatchObject({ code: 'WEFT_STATE_DAMAGED' });
  });

  it('is refused when it cannot be read at all', async () => {
    rmSync(file);
    mkdirSync(file);
    await expect(LmdbStore.open(dir)).rejects.toMatchObject({ code: expect.stringContaining('WEFT_STATE_') });
  });
});

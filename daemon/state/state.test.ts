import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NetworkRecord } from '../model/objects.js';
import { lockDirectory } from './directory_lock.js';
import { LmdbStore } from './lmdb_store.js';
import { MemoryStore } from './memory_store.js';
import type { Change, Store } from './store.js';

const blue: NetworkRecord = {
  name: 'blue',
  vni: 42,
  subnets: ['10.42.0.0/24'],
  mtu: 'auto',
  vlan: 'drop',
  fdb: {},
  owner: { kind: 'api', ref: 'weft' },
};

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'weft-state-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true });
});

describe.each([
  ['lmdb', (): Promise<Store> => LmdbStore.open(dir)],
  ['memory', async (): Promise<Store> => new MemoryStore()],
])('the %s store', (_, open) => {
  it('gives back what was put, tells of changes, and forgets what was deleted', async () => {
    const store = await open();
    const seen: Change[] = [];
    const end = store.watch((change) => seen.push(change));
    await store.put('network', 'blue', blue);
    await store.put('network', 'aqua', { ...blue, name: 'aqua' });
    expect(store.get('network', 'blue')).toEqual(blue);
    expect(store.list('network').map(({ name }) => name)).toEqual(['aqua', 'blue']);
    expect(store.list('port')).toEqual([]);
    await store.delete('network', 'blue');
    expect(store.get('network', 'blue')).toBeUndefined();
    end();
    await store.delete('network', 'aqua');
    expect(seen.map(({ key }) => key)).toEqual(['blue', 'aqua', 'blue']);
    await store.close();
  });

  it('makes a transaction all or nothing', async () => {
    const store = await open();
    const failing = store.transaction((tx) => {
      tx.put('network', 'blue', blue);
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(store.list('network')).toEqual([]);
    await store.close();
  });

  it('shows a transaction what the ones before it left, though nobody waited for them', async () => {
    const store = await open();
    await store.put('network', 'blue', blue);
    const deleted = store.delete('network', 'blue');
    const added = store.put('network', 'aqua', { ...blue, name: 'aqua' });
    let seen: unknown[] = [];
    await store.transaction((tx) => {
      seen = [tx.get('network', 'blue'), tx.get('network', 'aqua')?.name];
    });
    await Promise.all([deleted, added]);
    expect(seen).toEqual([undefined, 'aqua']);
    await store.close();
  });
});

describe('the lmdb store', () => {
  it('keeps records and the host ID over a restart', async () => {
    const first = await LmdbStore.open(dir);
    await first.put('network', 'blue', blue);
    await first.close();
    const second = await LmdbStore.open(dir);
    expect([second.hostId, second.get('network', 'blue')]).toEqual([first.hostId, blue]);
    await second.close();
  });

  it('has on the disk what a process that was killed had been promised', async () => {
    const store = new URL('./lmdb_store.ts', import.meta.url).pathname;
    const script = `const { LmdbStore } = await import(${JSON.stringify(store)});
      const store = await LmdbStore.open(${JSON.stringify(dir)});
      await store.put('network', 'blue', ${JSON.stringify(blue)});
      process.kill(process.pid, 'SIGKILL');`;
    const arguments_ = ['--import', 'tsx', '--input-type=module', '-e', script];
    expect(() => execFileSync(process.execPath, arguments_, { stdio: 'pipe' })).toThrow('Command failed');
    const again = await LmdbStore.open(dir);
    expect(again.get('network', 'blue')).toEqual(blue);
    await again.close();
  });

  it('says why it cannot write, and that it can again', () => {
    const store = new URL('./lmdb_store.ts', import.meta.url).pathname;
    // A limit on the size of files stands in for a full disk.
    const script = `const { execFileSync } = await import('node:child_process');
      const { LmdbStore } = await import(${JSON.stringify(store)});
      const store = await LmdbStore.open(${JSON.stringify(dir)});
      const limit = (bytes) => execFileSync('prlimit', ['--pid', String(process.pid), '--fsize=' + bytes + ':']);
      process.on('unhandledRejection', () => undefined);
      const large = { ...${JSON.stringify(blue)}, name: 'x'.repeat(1_000_000) };
      limit(4096);
      const error = await store.put('network', 'large', large).catch((error) => error);
      const during = await store.check();
      limit('unlimited');
      const after = await store.check();
      await store.put('network', 'blue', ${JSON.stringify(blue)});
      const keys = store.list('network').map(({ name }) => name);
      process.stdout.write(JSON.stringify({ code: error.code, reason: error.details?.reason, during, after, keys }));
      await store.close();`;
    const arguments_ = ['--import', 'tsx', '--input-type=module', '-e', script];
    const printed = execFileSync(process.execPath, arguments_, { stdio: 'pipe', encoding: 'utf8' });
    expect(JSON.parse(printed)).toEqual({
      code: 'WEFT_STATE_UNUSABLE',
      reason: expect.any(String),
      during: { kind: 'failed', reason: expect.any(String) },
      after: null,
      keys: ['blue'],
    });
  });

  it('writes nothing into files that were removed, not even when others are in their place', async () => {
    const store = await LmdbStore.open(dir);
    expect(await store.check()).toBeNull();
    rmSync(join(dir, 'state'), { recursive: true });
    const unusable = { code: 'WEFT_STATE_UNUSABLE', message: expect.stringContaining('while weftd runs') };
    await expect(store.put('network', 'blue', blue)).rejects.toMatchObject(unusable);
    expect(await store.check()).toMatchObject({ kind: 'removed' });
    const other = await LmdbStore.open(dir);
    await expect(store.put('network', 'blue', blue)).rejects.toMatchObject(unusable);
    await other.close();
    await store.close();
  });

  it('refuses a directory that it cannot use', async () => {
    writeFileSync(join(dir, 'state'), 'no database');
    await expect(LmdbStore.open(dir)).rejects.toMatchObject({ code: 'WEFT_STATE_UNUSABLE' });
  });
});

describe('the lock of the state directory', () => {
  const processes = (alive: Record<number, string>) => ({ startTime: (pid: number) => alive[pid] ?? null });

  it('is held by one living process', () => {
    const alive = processes({ 1: '10', 2: '20' });
    const release = lockDirectory(dir, alive, 1);
    expect(() => lockDirectory(dir, alive, 2)).toThrow(
      expect.objectContaining({ code: 'WEFT_STATE_LOCKED', details: { dir, pid: '1' } }),
    );
    release();
    lockDirectory(dir, alive, 2)();
    expect(readdirSync(dir)).toEqual([]);
  });

  it('is taken over from a process that is gone, also when its PID is in use again', () => {
    lockDirectory(dir, processes({ 1: '10' }), 1);
    const release = lockDirectory(dir, processes({ 1: '99', 2: '20' }), 2);
    expect(readFileSync(join(dir, 'weftd.pid'), 'utf8')).toBe('2 20\n');
    release();
    expect(existsSync(join(dir, 'weftd.pid'))).toBe(false);
  });
});

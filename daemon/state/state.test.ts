import { execFileSync } from 'node:child_process';
import {
  linkSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeNative } from '../datapath/fake_native.js';
import { holderOf, lockDirectory } from './directory_lock.js';
import { realDisk } from './disk.js';
import type { Machine } from './machine.js';
import { MemoryStore } from './memory_store.js';
import { openState } from './open_state.js';
import type { Change, Store } from './store.js';
import { blue, names, network } from './testing/networks.js';

const machine: Machine = { id: 'a'.repeat(32), name: 'h1' };
let dir: string;
const open = async (): Promise<Store> => (await openState(dir, { version: '1.2.3', machine })).store;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'weft-state-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true });
});

describe.each([
  ['journal', open],
  ['memory', async (): Promise<Store> => new MemoryStore()],
])('the %s store', (_, open) => {
  it('gives back what was put, tells of changes, and forgets what was deleted', async () => {
    const store = await open();
    const seen: Change[] = [];
    const end = store.watch((change) => seen.push(change));
    await store.put('network', 'blue', blue);
    await store.put('network', 'aqua', network('aqua'));
    expect(store.get('network', 'blue')).toEqual(blue);
    expect(names(store)).toEqual(['aqua', 'blue']);
    expect(store.list('port')).toEqual([]);
    await store.delete('network', 'blue');
    expect(store.get('network', 'blue')).toBeUndefined();
    expect(names(store)).toEqual(['aqua']);
    end();
    await store.delete('network', 'aqua');
    expect(seen.map(({ key }) => key)).toEqual(['blue', 'aqua', 'blue']);
    await store.close();
  });

  it('keeps what was put, whatever becomes of the object', async () => {
    const store = await open();
    const record = structuredClone(blue);
    const put = store.put('network', 'blue', record);
    record.vni = 7;
    await put;
    (store.get('network', 'blue') as typeof blue).subnets.push('10.0.0.0/8');
    expect(store.get('network', 'blue')).toEqual(blue);
    await store.close();
  });

  it('lists the same records again and again, which nobody can change', async () => {
    const store = await open();
    await store.put('network', 'blue', blue);
    await store.put('network', 'aqua', network('aqua'));
    const [aqua, listed] = store.list('network');
    expect(() => listed?.subnets.push('10.0.0.0/8')).toThrow(TypeError);
    store.list('network').length = 0;
    await store.put('network', 'aqua', { ...network('aqua'), vni: 7 });
    const [changed, again] = store.list('network');
    expect(again).toBe(listed);
    expect([aqua?.vni, changed?.vni]).toEqual([network('aqua').vni, 7]);
    await store.close();
  });

  it('makes a transaction all or nothing', async () => {
    const store = await open();
    const failing = store.transaction((tx) => {
      tx.put('network', 'blue', blue);
      throw new Error('no');
    });
    const other = store.put('network', 'aqua', network('aqua'));
    await expect(failing).rejects.toThrow('no');
    await other;
    expect(names(store)).toEqual(['aqua']);
    await store.close();
  });

  it('shows a transaction what the ones before it left, though nobody waited for them', async () => {
    const store = await open();
    await store.put('network', 'blue', blue);
    const deleted = store.delete('network', 'blue');
    const added = store.put('network', 'aqua', network('aqua'));
    let seen: unknown[] = [];
    await store.transaction((tx) => {
      seen = [tx.get('network', 'blue'), tx.get('network', 'aqua')?.name];
    });
    await Promise.all([deleted, added]);
    expect(seen).toEqual([undefined, 'aqua']);
    await store.close();
  });
});

describe('the state on a disk', () => {
  it('keeps records and the host ID over a restart', async () => {
    const first = await open();
    await first.put('network', 'blue', blue);
    await first.put('network', 'red', network('red'));
    await first.delete('network', 'red');
    await first.close();
    const second = await open();
    expect([second.hostId, second.list('network')]).toEqual([first.hostId, [blue]]);
    await second.close();
  });

  it('has on the disk what a process that was killed had been promised', async () => {
    const module = new URL('./open_state.ts', import.meta.url).pathname;
    const script = `const { openState } = await import(${JSON.stringify(module)});
      const { store } = await openState(${JSON.stringify(dir)}, { version: '1.2.3' });
      await store.put('network', 'blue', ${JSON.stringify(blue)});
      process.kill(process.pid, 'SIGKILL');`;
    const arguments_ = ['--import', 'tsx', '--input-type=module', '-e', script];
    expect(() => execFileSync(process.execPath, arguments_, { stdio: 'pipe' })).toThrow('Command failed');
    const again = (await openState(dir, { version: '1.2.3' })).store;
    expect(again.get('network', 'blue')).toEqual(blue);
    await again.close();
  });

  it('writes nothing into files that were removed, not even when others are in their place', async () => {
    const store = await open();
    await store.put('network', 'red', network('red'));
    expect(await store.check()).toBeNull();
    rmSync(join(dir, 'journal'));
    const unusable = { code: 'WEFT_STATE_UNUSABLE', message: expect.stringContaining('while weftd runs') };
    await expect(store.put('network', 'blue', blue)).rejects.toMatchObject(unusable);
    expect(await store.check()).toMatchObject({ kind: 'removed' });
    const other = await open();
    await expect(store.put('network', 'blue', blue)).rejects.toMatchObject(unusable);
    expect(await store.check()).toMatchObject({ kind: 'removed' });
    expect(names(other)).toEqual([]);
    await other.close();
    await store.close();
  });

  it('goes on when what was moved away is moved back', async () => {
    const store = await open();
    await store.put('network', 'red', network('red'));
    renameSync(dir, `${dir}-away`);
    await expect(store.put('network', 'blue', blue)).rejects.toMatchObject({ code: 'WEFT_STATE_UNUSABLE' });
    expect(await store.check()).toMatchObject({ kind: 'removed' });
    renameSync(`${dir}-away`, dir);
    expect(await store.check()).toBeNull();
    await store.put('network', 'blue', blue);
    await store.close();
    const again = await open();
    expect(names(again)).toEqual(['blue', 'red']);
    await again.close();
  });

  it('is refused where a file cannot be read', async () => {
    rmSync(dir, { recursive: true });
    writeFileSync(dir, 'no directory');
    await expect(open()).rejects.toMatchObject({ code: 'WEFT_STATE_UNUSABLE' });
  });
});

describe('a real disk', () => {
  it('writes into no file that has the name of a new one', async () => {
    const path = join(dir, 'journal');
    writeFileSync(path, 'in use');
    // As a crash in the middle of a rename leaves it on some file systems.
    linkSync(path, `${path}.new`);
    const file = await realDisk.create(`${path}.new`);
    await file.write(Buffer.from('new'), 0);
    await file.sync();
    await file.close();
    expect(readFileSync(path, 'utf8')).toBe('in use');
    expect(readFileSync(`${path}.new`, 'utf8')).toBe('new');
    expect(statSync(`${path}.new`).mode & 0o777).toBe(0o600);

    const other = join(dir, 'other');
    symlinkSync(path, other);
    await (await realDisk.create(other)).close();
    expect(readFileSync(path, 'utf8')).toBe('in use');
    expect(lstatSync(other).isFile()).toBe(true);
  });

  it('makes a directory, or says what the kernel has against it', async () => {
    expect(await realDisk.makeDirectory(join(dir, 'one', 'two'))).toBe(join(dir, 'one'));
    expect(await realDisk.makeDirectory(join(dir, 'one', 'two'))).toBeNull();
    writeFileSync(join(dir, 'file'), '');
    await expect(realDisk.makeDirectory(join(dir, 'file'))).rejects.toThrow('EEXIST');
    await expect(realDisk.makeDirectory(join(dir, 'file', 'one'))).rejects.toThrow('ENOTDIR');
    await expect(realDisk.makeDirectory('/proc/none/one')).rejects.toThrow("mkdir '/proc/none'");
  });

  it('syncs a file and a directory by their names', async () => {
    await realDisk.syncDirectory(dir);
    await expect(realDisk.syncFile(join(dir, 'none'))).rejects.toThrow('ENOENT');
  });
});

describe('the lock of the state directory', () => {
  const kernel = new FakeNative();

  it('is held by one, leaves nothing behind, and is free afterwards', async () => {
    const release = await lockDirectory(dir, kernel);
    await expect(lockDirectory(dir, kernel)).rejects.toMatchObject({ code: 'WEFT_STATE_LOCKED' });
    release();
    (await lockDirectory(dir, kernel))();
    expect(readdirSync(dir)).toEqual([]);
  });

  it('makes the directory', async () => {
    const synced: string[] = [];
    const disk = {
      makeDirectory: realDisk.makeDirectory,
      syncDirectory: async (path: string) => void synced.push(path),
    };
    (await lockDirectory(join(dir, 'one', 'two'), kernel, disk))();
    expect(readdirSync(dir)).toEqual(['one']);
    // So that a power cut does not take the directory away with all that was answered.
    expect(synced).toEqual([join(dir, 'one'), dir]);
    (await lockDirectory(join(dir, 'one', 'two'), kernel, disk))();
    expect(synced).toHaveLength(2);
  });

  it('knows its holder from /proc/locks', () => {
    const locks = [
      '1: POSIX  ADVISORY  WRITE 700 fe:01:4711 0 EOF',
      '2: FLOCK  ADVISORY  WRITE 701 fe:01:14711 0 EOF',
      '2: -> FLOCK  ADVISORY  WRITE 702 fe:01:4711 0 EOF',
      '3: FLOCK  ADVISORY  WRITE 703 fe:01:4711 0 EOF',
      '',
    ].join('\n');
    expect([holderOf(4711, locks), holderOf(5, locks)]).toEqual(['703', null]);
  });
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { FakeNative } from '../datapath/fake_native.js';
import { adopt, backUp, holdingsOf, holdingsOfState, restore } from './backup.js';
import { lockDirectory } from './directory_lock.js';
import type { Machine } from './machine.js';
import { openState } from './open_state.js';
import { FakeDisk } from './testing/fake_disk.js';
import { names, network } from './testing/networks.js';

const here: Machine = { id: 'a'.repeat(32), name: 'h1' };
const other: Machine = { id: 'b'.repeat(32), name: 'h2' };
const kernel = new FakeNative();
let dir: string;
let disk: FakeDisk;
const open = (machine = here) => openState(dir, { version: '1.2.3', machine, disk });
const tools = (machine: Machine) => ({ kernel, version: '1.2.3', machine, disk });

beforeEach(() => {
  // The lock is of a real directory, the files are on the fake disk.
  dir = mkdtempSync(join(tmpdir(), 'weft-backup-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  disk = new FakeDisk();
});

describe('a backup', () => {
  it('is made while weftd runs, says what it holds, and is put back', async () => {
    const { store } = await open();
    await store.put('network', 'a', network('a'));
    const made = await backUp(dir, '/b', '1.2.3', { disk });
    expect(made).toEqual({
      file: '/b',
      host: store.hostId,
      version: '1.2.3',
      schema: 3,
      machine: 'h1',
      records: { network: 1 },
      repaired: 0,
    });
    await store.put('network', 'b', network('b'));
    await store.close();
    await restore(dir, '/b', tools(here));
    const { store: again } = await open();
    expect([again.hostId, names(again)]).toEqual([store.hostId, ['a']]);
    expect((await holdingsOf(`${dir}/journal.before-restore`, '1.2.3', disk)).records).toEqual({
      network: 2,
    });
  });

  it('holds what was answered, though the last write is not finished', async () => {
    const { store } = await open();
    await store.put('network', 'a', network('a'));
    const bytes = (await disk.read(`${dir}/journal`)) as Buffer;
    disk.put(`${dir}/journal`, Buffer.concat([bytes, Buffer.from('\n0000')]));
    expect((await backUp(dir, '/b', '1.2.3', { disk })).records).toEqual({ network: 1 });
  });

  it('takes the place of a damaged state, also on another machine', async () => {
    const { store } = await open();
    await store.put('network', 'a', network('a'));
    await backUp(dir, '/b', '1.2.3', { disk });
    disk.put(`${dir}/journal`, Buffer.from('garbage'));
    await expect(open()).rejects.toMatchObject({ code: 'WEFT_STATE_DAMAGED' });
    await restore(dir, '/b', tools(other));
    const { store: again } = await open(other);
    expect([again.hostId, names(again)]).toEqual([store.hostId, ['a']]);
  });

  it('takes the place of a file only when that is wanted', async () => {
    const { store } = await open();
    await store.put('network', 'a', network('a'));
    disk.put('/b', Buffer.from('precious'));
    const exists = { code: 'WEFT_BACKUP_EXISTS', exit: 5, details: { file: '/b' } };
    await expect(backUp(dir, '/b', '1.2.3', { disk })).rejects.toMatchObject(exists);
    expect(await disk.read('/b')).toEqual(Buffer.from('precious'));
    const made = await backUp(dir, '/b', '1.2.3', { disk, overwrite: true });
    expect(made.records).toEqual({ network: 1 });
    disk.room = 100;
    const full = { code: 'WEFT_BACKUP_UNUSABLE' };
    await expect(backUp(dir, '/b', '1.2.3', { disk, overwrite: true })).rejects.toMatchObject(full);
    expect((await holdingsOf('/b', '1.2.3', disk)).records).toEqual({ network: 1 });
  });

  it('that is damaged, or is none, changes nothing', async () => {
    const { store } = await open();
    await store.put('network', 'a', network('a'));
    const before = await disk.read(`${dir}/journal`);
    disk.put('/b', Buffer.from('garbage'));
    await expect(restore(dir, '/b', tools(here))).rejects.toMatchObject({ code: 'WEFT_BACKUP_DAMAGED' });
    await expect(restore(dir, '/none', tools(here))).rejects.toMatchObject({ code: 'WEFT_BACKUP_UNUSABLE' });
    expect(disk.paths()).toEqual(['/b', `${dir}/journal`]);
    expect(await disk.read(`${dir}/journal`)).toEqual(before);
  });

  it('that was kept by a restore is put back, and stays when there is no room for that', async () => {
    const { store } = await open();
    await store.put('network', 'a', network('a'));
    await backUp(dir, '/b', '1.2.3', { disk });
    await store.put('network', 'b', network('b'));
    await store.close();
    await restore(dir, '/b', tools(here));
    const kept = `${dir}/journal.before-restore`;
    disk.room = 1000;
    await expect(restore(dir, kept, tools(here))).rejects.toMatchObject({ code: 'WEFT_STATE_UNUSABLE' });
    expect(names((await open()).store)).toEqual(['a']);
    disk.room = Number.POSITIVE_INFINITY;
    await restore(dir, kept, tools(here));
    expect(names((await open()).store)).toEqual(['a', 'b']);
    expect((await holdingsOf(kept, '1.2.3', disk)).records).toEqual({ network: 1 });
  });

  it('that cannot be written, and a state that is not there, are called by their names', async () => {
    await expect(backUp(dir, '/b', '1.2.3', { disk })).rejects.toMatchObject({
      code: 'WEFT_STATE_ABSENT',
      message: `there is no state in ${dir}`,
      remedy: expect.stringContaining('--state-dir'),
    });
    await open();
    disk.readOnly = true;
    await expect(backUp(dir, '/b', '1.2.3', { disk })).rejects.toMatchObject({
      code: 'WEFT_BACKUP_UNUSABLE',
      message: expect.stringMatching(/^the file \/b cannot be used: .*read-only/),
    });
    disk.put('/empty', Buffer.alloc(0));
    await expect(holdingsOf('/empty', '1.2.3', disk)).rejects.toMatchObject({
      code: 'WEFT_BACKUP_DAMAGED',
      remedy: expect.stringContaining('another backup'),
    });
    disk.put(`${dir}/journal`, Buffer.alloc(0));
    await expect(holdingsOfState(dir, '1.2.3', disk)).rejects.toMatchObject({ code: 'WEFT_STATE_DAMAGED' });
  });

  it('does not take the place of the state', async () => {
    const { store } = await open();
    await expect(backUp(dir, `${dir}/journal`, '1.2.3', { disk })).rejects.toMatchObject({
      code: 'WEFT_BACKUP_UNUSABLE',
      message: expect.stringContaining('the state itself'),
    });
    await store.put('network', 'a', network('a'));
    expect(names((await open()).store)).toEqual(['a']);
  });

  it('is not put back, nor is a state adopted, while weftd runs', async () => {
    await open();
    await backUp(dir, '/b', '1.2.3', { disk });
    const release = await lockDirectory(dir, new FakeNative());
    onTestFinished(release);
    const locked = { code: 'WEFT_STATE_LOCKED', exit: 5 };
    await expect(restore(dir, '/b', tools(here))).rejects.toMatchObject(locked);
    await expect(adopt(dir, tools(other))).rejects.toMatchObject(locked);
  });
});

describe('the state of another machine', () => {
  it('is adopted for good', async () => {
    const { store } = await open();
    await store.put('network', 'a', network('a'));
    await expect(open(other)).rejects.toMatchObject({ code: 'WEFT_STATE_FOREIGN' });
    expect(await adopt(dir, tools(other))).toEqual(['the state of "h1" is now that of this machine']);
    expect(await adopt(dir, tools(other))).toEqual([]);
    expect((await open(other)).store.hostId).toBe(store.hostId);
    await expect(open(here)).rejects.toMatchObject({ code: 'WEFT_STATE_FOREIGN' });
  });

  it('is not adopted when that cannot be written, though there is room for a line', async () => {
    const { store } = await open();
    for (let number = 0; number < 20; number++) await store.put('network', 'a', network('a'));
    disk.room = ((await disk.read(`${dir}/journal`)) as Buffer).length + 200;
    await expect(adopt(dir, tools(other))).rejects.toMatchObject({ code: 'WEFT_STATE_UNUSABLE' });
    await expect(open(other)).rejects.toMatchObject({ code: 'WEFT_STATE_FOREIGN' });
    disk.room = Number.POSITIVE_INFINITY;
    await adopt(dir, tools(other));
    expect(names((await open(other)).store)).toEqual(['a']);
  });
});

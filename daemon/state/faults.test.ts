import { describe, expect, it } from 'vitest';
import { readJournal } from './journal_lines.js';
import type { Machine } from './machine.js';
import { openState, type StateOptions } from './open_state.js';
import type { RecordsByKey } from './tables.js';
import { FakeDisk } from './testing/fake_disk.js';
import { blue, names, network } from './testing/networks.js';

const machine: Machine = { id: 'a'.repeat(32), name: 'h1' };
const open = (disk: FakeDisk, more: Partial<StateOptions> = {}) =>
  openState('/s', { version: '1.2.3', machine, disk, ...more });

/** What a disk may hold after the process on it died, in each way of dying. */
const remains = (disk: FakeDisk): [string, FakeDisk][] => [
  ['killed', disk.afterKill()],
  ...[true, false].flatMap((namesLost) =>
    (['all', 'half', 'zeroed', 'none'] as const).map((bytes): [string, FakeDisk] => [
      `power cut, names ${namesLost ? 'lost' : 'kept'}, unsynced bytes lost: ${bytes}`,
      disk.afterPowerCut(namesLost, bytes),
    ]),
  ),
];

describe('a process that dies', () => {
  it('leaves all that was answered, wherever it dies and whatever the disk had not synced', async () => {
    let died = true;
    let points = 0;
    for (let diesAt = 1; died; diesAt++) {
      const disk = new FakeDisk();
      disk.diesAt = diesAt;
      let answered: string[] = [];
      let asked: string[] = [];
      let host: string | null = null;
      const run = async () => {
        const { store } = await open(disk);
        host = store.hostId;
        const step = async (change: () => Promise<void>, after: string[]) => {
          asked = after;
          await change();
          answered = after;
        };
        await step(() => store.put('network', 'a', network('a')), ['a']);
        await step(() => store.put('network', 'b', network('b')), ['a', 'b']);
        await step(() => store.delete('network', 'a'), ['b']);
        await store.close();
      };
      died = await run().then(
        () => false,
        () => true,
      );
      if (died) points++;
      for (const [how, left] of remains(disk)) {
        const at = `call ${diesAt}, ${how}`;
        const { store } = await open(left);
        expect([answered, asked], at).toContainEqual(names(store));
        if (host !== null) expect(store.hostId, at).toBe(host);
        await store.put('network', 'z', network('z'));
        expect(names(store), at).toContain('z');
      }
    }
    expect(points).toBeGreaterThan(10);
  });

  it('leaves the old state or the new one when it dies while it writes all anew', async () => {
    for (let diesAt = 1; ; diesAt++) {
      const disk = new FakeDisk();
      const { store } = await open(disk);
      await store.put('network', 'a', network('a'));
      await store.close();
      disk.diesAt = disk.calls + diesAt;
      // Another version writes the header anew.
      const opened = await open(disk, { version: '2.0.0' });
      for (const [how, left] of remains(disk))
        expect(names((await open(left)).store), `${diesAt} ${how}`).toEqual(['a']);
      if (disk.calls < disk.diesAt) return void opened.store.close();
    }
  });
});

describe('a disk that is full', () => {
  it('refuses what does not fit, keeps what was there, and takes more when there is room again', async () => {
    const disk = new FakeDisk();
    const { store } = await open(disk);
    const size = async () => (await disk.read('/s/journal'))?.length ?? 0;
    const before = await size();
    await store.put('network', 'a', network('a'));
    const full = await size();
    // At each byte of the next line, which is as long.
    for (let room = full; room < full + (full - before); room++) {
      disk.room = room;
      await expect(store.put('network', 'b', network('b'))).rejects.toMatchObject({
        code: 'WEFT_STATE_UNUSABLE',
        message: expect.stringContaining('no space left'),
      });
      expect(names(store)).toEqual(['a']);
      // An empty line would fit into the most of it.
      for (let round = 0; round < 2; round++)
        expect(await store.check(), `${room - full} bytes`).toMatchObject({ kind: 'failed' });
      expect(names((await open(disk.afterKill())).store)).toEqual(['a']);
    }
    disk.room = full;
    expect(await store.check()).toMatchObject({
      kind: 'failed',
      reason: expect.stringContaining('no space'),
    });
    disk.room = Number.POSITIVE_INFINITY;
    expect(await store.check()).toBeNull();
    // What was tried leaves nothing.
    expect(await size()).toBe(full);
    await store.put('network', 'c', network('c'));
    expect(names((await open(disk.afterKill())).store)).toEqual(['a', 'c']);
  });

  it('is still full when a shorter change fits, and no longer when one of the same length does', async () => {
    const disk = new FakeDisk();
    const { store } = await open(disk);
    await store.put('network', 'a', network('a'));
    disk.room = ((await disk.read('/s/journal'))?.length ?? 0) + 200;
    await expect(store.put('network', 'b', network('b'))).rejects.toMatchObject({
      code: 'WEFT_STATE_UNUSABLE',
    });
    await store.delete('network', 'a');
    expect(await store.check()).toMatchObject({ reason: expect.stringContaining('no space') });
    disk.room = Number.POSITIVE_INFINITY;
    await store.put('network', 'b', network('b'));
    disk.room = 0;
    expect(await store.check()).toBeNull();
    expect(names((await open(disk.afterKill())).store)).toEqual(['b']);
  });

  it('lets weftd start with what is there, but not for the first time', async () => {
    const disk = new FakeDisk();
    disk.room = 100;
    await expect(open(disk)).rejects.toMatchObject({ code: 'WEFT_STATE_UNUSABLE' });
    disk.room = Number.POSITIVE_INFINITY;
    const { store } = await open(disk);
    await store.put('network', 'a', network('a'));
    disk.room = 100;
    const { store: again, notes } = await open(disk, { version: '2.0.0' });
    expect(notes).toEqual([expect.stringContaining('no space left')]);
    expect([again.hostId, names(again)]).toEqual([store.hostId, ['a']]);
    expect(await again.check()).toMatchObject({ kind: 'failed' });
    await expect(again.put('network', 'b', blue)).rejects.toMatchObject({ code: 'WEFT_STATE_UNUSABLE' });
  });
});

describe('a disk that is read-only', () => {
  it('lets weftd start with what is there, refuses changes, and takes them when it is writable again', async () => {
    const disk = new FakeDisk();
    const { store: first } = await open(disk);
    await first.put('network', 'a', network('a'));
    disk.readOnly = true;
    const { store } = await open(disk);
    expect(names(store)).toEqual(['a']);
    await expect(store.put('network', 'b', network('b'))).rejects.toMatchObject({
      message: expect.stringContaining('read-only file system'),
    });
    expect(await store.check()).toMatchObject({ kind: 'failed' });
    disk.readOnly = false;
    expect(await store.check()).toBeNull();
    await store.put('network', 'b', network('b'));
    expect(names((await open(disk.afterPowerCut(true, 'all'))).store)).toEqual(['a', 'b']);
  });
});

describe('a disk whose sync fails', () => {
  it('is not believed: all is written to another file before the next answer', async () => {
    const disk = new FakeDisk();
    const { store } = await open(disk);
    await store.put('network', 'a', network('a'));
    const before = await disk.identity('/s/journal');
    disk.syncFails = true;
    await expect(store.put('network', 'b', network('b'))).rejects.toMatchObject({
      message: expect.stringContaining('i/o error'),
    });
    await store.put('network', 'c', network('c'));
    expect(await disk.identity('/s/journal')).not.toBe(before);
    expect(names((await open(disk.afterPowerCut(true, 'all'))).store)).toEqual(['a', 'c']);
  });
});

describe('a disk that hangs', () => {
  it('is given up after a while: changes are refused at once, and none of them becomes true later', async () => {
    const disk = new FakeDisk();
    const { store } = await open(disk, { patience: 50 });
    await store.put('network', 'a', network('a'));
    let thaw = (): void => undefined;
    disk.answers = new Promise((resolve) => {
      thaw = resolve;
    });
    const refused = { code: 'WEFT_STATE_UNUSABLE', message: expect.stringContaining('has not answered') };
    const first = store.put('network', 'b', network('b'));
    const second = store.put('network', 'c', network('c'));
    await expect(first).rejects.toMatchObject(refused);
    await expect(second).rejects.toMatchObject(refused);
    await expect(store.put('network', 'd', network('d'))).rejects.toMatchObject(refused);
    expect(await store.check()).toMatchObject({ kind: 'failed' });
    expect(names(store)).toEqual(['a']);
    await store.close();
    thaw();
    disk.answers = Promise.resolve();
    await expect.poll(() => store.check()).toBeNull();
    await store.put('network', 'e', network('e'));
    expect(names(store)).toEqual(['a', 'e']);
    expect(names((await open(disk.afterKill())).store)).toEqual(['a', 'e']);
  });
});

describe('a disk that hangs from the start', () => {
  it('keeps no weftd of another version from starting, which changes nothing until it answers', async () => {
    const disk = new FakeDisk();
    const { store: first } = await open(disk);
    await first.put('network', 'a', network('a'));
    let thaw = (): void => undefined;
    disk.answers = new Promise((resolve) => {
      thaw = resolve;
    });
    const { store, notes } = await open(disk, { version: '2.0.0', patience: 50 });
    expect(notes).toEqual([expect.stringContaining('has not answered')]);
    expect(names(store)).toEqual(['a']);
    await expect(store.put('network', 'b', network('b'))).rejects.toMatchObject({
      code: 'WEFT_STATE_UNUSABLE',
    });
    thaw();
    await expect.poll(() => store.check()).toBeNull();
    await store.put('network', 'c', network('c'));
    expect(names((await open(disk.afterPowerCut(true, 'all'))).store)).toEqual(['a', 'c']);
  });
});

describe('a file that grew', () => {
  it('is written anew, and holds the same', async () => {
    const disk = new FakeDisk();
    const { store } = await open(disk);
    const large = { ...blue, subnets: Array.from({ length: 3000 }, (_, index) => `10.0.${index}.0/24`) };
    const sizes: number[] = [];
    for (let round = 0; round < 30; round++) {
      await store.put('network', 'large', { ...large, vni: round });
      sizes.push((await disk.read('/s/journal'))?.length ?? 0);
    }
    expect(Math.max(...sizes)).toBeLessThan(2_000_000);
    expect((await open(disk.afterPowerCut(true, 'all'))).store.get('network', 'large')?.vni).toBe(29);
  });
});

describe('a newer schema', () => {
  const next = {
    version: 5,
    steps: {
      4: (records: RecordsByKey) => {
        for (const record of records.get('network')?.values() ?? [])
          Object.assign(record as object, { four: 1 });
      },
      5: (records: RecordsByKey) => {
        const networks = records.get('network') ?? new Map<string, unknown>();
        for (const [key, record] of [...networks])
          networks.set(`${key}5`, { ...(record as object), name: `${key}5` });
        for (const key of [...networks.keys()]) if (!key.endsWith('5')) networks.delete(key);
      },
    },
  };

  const written = async () => {
    const disk = new FakeDisk();
    const { store } = await open(disk);
    await store.put('network', 'a', network('a'));
    await store.put('network', 'b', network('b'));
    return { disk, host: store.hostId };
  };

  it('is reached by its steps, and the file before it is kept', async () => {
    const { disk, host } = await written();
    const before = await disk.read('/s/journal');
    const { store, notes } = await open(disk, { schema: next, version: '2.0.0' });
    expect(notes).toEqual(['the state was brought from schema 3 to 5']);
    expect(store.hostId).toBe(host);
    expect(store.list('network')).toEqual([
      { ...network('a5'), four: 1 },
      { ...network('b5'), four: 1 },
    ]);
    expect(disk.paths()).toEqual(['/s/journal', '/s/journal.schema-3']);
    expect(await disk.read('/s/journal.schema-3')).toEqual(before);
  });

  it('is there wholly or not at all, wherever the process dies', async () => {
    for (let diesAt = 1; ; diesAt++) {
      const { disk, host } = await written();
      disk.diesAt = disk.calls + diesAt;
      await open(disk, { schema: next, version: '2.0.0' });
      for (const [how, left] of remains(disk)) {
        const at = `${diesAt} ${how}`;
        const { store } = await open(left, { schema: next, version: '2.0.0' });
        expect([store.hostId, names(store)], at).toEqual([host, ['a5', 'b5']]);
        const stays = left.afterPowerCut(true, 'all');
        expect(names((await open(stays, { schema: next, version: '2.0.0' })).store), at).toEqual([
          'a5',
          'b5',
        ]);
      }
      if (disk.calls < disk.diesAt) return;
    }
  });

  it('keeps the file before it, whichever call fails, done or not', async () => {
    for (const failsLate of [false, true])
      for (let failsAt = 1; ; failsAt++) {
        const { disk } = await written();
        const before = await disk.read('/s/journal');
        disk.failsLate = failsLate;
        disk.failsAt = disk.calls + failsAt;
        const { store } = await open(disk, { schema: next, version: '2.0.0' });
        const done = disk.calls < disk.failsAt;
        await expect.poll(() => store.check()).toBeNull();
        expect(await disk.read('/s/journal.schema-3'), `${failsAt} ${failsLate}`).toEqual(before);
        const again = await open(disk.afterPowerCut(true, 'all'), { schema: next, version: '2.0.0' });
        expect(names(again.store)).toEqual(['a5', 'b5']);
        if (done) break;
      }
  });

  it('waits for a disk that has no room, and the records are used meanwhile', async () => {
    const { disk } = await written();
    disk.room = 10;
    const { store } = await open(disk, { schema: next });
    expect(names(store)).toEqual(['a5', 'b5']);
    await expect(store.put('network', 'c', network('c'))).rejects.toMatchObject({
      code: 'WEFT_STATE_UNUSABLE',
    });
    expect(names((await open(disk.afterKill())).store)).toEqual(['a', 'b']);
    disk.room = Number.POSITIVE_INFINITY;
    await store.put('network', 'c', network('c'));
    expect(names((await open(disk.afterKill(), { schema: next })).store)).toEqual(['a5', 'b5', 'c']);
  });

  it('is not read by an older weft, which says who wrote it and how to go back', async () => {
    const { disk } = await written();
    await open(disk, { schema: next, version: '2.0.0' });
    const before = disk.paths();
    const refused = await open(disk).catch((error: unknown) => error);
    expect(refused).toMatchObject({
      code: 'WEFT_STATE_NEWER',
      exit: 6,
      message: expect.stringMatching(/weft 2\.0\.0 .*schema 5.* weft 1\.2\.3.* 3/),
      remedy: expect.stringMatching(/Install weft 2\.0\.0 .*weft state restore \/s\/journal\.schema-3/),
    });
    expect(disk.paths()).toEqual(before);
  });
});

describe('the state of another machine', () => {
  const other: Machine = { id: 'b'.repeat(32), name: 'h2' };

  it('is refused until it is adopted', async () => {
    const disk = new FakeDisk();
    const { store } = await open(disk);
    await store.put('network', 'a', network('a'));
    await expect(open(disk, { machine: other })).rejects.toMatchObject({
      code: 'WEFT_STATE_FOREIGN',
      exit: 6,
      message: expect.stringContaining(`"h1" (host ID ${store.hostId})`),
      remedy: expect.stringContaining('weft state adopt'),
    });
    const adopted = await open(disk, { machine: other, adopt: true });
    expect([adopted.store.hostId, names(adopted.store)]).toEqual([store.hostId, ['a']]);
    expect(names((await open(disk, { machine: other })).store)).toEqual(['a']);
  });

  it('that holds nothing becomes that of a new host', async () => {
    const disk = new FakeDisk();
    const { store } = await open(disk);
    const copy = await open(disk, { machine: other });
    expect(copy.store.hostId).not.toBe(store.hostId);
    expect(copy.notes).toEqual([expect.stringContaining('copied')]);
    expect((await open(disk, { machine: other })).store.hostId).toBe(copy.store.hostId);
  });

  it('that holds nothing is not gone on with when that cannot be written', async () => {
    const disk = new FakeDisk();
    await open(disk);
    disk.room = ((await disk.read('/s/journal'))?.length ?? 0) + 200;
    await expect(open(disk, { machine: other })).rejects.toMatchObject({ code: 'WEFT_STATE_UNUSABLE' });
    disk.room = Number.POSITIVE_INFINITY;
    const { store } = await open(disk, { machine: other });
    expect((await open(disk, { machine: other })).store.hostId).toBe(store.hostId);
  });

  it('cannot be told where a machine has no ID', async () => {
    const disk = new FakeDisk();
    const { store } = await open(disk, { machine: null });
    await store.put('network', 'a', network('a'));
    expect((await open(disk)).store.hostId).toBe(store.hostId);
    expect((await open(disk, { machine: null })).store.hostId).toBe(store.hostId);
    await expect(open(disk, { machine: other })).rejects.toMatchObject({ code: 'WEFT_STATE_FOREIGN' });
  });
});

describe('a last line that was cut off', () => {
  it('in its second copy stands twice after the next start', async () => {
    const disk = new FakeDisk();
    const { store } = await open(disk);
    await store.put('network', 'a', network('a'));
    const bytes = (await disk.read('/s/journal')) as Buffer;
    disk.put('/s/journal', bytes.subarray(0, -10));
    const { store: again, notes } = await open(disk);
    expect([notes, names(again)]).toEqual([[], ['a']]);
    const after = (await disk.read('/s/journal')) as Buffer;
    expect(readJournal(after)).toMatchObject({ end: after.length, repaired: 0, unfinished: false });
  });
});

describe('a damaged line', () => {
  it('is put right, and said so', async () => {
    const disk = new FakeDisk();
    const { store } = await open(disk);
    await store.put('network', 'a', network('a'));
    await store.put('network', 'b', network('b'));
    const bytes = (await disk.read('/s/journal')) as Buffer;
    bytes[bytes.indexOf('"a"')] = 0x7e;
    disk.put('/s/journal', bytes);
    const { store: again, notes } = await open(disk);
    expect(notes).toEqual([expect.stringContaining('1 damaged line')]);
    expect([names(again), again.repaired]).toEqual([['a', 'b'], 1]);
    const { store: next, notes: none } = await open(disk);
    expect([none, next.repaired]).toEqual([[], 0]);
  });

  it('whose other copy is damaged, too, ends the start, and the file stays as it is', async () => {
    const disk = new FakeDisk();
    const { store } = await open(disk);
    await store.put('network', 'a', network('a'));
    await store.put('network', 'b', network('b'));
    const bytes = (await disk.read('/s/journal')) as Buffer;
    const text = bytes.toString('latin1').replaceAll('"a"', '"x"');
    disk.put('/s/journal', Buffer.from(text, 'latin1'));
    await expect(open(disk)).rejects.toMatchObject({
      code: 'WEFT_STATE_DAMAGED',
      exit: 6,
      message: expect.stringContaining('line 1 of 2'),
      remedy: expect.stringContaining('weft state restore'),
    });
    expect((await disk.read('/s/journal'))?.toString('latin1')).toBe(text);
  });
});

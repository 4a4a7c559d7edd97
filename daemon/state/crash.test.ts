/** Processes that die and disks that fail at each call, with any mixture of what was not synced on the disk afterwards. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { JournalStore } from './journal_store.js';
import type { Machine } from './machine.js';
import { type OpenedState, openState, type StateOptions } from './open_state.js';
import { FakeDisk, type Pick } from './testing/fake_disk.js';
import { blue, names, network } from './testing/networks.js';

const machine: Machine = { id: 'a'.repeat(32), name: 'h1' };
const open = (disk: FakeDisk, more: Partial<StateOptions> = {}) =>
  openState('/s', { version: '1.2.3', machine, disk, patience: 1000, ...more });

/** The same numbers in each run. */
function picker(seed: number): Pick {
  let state = seed * 2654435761 + 1;
  return (options) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % options;
  };
}

/** Records and their versions: what a process has, and what it may have. */
type Held = Record<string, number>;

const held = (store: JournalStore): Held =>
  Object.fromEntries(store.list('network').map(({ name, vni }) => [name, vni]));

/** A client that knows what it was told. */
class Client {
  answered: Held = {};
  /** What may be there instead: changes that were refused, or not answered, since the last one that was. */
  possible: Held[] = [{}];
  private next = 1;

  /** Puts, changes and deletes; ends with the process. */
  async work(store: JournalStore, rounds: number, pick: Pick): Promise<void> {
    for (let round = 0; round < rounds; round++) {
      const name = 'abc'[pick(3)] as string;
      const vni = this.next++;
      const gone = pick(4) === 0;
      const after = { ...this.answered, [name]: vni };
      if (gone) delete after[name];
      this.possible.push(after);
      try {
        // Of many lengths, so that lines end at any place of a block.
        const record = { ...network(name), vni, subnets: Array(pick(9)).fill('10.0.0.0/8') };
        if (gone) await store.delete('network', name);
        else await store.put('network', name, record);
      } catch (error) {
        if ((error as { code?: string }).code !== 'WEFT_STATE_UNUSABLE') throw error;
        expect(held(store)).toEqual(this.answered);
        continue;
      }
      this.answered = after;
      this.possible = [after];
    }
  }

  /** What a process reads at its start counts as answered, unless it says that it cannot write: it shows it, and acts on it. */
  read({ store, notes }: OpenedState, at: string): void {
    const found = held(store);
    expect(this.possible, at).toContainEqual(found);
    this.answered = found;
    if (!notes.some((note) => note.includes('cannot be written'))) this.possible = [found];
  }
}

const until = (condition: () => boolean) => expect.poll(condition).toBe(true);

const blocks = [16, 64, 512];

describe('all that was answered, and all that a start has read, is there', () => {
  it('after processes and power were cut off again and again, at any call', async () => {
    let cuts = 0;
    for (let seed = 0; seed < 150; seed++) {
      const pick = picker(seed);
      const client = new Client();
      let disk = new FakeDisk();
      let host: string | null = null;
      for (let life = 0; life < 6; life++) {
        const at = `seed ${seed}, life ${life}`;
        disk.diesAt = 1 + pick(40);
        try {
          const opened = await open(disk);
          const { store } = opened;
          if (host !== null) expect(store.hostId, at).toBe(host);
          host = store.hostId;
          client.read(opened, at);
          await client.work(store, 8, pick);
        } catch (error) {
          // A start on a disk that dies is one that ends.
          if ((error as { name?: string }).name === 'AssertionError') throw error;
        }
        cuts++;
        disk = pick(2) === 0 ? disk.afterKill() : disk.afterAnyPowerCut(pick, blocks[pick(3)] as number);
      }
      client.read(await open(disk), `seed ${seed}, at the end`);
    }
    expect(cuts).toBe(900);
  });

  it('after any call has failed, done or not, and the power was cut later', async () => {
    for (const failsLate of [false, true])
      for (let seed = 0; seed < 150; seed++) {
        const pick = picker(seed);
        const client = new Client();
        let disk = new FakeDisk();
        const first = await open(disk);
        disk.failsLate = failsLate;
        disk.failsAt = disk.calls + 1 + pick(12);
        await client.work(first.store, 4, pick);
        disk.room =
          pick(2) === 0
            ? Number.POSITIVE_INFINITY
            : ((await disk.read('/s/journal'))?.length ?? 0) + pick(600);
        disk.failsAt = disk.calls + 1 + pick(6);
        await client.work(first.store, 3, pick);
        disk.room = Number.POSITIVE_INFINITY;
        await client.work(first.store, pick(3), pick);
        const at = `seed ${seed}, ${failsLate}`;
        disk = disk.afterAnyPowerCut(pick, blocks[pick(3)] as number);
        // As another version, so that all is written anew, and that fails, too.
        disk.failsLate = failsLate;
        disk.failsAt = 1 + pick(10);
        const again = await open(disk, { version: '2.0.0' });
        expect(again.store.hostId, at).toBe(first.store.hostId);
        client.read(again, at);
        await client.work(again.store, 4, pick);
        const last = await open(disk.afterAnyPowerCut(pick, blocks[pick(3)] as number));
        client.read(last, at);
      }
  });

  it('after the process died in any call of a file that grew and was written anew', async () => {
    const disk = new FakeDisk();
    const { store } = await open(disk);
    const large = { ...blue, subnets: Array.from({ length: 12_000 }, (_, index) => `10.0.${index}.0/24`) };
    // It is written anew for the first time when it passes 1 MiB; three of these come after that.
    for (let vni = 1; vni <= 6; vni++) await store.put('network', 'blue', { ...large, vni });
    await store.close();
    for (let diesAt = 1; ; diesAt++) {
      const dying = disk.afterKill();
      dying.diesAt = diesAt;
      let answered = 6;
      try {
        const again = await open(dying);
        await again.store.put('network', 'blue', { ...large, vni: 7 });
        answered = 7;
        await again.store.put('network', 'blue', { ...large, vni: 8 });
        answered = 8;
      } catch {
        // It died.
      }
      for (const left of [
        dying.afterKill(),
        ...[1, 2, 3].map((seed) => dying.afterAnyPowerCut(picker(seed), 4096)),
      ]) {
        const { store: found } = await open(left);
        const vni = found.get('network', 'blue')?.vni ?? 0;
        expect([answered, answered + 1], `call ${diesAt}`).toContain(vni);
      }
      if (dying.calls < diesAt) {
        // Though it had grown before this start.
        expect((await dying.read('/s/journal'))?.length ?? 0).toBeLessThan(1_000_000);
        return;
      }
    }
  });
});

describe('what a start has read', () => {
  it('is on the disk, though the process that wrote it was killed before it was', async () => {
    for (let diesAt = 1; ; diesAt++) {
      const disk = new FakeDisk();
      disk.diesAt = diesAt;
      const died = await open(disk)
        .then(({ store }) => store.put('network', 'a', network('a')))
        .then(
          () => false,
          () => true,
        );
      const left = disk.afterKill();
      const { store } = await open(left);
      const after = await open(left.afterPowerCut(true, 'all'));
      expect([after.store.hostId, names(after.store)], `call ${diesAt}`).toEqual([
        store.hostId,
        names(store),
      ]);
      if (!died) return;
    }
  });
});

describe('a file that grew', () => {
  it('takes no change that is lost with it, whichever call fails while it is written anew', async () => {
    const disk = new FakeDisk();
    const { store } = await open(disk);
    const large = { ...blue, subnets: Array.from({ length: 12_000 }, (_, index) => `10.0.${index}.0/24`) };
    for (let vni = 1; vni <= 6; vni++) await store.put('network', 'blue', { ...large, vni });
    for (const failsLate of [false, true])
      for (let failsAt = 1; ; failsAt++) {
        const failing = disk.afterKill();
        const { store: again } = await open(failing);
        failing.failsLate = failsLate;
        failing.failsAt = failing.calls + failsAt;
        let answered = 6;
        for (let vni = 7; vni < 10; vni++)
          await again.put('network', 'blue', { ...large, vni }).then(
            () => {
              answered = vni;
            },
            () => undefined,
          );
        expect(answered).toBeGreaterThanOrEqual(8);
        for (const left of [failing.afterKill(), failing.afterPowerCut(true, 'all')]) {
          const { store: found } = await open(left);
          // What was refused last may be there.
          expect(found.get('network', 'blue')?.vni, `${failsAt} ${failsLate}`).toBeGreaterThanOrEqual(
            answered,
          );
        }
        if (failing.calls < failing.failsAt) break;
      }
  });
});

describe('a change that was refused as too late', () => {
  it('leaves nothing beside the next one, whatever the disk has of both', async () => {
    const reached = new Set<number>();
    for (let diesAfter = 1; diesAfter < 6; diesAfter++) {
      const disk = new FakeDisk();
      const { store } = await open(disk, { patience: 20 });
      await store.put('network', 'a', network('a'));
      let thaw = (): void => undefined;
      disk.answers = new Promise((resolve) => {
        thaw = resolve;
      });
      const record = { ...network('b'), subnets: Array(40).fill('10.0.0.0/8') };
      await expect(store.put('network', 'b', record)).rejects.toMatchObject({ code: 'WEFT_STATE_UNUSABLE' });
      disk.answers = Promise.resolve();
      const before = disk.calls;
      thaw();
      // It is written and synced now, and nobody wants it.
      await until(() => disk.calls === before + 2);
      disk.diesAt = disk.calls + diesAfter;
      const put = await store.put('network', 'c', network('c')).then(
        () => ['a', 'c'],
        () => ['a'],
      );
      if (disk.calls >= disk.diesAt) reached.add(diesAfter);
      for (let seed = 0; seed < 60; seed++) {
        const left = disk.afterAnyPowerCut(picker(seed), blocks[seed % 3] as number);
        const found = names((await open(left)).store);
        expect(
          put.length === 2 ? [put] : [['a'], ['a', 'b'], ['a', 'c']],
          `${diesAfter} ${seed}`,
        ).toContainEqual(found);
      }
    }
    expect([...reached]).toEqual([1, 2, 3, 4]);
  });
});

describe('a disk that answers one question late', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('takes nothing back that it has answered in time', async () => {
    const disk = new FakeDisk();
    const { store } = await open(disk, { patience: 50 });
    const held = () => {
      let release = (): void => undefined;
      const pending = new Promise<void>((resolve) => {
        release = resolve;
      });
      return { pending, release };
    };
    const [telling, writing] = [held(), held()];
    disk.tells = telling.pending;
    const check = store.check();
    disk.tells = Promise.resolve();
    await vi.advanceTimersByTimeAsync(30);
    disk.answers = writing.pending;
    const put = store.put('network', 'a', network('a'));
    await vi.advanceTimersByTimeAsync(20);
    await expect(check).resolves.toMatchObject({ kind: 'failed' });
    disk.answers = Promise.resolve();
    writing.release();
    await put;
    telling.release();
    await vi.advanceTimersByTimeAsync(0);
    await store.put('network', 'b', network('b'));
    expect(names((await open(disk.afterKill())).store)).toEqual(['a', 'b']);
  });

  it('takes no change while another one is under way that was refused', async () => {
    const disk = new FakeDisk();
    const { store } = await open(disk, { patience: 50 });
    const calls = disk.calls;
    let write = (): void => undefined;
    let tell = (): void => undefined;
    disk.answers = new Promise((resolve) => {
      write = resolve;
    });
    const refused = store.put('network', 'a', network('a')).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(10);
    disk.tells = new Promise((resolve) => {
      tell = resolve;
    });
    const check = store.check();
    await vi.advanceTimersByTimeAsync(50);
    expect([await refused, await check]).toMatchObject([{ code: 'WEFT_STATE_UNUSABLE' }, { kind: 'failed' }]);
    // One of the two is over.
    disk.tells = Promise.resolve();
    tell();
    await vi.advanceTimersByTimeAsync(0);
    expect(disk.calls).toBe(calls);
    await expect(store.put('network', 'b', network('b'))).rejects.toMatchObject({
      code: 'WEFT_STATE_UNUSABLE',
    });
    disk.answers = Promise.resolve();
    write();
    await vi.advanceTimersByTimeAsync(0);
    await store.put('network', 'c', network('c'));
    expect(names((await open(disk.afterKill())).store)).toEqual(['c']);
  });
});

/** What a round costs that finds everything as it should be: it comes every two seconds, for ever, on hosts with many ports and peers. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeNative } from '../datapath/fake_native.js';
import { PortIntent } from '../intent/ports.js';
import type { Owner } from '../model/objects.js';
import { MemoryStore } from '../state/memory_store.js';
import { buildWorld } from './testing/world.js';

const owner: Owner = { kind: 'api', ref: 'weft' };

describe('a quiet round', () => {
  let native: FakeNative;
  let store: MemoryStore;
  let world: ReturnType<typeof buildWorld>;

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['performance'] });
    native = new FakeNative();
    store = new MemoryStore();
  });

  afterEach(async () => {
    await world.reconciler.stop();
    vi.useRealTimers();
  });

  /** With so many namespaces, two ports in each, and so many peers. */
  async function settle(namespaces: number, peers: number): Promise<void> {
    const addresses = Array.from({ length: peers }, (_, index) => `10.98.0.${index + 1}`);
    const inode = (path: string) => `4026${native.namespaces.get(path)?.cookie}`;
    world = buildWorld({
      native,
      store,
      config: `{ networks: { blue: { vni: 42 } }, peers: [${addresses.join(', ')}] }`,
      proc: { bootId: () => 'boot-1', startTime: () => null, netnsInode: inode, inhabits: () => false },
    });
    const ports = new PortIntent(world.parts);
    for (let index = 0; index < namespaces; index++) {
      native.makeNamespace(`/run/netns/n${index}`);
      for (const ifname of ['a', 'b'])
        await ports.add({ network: 'blue', netns: `n${index}`, ifname }, null, owner);
    }
    await world.reconciler.settle();
  }

  /** What one asks of the kernel, the engine, and the store. */
  async function asked(): Promise<Record<string, number>> {
    vi.advanceTimersByTime(2000);
    const spies = {
      links: vi.spyOn(native, 'links'),
      linksOf: vi.spyOn(native, 'linksOf'),
      netnsInfo: vi.spyOn(native, 'netnsInfo'),
      pathMtu: vi.spyOn(native, 'pathMtu'),
      sourceAddress: vi.spyOn(native, 'sourceAddress'),
      counters: vi.spyOn(native.engine, 'counters'),
      list: vi.spyOn(store, 'list'),
    };
    const changed = native.engine.calls.length;
    await world.reconciler.settle();
    const calls = Object.entries(spies).map(([name, { mock }]) => [name, mock.calls.length]);
    vi.restoreAllMocks();
    return { ...Object.fromEntries(calls), changed: native.engine.calls.length - changed };
  }

  it('lists the links of each namespace once, and asks for the way to each peer once', async () => {
    await settle(12, 7);
    // The own namespace is listed for the addresses of this host, too; the others eight at a time.
    expect(await asked()).toMatchObject({
      links: 12 + 2,
      linksOf: 2,
      netnsInfo: 0,
      pathMtu: 7,
      sourceAddress: 2,
    });
  });

  it('counts once, and changes nothing', async () => {
    await settle(3, 2);
    expect(await asked()).toMatchObject({ counters: 1, changed: 0 });
  });

  it('reads as many lists of records, however many ports and peers there are', async () => {
    await settle(2, 2);
    const few = await asked();
    await world.reconciler.stop();
    native = new FakeNative();
    store = new MemoryStore();
    await settle(8, 8);
    expect((await asked()).list).toBe(few.list);
  });
});

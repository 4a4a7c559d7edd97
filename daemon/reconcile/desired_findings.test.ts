/** Findings about what was asked for and is not in force: when they appear, what they say to whom, and that they end with their cause. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseConfig } from '../config/load.js';
import { refuse } from '../datapath/fake_engine.js';
import { FakeNative } from '../datapath/fake_native.js';
import { EngineNetworkIntent } from '../intent/engine_networks.js';
import { EntryIntent } from '../intent/entries.js';
import { NetworkIntent } from '../intent/networks.js';
import { PeerIntent } from '../intent/peers.js';
import { PortIntent } from '../intent/ports.js';
import { ReloadIntent } from '../intent/reload.js';
import type { Owner } from '../model/objects.js';
import { MemoryStore } from '../state/memory_store.js';
import type { FindingCode } from './findings.js';
import { buildWorld } from './testing/world.js';

const owner: Owner = { kind: 'api', ref: 'weft' };

let native: FakeNative;
let answer: () => Promise<string[]>;
let world: ReturnType<typeof build>;

function build(config: string, store = new MemoryStore()) {
  const lookup = () => answer();
  const { parts, ...base } = buildWorld({ native, config, store, lookup });
  return {
    ...base,
    networks: new NetworkIntent(parts),
    engineNetworks: new EngineNetworkIntent(parts),
    ports: new PortIntent(parts),
    peers: new PeerIntent(parts),
    entries: new EntryIntent(parts, base.datapath),
    reload: (text: string) =>
      new ReloadIntent(
        parts,
        () => parseConfig(text, 'f.yaml'),
        () => undefined,
      ).reload(),
  };
}

/** As a weftd that is started again, perhaps with another file. */
async function restart(config: string): Promise<void> {
  await world.reconciler.stop();
  world.datapath.stop();
  world = build(config, world.store);
  await world.reconciler.settle();
}

const codes = () => world.reconciler.findings.map(({ code, object }) => `${code} ${object}`);
const one = (code: FindingCode) => world.reconciler.findings.find((found) => found.code === code);

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
  native = new FakeNative();
  native.makeNamespace('/run/netns/one');
  answer = () => Promise.reject(refuse('ENOTFOUND', 'getaddrinfo'));
  world = build('networks: { blue: { vni: 42 } }\npeers: [10.99.0.2]');
});

afterEach(async () => {
  await world.reconciler.stop();
  vi.useRealTimers();
});

describe('a static FDB entry', () => {
  const entry = (last: string) => ({ network: 'blue', mac: `02:00:00:00:00:${last}`, peer: '10.99.0.2' });

  it('that the datapath refuses is an error by its MAC, until it takes it or the entry is given up', async () => {
    await world.entries.add(entry('08'), owner);
    await world.entries.add(entry('09'), owner);
    await restart('networks: {}\npeers: [10.99.0.2]');
    const refused = vi.spyOn(native.engine, 'fdbAdd').mockImplementation(() => {
      throw refuse('ENOSPC', 'fdb');
    });
    expect(codes()).toEqual([]);
    await world.networks.create({ name: 'blue', vni: 42 }, owner);
    expect(codes()).toEqual([
      'ENTRY_FAILED FDB entry 02:00:00:00:00:08 of network blue',
      'ENTRY_FAILED FDB entry 02:00:00:00:00:09 of network blue',
    ]);
    expect(one('ENTRY_FAILED')).toMatchObject({
      severity: 'error',
      message: 'the kernel refused fdb: ENOSPC (WEFT_KERNEL)',
      remedy: expect.stringContaining('"weft fdb rm NETWORK MAC" gives it up'),
    });
    await world.entries.remove('blue', entry('08').mac, owner);
    expect(codes()).toEqual(['ENTRY_FAILED FDB entry 02:00:00:00:00:09 of network blue']);
    refused.mockRestore();
    await world.reconciler.settle();
    expect([codes(), native.engine.entries.map((one) => one.mac)]).toEqual([[], [entry('09').mac]]);
  });

  it('that stays in the datapath when it is removed is an error until it is out, and nobody is to give it up', async () => {
    await world.entries.add(entry('08'), owner);
    const refused = vi.spyOn(native.engine, 'fdbRemove').mockImplementation(() => {
      throw refuse('EIO', 'fdb');
    });
    await world.entries.remove('blue', entry('08').mac, owner);
    expect(codes()).toEqual(['ENTRY_FAILED FDB entry 02:00:00:00:00:08 of network blue']);
    expect(one('ENTRY_FAILED')?.remedy).not.toContain('gives it up');
    refused.mockRestore();
    await world.reconciler.settle();
    expect([codes(), native.engine.entries]).toEqual([[], []]);
  });

  it('waits for a peer that cannot be programmed, which alone is told of', async () => {
    await world.entries.add(entry('08'), owner);
    native = new FakeNative();
    const store = world.store;
    await world.reconciler.stop();
    world = build('networks: { blue: { vni: 42 } }\npeers: [10.99.0.2]', store);
    const refused = vi.spyOn(native.engine, 'addPeer').mockImplementation(() => {
      throw refuse('ENOSPC', 'addPeer');
    });
    await world.reconciler.settle();
    expect(codes()).toEqual(['PEER_FAILED peer 10.99.0.2']);
    refused.mockRestore();
    await world.reconciler.settle();
    expect([codes(), native.engine.entries.map((one) => one.mac)]).toEqual([[], [entry('08').mac]]);
  });
});

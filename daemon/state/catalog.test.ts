import { beforeEach, describe, expect, it } from 'vitest';
import { parseConfig } from '../config/load.js';
import type { PeerRecord } from '../model/objects.js';
import { Catalog } from './catalog.js';
import { MemoryStore } from './memory_store.js';
import { blue, network } from './testing/networks.js';

const peer: PeerRecord = {
  id: 'p',
  address: '10.99.0.2',
  port: 4789,
  checksum: 'full',
  offload: 'auto',
  owner: { kind: 'api', ref: 'weft' },
};

describe('the lists of the catalog', () => {
  let store: MemoryStore;
  let catalog: Catalog;

  beforeEach(async () => {
    store = new MemoryStore();
    await store.put('network', 'blue', blue);
    catalog = new Catalog(store, parseConfig('networks: { red: { vni: 7 } }', 'f.yaml'));
  });

  const lists = () => [catalog.networks(), catalog.shadowed(), catalog.peers(), catalog.ports()];

  it('are the same arrays while nothing is changed', () => {
    const before = lists();
    for (const [index, list] of lists().entries()) expect(list).toBe(before[index]);
  });

  it('are read again after a change, also by those who are told of it together with others', async () => {
    const seen: number[] = [];
    store.watch(() => seen.push(catalog.networks().length + catalog.peers().length));
    lists();
    await store.transaction((tx) => {
      tx.put('peer', 'p', peer);
      tx.put('network', 'aqua', network('aqua'));
    });
    expect(seen).toEqual([4, 4]);
    await store.delete('network', 'blue');
    expect(catalog.networks().map(({ name }) => name)).toEqual(['red', 'aqua']);
  });

  it('are read again when the file is', () => {
    lists();
    catalog.use(parseConfig(`networks: { red: { vni: ${blue.vni} } }`, 'f.yaml'));
    expect(catalog.networks().map(({ name, vni }) => [name, vni])).toEqual([['red', blue.vni]]);
    expect(catalog.shadowed().map(({ network }) => network.name)).toEqual(['blue']);
  });
});

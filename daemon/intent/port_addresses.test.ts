import { beforeEach, describe, expect, it } from 'vitest';
import type { EngineNetworkRecord, PoolRecord, PortRecord } from '../model/objects.js';
import { MemoryStore } from '../state/memory_store.js';
import { PortAddresses } from './port_addresses.js';

const four = '10.32.0.0/16';
const six = 'fd42::/64';
const pool = (subnet: string): PoolRecord => ({
  id: `weft:1:${subnet}`,
  scope: subnet,
  subnet,
  range: null,
  references: 1,
  bound: true,
  requestedAt: 0,
});
const engineNetwork: EngineNetworkRecord = {
  id: 'n1',
  engine: 'docker',
  network: four,
  pools: [four, six].map((subnet) => ({ id: `weft:1:${subnet}`, subnet, gateway: null, auxiliary: [] })),
  internal: false,
};
const foreign: EngineNetworkRecord = {
  ...engineNetwork,
  id: 'n2',
  pools: [{ id: null, subnet: four, gateway: null, auxiliary: [] }],
};
const port = (id: string, addresses: string[], more: Partial<PortRecord> = {}): PortRecord => ({
  id,
  name: null,
  network: four,
  ifname: 'eth0',
  netns: null,
  mac: '02:00:00:00:00:01',
  addresses,
  attach: 'tap',
  owner: { kind: 'api', ref: 'weft' },
  ...more,
});
const endpoint = (network: string) => ({
  endpoint: { engineNetwork: network, sandbox: null, bootId: '', since: 0 },
});

let store: MemoryStore;
beforeEach(async () => {
  store = new MemoryStore();
  for (const record of [pool(four), pool(six)]) await store.put('pool', record.id, record);
  for (const record of [engineNetwork, foreign]) await store.put('engine-network', record.id, record);
});

describe('the addresses of ports', () => {
  it('are those of the networks of the scope, of both families', async () => {
    await store.put('port', 'p-1', port('p-1', ['10.32.0.2/16', 'fd42::2/64'], { name: 'web' }));
    await store.put('port', 'p-2', port('p-2', ['10.32.0.3/16'], { network: 'blue' }));
    const addresses = new PortAddresses(store);
    const web = { port: 'web', leased: false };
    expect(addresses.takenIn(four).get('10.32.0.2')).toEqual(web);
    expect(addresses.takenIn(six).get('fd42::2')).toEqual(web);
    expect([...addresses.takenIn('blue').keys()]).toEqual(['10.32.0.3']);
    expect(addresses.takenIn('red').size).toBe(0);
  });

  it('follow the store', async () => {
    const addresses = new PortAddresses(store);
    const record = port('p-1', ['10.32.0.2/16']);
    await store.put('port', 'p-1', record);
    expect([...addresses.takenIn(six).keys()]).toEqual(['10.32.0.2']);
    await store.put('port', 'p-1', { ...record, addresses: ['10.32.0.4/16'] });
    expect([...addresses.takenIn(four).keys()]).toEqual(['10.32.0.4']);
    await store.delete('engine-network', 'n1');
    expect(addresses.takenIn(six).size).toBe(0);
    await store.put('port', 'p-1', { ...record, removing: true });
    expect(addresses.takenIn(four).size).toBe(0);
    await store.delete('port', 'p-1');
    expect(addresses.takenIn(four).size).toBe(0);
  });

  it('pass from a port that is removed to the one that takes over', async () => {
    const addresses = new PortAddresses(store);
    const old = port('p-9', ['10.32.0.2/16'], { name: 'old' });
    await store.put('port', 'p-9', old);
    await store.transaction((tx) => {
      tx.put('port', 'p-9', { ...old, removing: true });
      tx.put('port', 'p-1', port('p-1', ['10.32.0.2/16'], { name: 'new' }));
    });
    await store.delete('port', 'p-9');
    expect(addresses.takenIn(four).get('10.32.0.2')?.port).toBe('new');
  });

  it('tell those that IPAM gave', async () => {
    await store.put('port', 'p-1', port('p-1', ['10.32.0.2/16'], endpoint('n1')));
    await store.put('port', 'p-2', port('p-2', ['10.32.0.3/16'], endpoint('n2')));
    expect([...new PortAddresses(store).takenIn(four)]).toEqual([
      ['10.32.0.2', { port: 'eth0', leased: true }],
      ['10.32.0.3', { port: 'eth0', leased: false }],
    ]);
  });
});

/** What no peer can be, wherever it is asked for. */
import { beforeEach, describe, expect, it } from 'vitest';
import { parseConfig } from '../config/load.js';
import type { Owner } from '../model/objects.js';
import type { Namespaces } from '../reconcile/netns.js';
import { Catalog } from '../state/catalog.js';
import { MemoryStore } from '../state/memory_store.js';
import { EventBus } from '../telemetry/events.js';
import { Mutex } from './mutex.js';
import { PeerIntent } from './peers.js';

const owner: Owner = { kind: 'api', ref: 'weft' };

let store: MemoryStore;
let peers: PeerIntent;
beforeEach(() => {
  store = new MemoryStore();
  peers = new PeerIntent({
    store,
    catalog: new Catalog(store, parseConfig('', 'f.yaml')),
    reconciler: {
      stopping: false,
      settle: async () => undefined,
      failureOf: () => null,
      portFailure: () => null,
      hasPort: () => true,
      trigger: () => undefined,
      expectArrival: () => undefined,
    },
    namespaces: { ownCookie: '1' } as Namespaces,
    events: new EventBus(),
    mutex: new Mutex(),
  });
});

const config = (peer: string) => () => parseConfig(`peers: [${peer}]`, 'f.yaml');

describe('the address of a peer', () => {
  it.each([
    ['224.0.0.1', 'is multicast; a peer has an address of one host'],
    ['239.1.1.1:8472', 'is multicast; a peer has an address of one host'],
    ['ff02::1', 'is multicast; a peer has an address of one host'],
    ['[ff05::2]:4789', 'is multicast; a peer has an address of one host'],
    ['0.0.0.0', 'is unspecified; a peer has an address of one host'],
    ['::', 'is unspecified; a peer has an address of one host'],
    ['255.255.255.255', 'is broadcast; a peer has an address of one host'],
    ['10.0.0.2:0', 'port must be 1-65535'],
    ['10.0.0.2:65536', 'port must be 1-65535'],
    ['10.0.0.300', 'expected address[:port]'],
    ['::ffff:10.0.0.2', 'expected address[:port]'],
    ['fe80::1%eth0', 'expected address[:port]'],
  ])('cannot be %s, through the API and in the file', (address, problem) => {
    const refused = { code: 'WEFT_INVALID', message: expect.stringContaining(`${address}: ${problem}`) };
    expect(() => peers.add({ address }, owner)).toThrow(expect.objectContaining(refused));
    expect(store.list('peer')).toEqual([]);
    expect(config(`"${address}"`)).toThrow(
      expect.objectContaining({ code: 'WEFT_CONFIG', message: expect.stringContaining(problem) }),
    );
  });

  it.each(['224.0.0.1', 'ff02::1', '0.0.0.0', '255.255.255.255'])(
    'cannot be %s in a mapping of the file either',
    (address) => {
      expect(config(`{ address: "${address}" }`)).toThrow('a peer has an address of one host');
    },
  );

  it.each(['10.0.0.2', '[fd00::2]:8472', 'host3.example'])('can be %s', async (address) => {
    await peers.add({ address }, owner);
    expect(store.list('peer')).toHaveLength(1);
    expect(config(`"${address}"`)).not.toThrow();
  });
});

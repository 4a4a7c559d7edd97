/** What a port may not have because Docker has it; the rest is tried with the reconciler. */
import { beforeEach, describe, expect, it } from 'vitest';
import { parseConfig } from '../config/load.js';
import { WeftError } from '../errors.js';
import { type LeaseRecord, leaseKey, type Owner } from '../model/objects.js';
import type { Namespaces } from '../reconcile/netns.js';
import { Catalog } from '../state/catalog.js';
import { MemoryStore } from '../state/memory_store.js';
import { EventBus } from '../telemetry/events.js';
import { Mutex } from './mutex.js';
import { PortIntent } from './ports.js';

const owner: Owner = { kind: 'api', ref: 'weft' };
const lease: LeaseRecord = {
  scope: 'blue',
  address: '10.42.0.2',
  kind: 'endpoint',
  name: null,
  port: null,
  state: 'active',
  since: 0,
};

let store: MemoryStore;
let ports: PortIntent;
let events: EventBus;
/** Of the step that an intent needs. */
let failure: WeftError | null;
beforeEach(() => {
  events = new EventBus();
  failure = null;
  store = new MemoryStore();
  ports = new PortIntent({
    store,
    catalog: new Catalog(store, parseConfig('networks: { blue: { vni: 42 } }', 'f.yaml')),
    reconciler: {
      stopping: false,
      settle: async () => undefined,
      failureOf: () => failure,
      portFailure: () => null,
      hasPort: () => true,
      trigger: () => undefined,
      expectArrival: () => undefined,
    },
    namespaces: { ownCookie: '1' } as Namespaces,
    events,
    mutex: new Mutex(),
  });
});

const keep = (change: Partial<LeaseRecord> = {}) => {
  const record = { ...lease, ...change };
  return store.put('lease', leaseKey(record), record);
};
const add = (address: string) =>
  ports.add({ network: 'blue', ifname: 'w0', addresses: [address] }, null, owner);

describe('an address that IPAM has given', () => {
  it('is refused to a port, and the container named', async () => {
    await keep();
    await expect(add('10.42.0.2/24')).rejects.toMatchObject({
      code: 'WEFT_ADDRESS_IN_USE',
      message: 'address 10.42.0.2 belongs to a container of Docker on network "blue" already',
    });
    await keep({ name: 'web' });
    await expect(add('10.42.0.2/16')).rejects.toThrow('belongs to container "web" of Docker on network');
    expect(store.list('port')).toEqual([]);
    await add('10.42.0.3/24');
  });

  it('is found in the pools of all families that are on the network', async () => {
    const id = 'weft:1:fd42::/64';
    const subnet = 'fd42::/64';
    await store.put('pool', id, {
      id,
      scope: subnet,
      subnet,
      range: null,
      references: 1,
      bound: true,
      requestedAt: 0,
    });
    await store.put('engine-network', 'n1', {
      id: 'n1',
      engine: 'docker',
      network: 'blue',
      pools: [{ id, subnet, gateway: null, auxiliary: [] }],
      internal: false,
    });
    await keep({ scope: subnet, address: 'fd42::2' });
    await expect(add('FD42:0::2/64')).rejects.toMatchObject({ code: 'WEFT_ADDRESS_IN_USE' });
  });

  it.each([{ state: 'released' }, { kind: 'gateway' }, { kind: 'auxiliary' }, { scope: 'red' }] as const)(
    'is free when it is %o',
    async (change) => {
      await keep(change);
      await add('10.42.0.2/24');
      expect(store.list('port')).toMatchObject([{ addresses: ['10.42.0.2/24'] }]);
    },
  );
});

describe('the address of a port', () => {
  const asked = (address: string) =>
    ports.add({ network: 'blue', ifname: 'w0', addresses: [address] }, null, owner);

  it.each([
    ['10.42.0.2', 'expected an address with its prefix'],
    ['10.42.0.0/24', 'is the network address of 10.42.0.0/24'],
    ['10.42.0.255/24', 'is the broadcast address of 10.42.0.0/24'],
    ['fd42::/64', 'is the subnet-router anycast address of fd42::/64'],
    ['127.0.0.1/8', 'is a loopback address'],
    ['::1/128', 'is a loopback address'],
    ['224.0.0.5/24', 'is multicast'],
    ['0.0.0.0/0', 'is unspecified'],
    ['255.255.255.255/32', 'is broadcast'],
  ])('is not %s', (address, problem) => {
    const message = expect.stringContaining(`${address}: ${problem}`);
    expect(() => asked(address)).toThrow(expect.objectContaining({ code: 'WEFT_INVALID', message }));
  });

  it.each(['10.42.0.0/31', '10.42.0.255/32', '192.168.9.9/24', 'fd42::/127', 'fd42::ffff/112'])(
    'may be %s',
    async (address) => expect((await asked(address)).addresses).toEqual([address]),
  );
});

describe('the sources of a port', () => {
  const request = { network: 'blue', ifname: 'w0', mac: '02:00:00:00:00:01', addresses: ['10.42.0.9/24'] };
  const stored = () => store.list('port')[0];

  it('are anything unless spoof says deny, which is kept', async () => {
    await ports.add(request, null, owner);
    expect(stored()).not.toHaveProperty('spoof');
    await ports.add(
      { ...request, ifname: 'w1', mac: '02:00:00:00:00:02', addresses: [], spoof: 'deny' },
      null,
      owner,
    );
    expect(store.list('port').find(({ ifname }) => ifname === 'w1')?.spoof).toBe('deny');
  });

  it('change and change back, with an event for each change alone', async () => {
    const { id } = await ports.add({ ...request, name: 'web' }, null, owner);
    const queue = events.follow();
    await ports.change('web', { spoof: 'allow' }, owner);
    await ports.change('web', { spoof: 'deny' }, owner);
    expect(stored()).toMatchObject({ id, spoof: 'deny', addresses: ['10.42.0.9/24'] });
    await ports.change('web', { spoof: 'deny' }, owner);
    await ports.change('web', { spoof: 'allow' }, owner);
    expect(stored()).not.toHaveProperty('spoof');
    const told = await queue.take(0);
    expect(told.map(({ type }) => type)).toEqual(['port-changed', 'port-changed']);
  });

  it('stay as they were when the datapath refuses', async () => {
    await ports.add(request, null, owner);
    failure = new WeftError('WEFT_INTERNAL', { reason: 'no' });
    await expect(ports.change('w0', { spoof: 'deny' }, owner)).rejects.toThrow('no');
    expect(stored()).not.toHaveProperty('spoof');
  });

  it('of a container are not for the API to change', async () => {
    const made = await ports.add({ ...request, spoof: 'deny' }, null, { kind: 'docker', ref: 'beef' });
    await expect(ports.change(made.id, { spoof: 'allow' }, owner)).rejects.toMatchObject({
      code: 'WEFT_NOT_OWNER',
      exit: 5,
      remedy: expect.stringContaining('docker command'),
    });
    expect(stored()?.spoof).toBe('deny');
  });
});

/** Findings about what was asked for and is not in force: when they appear, what they say to whom, and that they end with their cause. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseConfig } from '../config/load.js';
import { refuse } from '../datapath/fake_engine.js';
import { FakeNative } from '../datapath/fake_native.js';
import { type EngineNetworkCreate, EngineNetworkIntent } from '../intent/engine_networks.js';
import { EntryIntent } from '../intent/entries.js';
import { NetworkIntent } from '../intent/networks.js';
import { PeerIntent } from '../intent/peers.js';
import { PortIntent } from '../intent/ports.js';
import { ReloadIntent } from '../intent/reload.js';
import type { Owner, PortRecord } from '../model/objects.js';
import { MemoryStore } from '../state/memory_store.js';
import { type FindingCode, findingTable } from './findings.js';
import { buildWorld } from './testing/world.js';

const owner: Owner = { kind: 'api', ref: 'weft' };
const ofDocker: EngineNetworkCreate = {
  id: 'd1'.repeat(32),
  network: 'red',
  vni: 43,
  mtu: null,
  internal: false,
  foreignIpam: true,
  pools: [],
};

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
const remedyOf = (code: FindingCode) => findingTable[code].remedy;

/** A loaded machine takes its time. */
const patient = { timeout: 15_000 };

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

describe('the name of a peer', () => {
  it('that does not resolve is a warning until it does', async () => {
    await world.peers.add({ address: 'h2.example' }, owner);
    await expect.poll(codes, patient).toEqual(['PEER_UNRESOLVED peer h2.example']);
    expect(one('PEER_UNRESOLVED')).toMatchObject({
      severity: 'warning',
      message: 'h2.example does not resolve: ENOTFOUND',
      remedy: expect.stringContaining('"getent ahosts NAME"'),
    });
    answer = () => Promise.resolve(['10.99.0.3']);
    vi.advanceTimersByTime(5000);
    await world.reconciler.settle();
    await expect.poll(codes, patient).toEqual([]);
    expect([...native.engine.peers.values()].map(({ address }) => address)).toContain('10.99.0.3');
  });

  it('is no finding while it is asked for, unless the resolver is silent', async () => {
    let resolve: (addresses: string[]) => void = () => undefined;
    answer = () =>
      new Promise((done) => {
        resolve = done;
      });
    await world.peers.add({ address: 'h2.example' }, owner);
    expect(codes()).toEqual([]);
    vi.advanceTimersByTime(5000);
    await world.reconciler.settle();
    expect(codes()).toEqual(['PEER_UNRESOLVED peer h2.example']);
    expect(one('PEER_UNRESOLVED')?.message).toBe('the resolver has not answered for h2.example yet');
    resolve(['10.99.0.3']);
    await expect.poll(codes, patient).toEqual([]);
  });
});

describe('a peer without a route', () => {
  it('is a warning until there is one, and stays programmed', async () => {
    native.pathMtus.set('10.99.0.2', 0);
    await world.reconciler.settle();
    expect(codes()).toEqual(['PEER_NO_ROUTE peer 10.99.0.2']);
    expect(one('PEER_NO_ROUTE')).toMatchObject({
      severity: 'warning',
      message: 'the kernel has no route to 10.99.0.2',
      remedy: expect.stringContaining('"ip route get ADDRESS"'),
    });
    expect(native.engine.peers.size).toBe(1);
    native.pathMtus.delete('10.99.0.2');
    await world.reconciler.settle();
    expect(codes()).toEqual([]);
  });

  it('is not one whose route the kernel cannot tell just now, and nothing follows from that', async () => {
    native.defaultRoute = false;
    native.pathMtus.set('10.99.0.2', 1400);
    await world.ports.add({ network: 'blue', netns: 'one' }, null, owner);
    native.engine.calls.length = 0;
    native.failures.set('pathMtu', refuse('EMFILE', 'socket'));
    native.failures.set('sourceAddress', refuse('EMFILE', 'socket'));
    await world.reconciler.settle();
    expect(codes()).toEqual(['HOST_UNREADABLE host']);
    expect(one('HOST_UNREADABLE')?.message).toBe(
      'the routes of this host cannot be read (EMFILE); weftd goes on with what it saw last',
    );
    expect(native.engine.calls).toEqual([]);
    expect(native.links('/run/netns/one').map(({ mtu }) => mtu)).toEqual([1350]);
    expect(world.reconciler.view.picture.underlay.addresses).toEqual(['10.99.0.1']);

    await world.peers.add({ address: '10.99.0.3' }, owner);
    expect(codes()).toEqual(['HOST_UNREADABLE host']);
    native.failures.clear();
    await world.reconciler.settle();
    expect(codes()).toEqual([]);
  });
});

describe('a network that the file declares, too', () => {
  const red = 'networks: { red: { vni: 50 } }';

  it('is a warning after the start until it is removed, and the file, which is in force, has its ports', async () => {
    await world.networks.create({ name: 'red', vni: 43 }, owner);
    const port = await world.ports.add({ network: 'red', netns: 'one' }, null, owner);
    await restart(red);
    expect(codes()).toEqual(['NETWORK_SHADOWED network red']);
    expect(one('NETWORK_SHADOWED')).toMatchObject({
      severity: 'warning',
      message:
        'network "red" is in the configuration file and was made by "weft network create" too; the file is in force',
      remedy: remedyOf('NETWORK_SHADOWED'),
    });
    expect([...native.engine.networks.values()].map(({ vni }) => vni)).toEqual([50]);
    await world.networks.remove('red', owner, false);
    await world.reconciler.settle();
    expect([codes(), world.catalog.network('red').vni, world.catalog.ports()]).toEqual([[], 50, [port]]);
  });

  it('is a warning until the file has it no more, also while it has ports', async () => {
    await world.networks.create({ name: 'red', vni: 43 }, owner);
    await world.ports.add({ network: 'red', netns: 'one' }, null, owner);
    await restart(red);
    expect(codes()).toEqual(['NETWORK_SHADOWED network red']);
    await world.reload('networks: { green: { vni: 50 } }');
    expect([codes(), world.catalog.network('red').vni, native.openFds.size]).toEqual([[], 43, 1]);
  });

  it('stays in the file while its ports would be left without one', async () => {
    await world.networks.create({ name: 'red', vni: 43 }, owner);
    await world.ports.add({ network: 'red', netns: 'one' }, null, owner);
    await restart(red);
    await expect(world.reload('networks: { green: { vni: 43 } }')).rejects.toMatchObject({
      code: 'WEFT_CONFIG',
      message: expect.stringContaining('network "red" is not in f.yaml any more, but still has 1 port(s)'),
    });
  });

  it('is told of as made by Docker, which alone can remove it', async () => {
    await world.engineNetworks.create(ofDocker);
    await restart(red);
    expect(one('NETWORK_SHADOWED')).toMatchObject({
      message: 'network "red" is in the configuration file and was made by Docker too; the file is in force',
      remedy: expect.stringContaining('"docker network rm NAME"'),
    });
    await expect(world.networks.remove('red', owner, false)).rejects.toMatchObject({
      code: 'WEFT_NOT_OWNER',
    });
    await world.engineNetworks.remove(ofDocker.id);
    await world.reconciler.settle();
    expect([codes(), world.catalog.network('red').vni]).toEqual([[], 50]);
  });
});

describe('a network whose VNI the file has taken', () => {
  let port: PortRecord;

  beforeEach(async () => {
    await world.networks.create({ name: 'red', vni: 43 }, owner);
    port = await world.ports.add({ network: 'red', netns: 'one' }, null, owner);
    await restart('networks: { blue: { vni: 43 } }');
  });

  it('is a warning, and an error for its ports, until the file leaves its VNI to it', async () => {
    expect(codes()).toEqual([`PORT_NO_NETWORK port ${port.id}`, 'NETWORK_SHADOWED network red']);
    expect(one('NETWORK_SHADOWED')).toMatchObject({
      severity: 'warning',
      message: 'network "red" has VNI 43, which network "blue" of the configuration file has taken',
    });
    // To create the network again is no way out: there is one.
    expect(one('PORT_NO_NETWORK')).toMatchObject({
      severity: 'error',
      message:
        'its network "red" is not in force, because network "blue" of the configuration file has its VNI 43',
      remedy: remedyOf('NETWORK_SHADOWED'),
    });
    expect(native.openFds.size).toBe(0);
    await world.reload('networks: { blue: { vni: 44 } }');
    expect([codes(), native.openFds.size]).toEqual([[], 1]);
  });

  it('is removed only with its ports, which nobody else has', async () => {
    await expect(world.networks.remove('red', owner, false)).rejects.toMatchObject({
      code: 'WEFT_NETWORK_HAS_PORTS',
    });
    await world.networks.remove('red', owner, true);
    await world.reconciler.settle();
    expect([codes(), world.catalog.ports()]).toEqual([[], []]);
  });
});

describe('a network of Docker whose VNI the file has taken', () => {
  it('is an error until Docker removes it, and leaves no entries to another one of its name', async () => {
    await world.engineNetworks.create(ofDocker);
    await world.entries.add({ network: 'red', mac: '02:00:00:00:00:09', peer: '10.99.0.2' }, owner);
    await restart('networks: { blue: { vni: 43 } }\npeers: [10.99.0.2]');
    expect(codes()).toEqual(['ENGINE_NETWORK_LOST network red', 'NETWORK_SHADOWED network red']);
    expect(one('ENGINE_NETWORK_LOST')).toMatchObject({
      message:
        'network d1d1d1d1d1d1 of Docker is cut off: its network "red" is not in force, because network "blue" of the configuration file has its VNI 43',
      remedy: remedyOf('NETWORK_SHADOWED'),
    });
    await world.engineNetworks.remove(ofDocker.id);
    await world.reconciler.settle();
    expect([codes(), world.catalog.entries()]).toEqual([[], []]);
  });
});

describe('a port whose network is gone', () => {
  it('is an error until there is one of that name', async () => {
    const port = await world.ports.add({ network: 'blue', netns: 'one' }, null, owner);
    await restart('networks: {}');
    expect(codes()).toEqual([`PORT_NO_NETWORK port ${port.id}`]);
    expect(one('PORT_NO_NETWORK')).toMatchObject({
      severity: 'error',
      message: 'its network "blue" is gone',
      remedy: expect.stringMatching(/"weft network create NAME".*"weft port rm REF"/),
    });
    expect(native.openFds.size).toBe(0);
    await world.networks.create({ name: 'blue' }, owner);
    expect([codes(), native.openFds.size]).toEqual([[], 1]);
  });

  it('is an error until the port is removed', async () => {
    const port = await world.ports.add({ network: 'blue', netns: 'one' }, null, owner);
    await restart('networks: {}');
    expect(codes()).toEqual([`PORT_NO_NETWORK port ${port.id}`]);
    await world.ports.remove(port.id, owner);
    expect([codes(), native.links('/run/netns/one')]).toEqual([[], []]);
  });
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

/** The reconciler in a fake world: what it repairs, what it reports, and what it leaves alone. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Views } from '../api/views.js';
import { parseConfig } from '../config/load.js';
import { refuse } from '../datapath/fake_engine.js';
import { FakeNative } from '../datapath/fake_native.js';
import { noNames } from '../docker/names.js';
import { noPlugin } from '../docker/plugin_state.js';
import { EntryIntent } from '../intent/entries.js';
import { NetworkIntent } from '../intent/networks.js';
import { PeerIntent } from '../intent/peers.js';
import { PortIntent } from '../intent/ports.js';
import { noChecks, noMesh } from '../mesh/no_checks.js';
import type { NetworkRecord, Owner } from '../model/objects.js';
import { MemoryStore } from '../state/memory_store.js';
import type { EventQueue } from '../telemetry/events.js';
import { Namespaces } from './netns.js';
import { buildWorld } from './testing/world.js';

const owner: Owner = { kind: 'api', ref: 'weft' };
const blue = 'networks: { blue: { vni: 42, subnets: [10.42.0.0/24] } }';

const redNetwork: NetworkRecord = {
  name: 'red',
  vni: 43,
  subnets: [],
  mtu: 'auto',
  vlan: 'drop',
  fdb: {},
  owner,
};

let native: FakeNative;
let startTimes: Map<number, string>;
let inhabited: Set<string>;
let netnsInodes: Map<string, string>;
let bootId: string;
let names: Map<string, string[]>;
let leastMtu: { peer: string; mtu: number } | null;
let world: ReturnType<typeof build>;

function build(config: string, store = new MemoryStore()) {
  const { parts, ...base } = buildWorld({
    leastMtu: () => leastMtu,
    native,
    config,
    store,
    proc: {
      bootId: () => bootId,
      startTime: (pid) => startTimes.get(pid) ?? null,
      netnsInode: (path) => netnsInodes.get(path) ?? null,
      inhabits: (inode) => inhabited.has(inode),
    },
    lookup: async (name) => names.get(name) ?? Promise.reject(refuse('ENOTFOUND', 'getaddrinfo')),
  });
  return {
    ...base,
    networks: new NetworkIntent(parts),
    ports: new PortIntent(parts),
    peers: new PeerIntent(parts),
    entries: new EntryIntent(parts, base.datapath),
  };
}

/** Rounds look at links again only after a while; a fresh reconciler looks at once, as a restarted daemon does. */
function restart(config = blue): void {
  world.datapath.stop();
  world = build(config, world.store);
}

const findings = () => world.reconciler.findings.map(({ code, object }) => `${code} ${object}`);

/** A loaded machine takes its time. */
const patient = { timeout: 15_000 };

beforeEach(() => {
  native = new FakeNative();
  native.makeNamespace('/run/netns/one');
  startTimes = new Map();
  leastMtu = null;
  inhabited = new Set();
  netnsInodes = new Map();
  bootId = 'boot-1';
  names = new Map();
  world = build(blue);
});

afterEach(async () => {
  await world.reconciler.stop();
});

describe('the store', () => {
  it.each([
    ['STATE_FAILED', 'failed'],
    ['STATE_REMOVED', 'removed'],
  ] as const)('is reported as %s while it keeps nothing', async (code, kind) => {
    const check = vi.spyOn(world.store, 'check').mockResolvedValue({ kind, reason: 'no space' });
    await world.reconciler.settle();
    expect(findings()).toEqual([`${code} state`]);
    check.mockRestore();
    await world.reconciler.settle();
    expect(findings()).toEqual([]);
  });

  it('that had damaged lines is reported', async () => {
    Object.assign(world.store, { repaired: 2 });
    await world.reconciler.settle();
    expect(findings()).toEqual(['STATE_REPAIRED state']);
  });
});

describe('ports', () => {
  it('are announced when their link had vanished and was made again', async () => {
    const port = await world.ports.add({ network: 'blue', netns: 'one' }, null, owner);
    const followed = world.events.follow();
    native.makeNamespace('/run/netns/one');
    await world.reconciler.settle();
    const told = (await followed.take(0)).filter(({ type }) => type === 'port-restored');
    expect(told.map(({ object }) => object)).toEqual([`port ${port.id}`]);
  });

  it('with IPv6 are refused below its MTU, before a link is made', async () => {
    world = build('networks: { blue: { mtu: 1279 }, red: { mtu: 1280 } }');
    const request = { netns: 'one', addresses: ['10.42.0.2/24', 'fd42::2/64'] };
    await expect(world.ports.add({ network: 'blue', ...request }, null, owner)).rejects.toMatchObject({
      code: 'WEFT_INVALID',
      message: expect.stringContaining('IPv6 needs an MTU of at least 1280'),
    });
    await world.ports.add({ network: 'red', ...request }, null, owner);
    expect(native.links('/run/netns/one').map(({ mtu }) => mtu)).toEqual([1280]);
  });

  it('that the kernel refuses are told so with its request named once', async () => {
    vi.spyOn(native, 'tapCreate').mockImplementationOnce(() => {
      throw refuse('EINVAL', 'RTM_NEWADDR');
    });
    await expect(world.ports.add({ network: 'blue', netns: 'one' }, null, owner)).rejects.toMatchObject({
      code: 'WEFT_KERNEL',
      message: 'the kernel refused RTM_NEWADDR: EINVAL',
    });
  });

  it('are made again when their name leads to a new namespace, and the new cookie is kept', async () => {
    const port = await world.ports.add({ network: 'blue', netns: 'one' }, null, owner);
    const next = native.makeNamespace('/run/netns/one');
    await world.reconciler.settle();
    expect(next.links.map(({ mac }) => mac)).toEqual([port.mac]);
    expect(world.store.get('port', port.id)?.netns?.cookie).toBe(next.cookie);
    expect(native.openFds.size).toBe(1);
  });

  it('do not come back when they are removed while a round records where they are', async () => {
    native.makeNamespace('/run/netns/two');
    const kept = await world.ports.add({ network: 'blue', netns: 'one' }, null, owner);
    const removed = await world.ports.add({ network: 'blue', netns: 'two' }, null, owner);
    const [first, second] = [kept, removed].sort((one, other) => (one.id < other.id ? -1 : 1));
    if (first === undefined || second === undefined) throw new Error('there are two ports');
    native.makeNamespace('/run/netns/one');
    native.makeNamespace('/run/netns/two');
    const end = world.store.watch(({ key }) => {
      if (key !== first.id) return;
      end();
      void world.store.delete('port', second.id);
    });
    await world.reconciler.settle();
    expect(world.store.list('port').map(({ id }) => id)).toEqual([first.id]);
  });

  it('let a namespace go after a restart, wait, and report it', async () => {
    const port = await world.ports.add({ network: 'blue', netns: 'one' }, null, owner);
    restart();
    await world.reconciler.settle();
    expect(native.openFds.size).toBe(1);
    native.namespaces.delete('/run/netns/one');
    await world.reconciler.settle();
    expect(native.openFds.size).toBe(0);
    expect(findings()).toEqual([`NETNS_GONE port ${port.id}`]);
    native.makeNamespace('/run/netns/one');
    await world.reconciler.settle();
    expect([findings(), native.openFds.size]).toEqual([[], 1]);
  });

  it('are found by the inode of a namespace that we hold, without going there', async () => {
    await world.ports.add({ network: 'blue', netns: 'one' }, null, owner);
    await world.reconciler.settle();
    const looked = vi.spyOn(native, 'netnsInfo');
    const { inode } = native.netnsInfo('/run/netns/one');
    netnsInodes.set('/run/netns/one', inode);
    looked.mockClear();
    await world.reconciler.settle();
    expect(looked.mock.calls).not.toContainEqual(['/run/netns/one']);
    native.makeNamespace('/run/netns/one');
    netnsInodes.clear();
    await world.reconciler.settle();
    expect(native.links('/run/netns/one').map(({ ifname }) => ifname)).toEqual(['eth0']);
  });

  it('serve processes that live on in a namespace whose name was removed, and let it go with the last', async () => {
    const port = await world.ports.add({ network: 'blue', netns: 'one' }, null, owner);
    inhabited.add(native.netnsInfo('/run/netns/one').inode);
    native.namespaces.delete('/run/netns/one');
    await world.reconciler.settle();
    await world.reconciler.settle();
    expect([findings(), native.openFds.size]).toEqual([[`NETNS_GONE port ${port.id}`], 1]);
    inhabited.clear();
    await world.reconciler.settle();
    expect(native.openFds.size).toBe(0);
  });

  it.each([
    ['ended', () => startTimes.delete(7)],
    ['ended and its PID is in use again', () => startTimes.set(7, '999')],
    ['moved to another namespace', () => native.makeNamespace('/proc/7/ns/net')],
    ['ended with the last boot', () => (bootId = 'boot-2')],
  ])('of a process are removed when it %s', async (_, happen) => {
    native.makeNamespace('/proc/7/ns/net');
    startTimes.set(7, '70');
    const followed = world.events.follow();
    const port = await world.ports.add({ network: 'blue', netns: '7' }, null, owner);
    await world.entries.add({ network: 'blue', mac: '02:00:00:00:00:09', port: port.id }, owner);
    happen();
    await world.reconciler.settle();
    expect([world.catalog.ports(), world.catalog.entries(), native.openFds.size]).toEqual([[], [], 0]);
    expect((await typesOf(followed)).at(-1)).toBe('port-removed');
  });

  it('come back when the engine loses them', async () => {
    await world.ports.add({ network: 'blue', netns: 'one' }, null, owner);
    native.namespaces.get('/run/netns/one')?.links.splice(0);
    const [handle = 0] = native.engine.ports.keys();
    native.engine.raise({ type: 'port-gone', port: handle });
    expect(native.openFds.size).toBe(0);
    await world.reconciler.settle();
    expect(native.links('/run/netns/one').map(({ ifname }) => ifname)).toEqual(['eth0']);
  });

  it('come back when the engine loses them, and the event too', async () => {
    const port = await world.ports.add({ network: 'blue', netns: 'one' }, null, owner);
    const followed = world.events.follow();
    const [handle = 0] = native.engine.ports.keys();
    native.engine.gone.add(handle);
    await world.reconciler.settle();
    expect(native.engine.calls.filter((call) => call === 'addPort')).toHaveLength(2);
    expect([native.openFds.size, world.catalog.ports()]).toEqual([1, [port]]);
    expect(await typesOf(followed)).toEqual(['port-gone']);
  });

  it('get the MTU that fits when the path to a peer changes', async () => {
    await world.ports.add({ network: 'blue', netns: 'one' }, null, owner);
    await world.peers.add({ address: '10.99.0.2' }, owner);
    native.pathMtus.set('10.99.0.2', 1400);
    await world.reconciler.settle();
    expect(native.links('/run/netns/one').map(({ mtu }) => mtu)).toEqual([1350]);
    expect([...native.engine.networks.values()].map(({ mtu }) => mtu)).toEqual([1350]);
  });

  it('get the MTU of another host where that is less, and say by themselves what they would have', async () => {
    await world.ports.add({ network: 'blue', netns: 'one' }, null, owner);
    const { id } = await world.peers.add({ address: '10.99.0.2' }, owner);
    leastMtu = { peer: id, mtu: 1350 };
    await world.reconciler.settle();
    expect(native.links('/run/netns/one').map(({ mtu }) => mtu)).toEqual([1350]);
    expect(world.reconciler.view.picture.ownMtus).toEqual({ auto: 1450, declared: new Map() });
    expect(findings()).toEqual([]);
    leastMtu = { peer: id, mtu: 1454 };
    await world.reconciler.settle();
    expect(native.links('/run/netns/one').map(({ mtu }) => mtu)).toEqual([1450]);
  });

  it('are held to what fits to each peer, at once when a datagram was too large', async () => {
    await world.peers.add({ address: '10.99.0.2' }, owner);
    await world.peers.add({ address: 'fd99::3' }, owner);
    await world.reconciler.settle();
    const fits = () => [...native.engine.peers.values()].map(({ mtu }) => mtu);
    expect(fits()).toEqual([1450, 1430]);
    native.pathMtus.set('10.99.0.2', 1400);
    const [peer = 0] = native.engine.peers.keys();
    native.engine.raise({ type: 'peer-too-big', peer });
    await vi.waitFor(() => expect(fits()).toEqual([1350, 1430]));
  });

  it.each([
    ['deny', 'PORT_MAC_REFUSED', '"weft port set REF --spoof allow"'],
    ['allow', 'PORT_MAC_CHANGED', 'weft forwards by the new one'],
  ] as const)('with spoof: %s are told of another MAC', async (spoof, code, remedy) => {
    await world.ports.add({ network: 'blue', netns: 'one', spoof }, null, owner);
    Object.assign(native.namespaces.get('/run/netns/one')?.links[0] ?? {}, { mac: '02:66:66:66:66:66' });
    restart();
    await world.reconciler.settle();
    expect(world.reconciler.findings).toMatchObject([{ code, remedy: expect.stringContaining(remedy) }]);
  });

  it('for which the kernel refuses super-frames are told at once, and the finding goes when it takes them again', async () => {
    const port = await world.ports.add({ network: 'blue', netns: 'one' }, null, owner);
    const [handle = 0] = native.engine.ports.keys();
    const followed = world.events.follow();
    native.engine.refusing.set(handle, 'TCP super-frames: EINVAL');
    native.engine.raise({ type: 'port-offload-disabled', port: handle, reason: 'TCP super-frames: EINVAL' });
    await vi.waitFor(() => expect(findings()).toEqual([`PORT_OFFLOAD_DISABLED port ${port.id}`]));
    expect(world.reconciler.findings[0]?.message).toContain('TCP super-frames: EINVAL');
    const [told] = (await followed.take(0)).filter(({ type }) => type === 'port-offload-disabled');
    expect(told).toMatchObject({ object: `port ${port.id}`, message: 'TCP super-frames: EINVAL' });
    native.engine.refusing.clear();
    await world.reconciler.settle();
    expect(findings()).toEqual([]);
  });

  it('are polled before the worker sleeps, unless that is switched off, which a reload may do', async () => {
    const said = () => native.engine.calls.filter((call) => call.startsWith('setBusyPoll'));
    await world.reconciler.settle();
    expect(said()).toEqual([]);
    world.catalog.use(parseConfig(`${blue}\nbusy_poll: off`, 'f.yaml'));
    await world.reconciler.settle();
    world.catalog.use(parseConfig(blue, 'f.yaml'));
    await world.reconciler.settle();
    expect(said()).toEqual(['setBusyPoll false', 'setBusyPoll true']);
  });

  it('get the offloads that are switched on and have no fault, when that changes', async () => {
    await world.reconciler.settle();
    const all = { tso: true, uso: true, coalesceTcp: true, coalesceUdp: true };
    expect(native.engine.portOffloads).toEqual(all);
    await world.reconciler.settle();
    expect(native.engine.calls.filter((call) => call === 'setPortOffloads')).toHaveLength(1);
    world.catalog.use(
      parseConfig('networks: { blue: { vni: 42 } }\nunderlay: { offloads: { tso: off } }', 'f.yaml'),
    );
    await world.reconciler.settle();
    expect(native.engine.portOffloads).toEqual({ ...all, tso: false, coalesceTcp: false });
  });

  it('that were tried in vain leave a finding, and the others work', async () => {
    const port = await world.ports.add({ network: 'blue', netns: 'one' }, null, owner);
    await world.ports.add({ network: 'blue', ifname: 'w0' }, null, owner);
    restart();
    native.failures.set('tapReattach', refuse('EIO', 'TUNSETIFF'));
    native.namespaces.get('/run/netns/one')?.links.splice(0);
    await world.reconciler.settle();
    expect(findings()).toHaveLength(1);
    expect(world.reconciler.portFailure(port.id)).toBeNull();
    expect(native.openFds.size).toBe(1);
  });

  it('refuse what is taken', async () => {
    await world.ports.add(
      { network: 'blue', netns: 'one', name: 'web', mac: '02:00:00:00:00:05', addresses: ['10.42.0.2/24'] },
      null,
      owner,
    );
    native.makeNamespace('/run/netns/two');
    const add = (change: object) =>
      world.ports.add({ network: 'blue', netns: 'two', ...change }, null, owner);
    await expect(add({ name: 'web' })).rejects.toMatchObject({ code: 'WEFT_PORT_EXISTS' });
    await expect(add({ netns: 'one' })).rejects.toMatchObject({ code: 'WEFT_PORT_EXISTS' });
    await expect(add({ mac: '02-00-00-00-00-05' })).rejects.toMatchObject({ code: 'WEFT_MAC_IN_USE' });
    await expect(add({ addresses: ['10.42.0.2/16'] })).rejects.toMatchObject({ code: 'WEFT_ADDRESS_IN_USE' });
    await expect(add({ network: 'red' })).rejects.toMatchObject({ code: 'WEFT_NETWORK_NOT_FOUND' });
    expect(() => add({ netns: 'three' })).toThrow(expect.objectContaining({ code: 'WEFT_NETNS_NOT_FOUND' }));
    expect(world.catalog.ports()).toHaveLength(1);
  });

  it.each([
    ['one', 'WEFT_PERMISSION'],
    ['7', 'WEFT_NETNS_DENIED'],
    ['/proc/7/ns/net', 'WEFT_NETNS_DENIED'],
  ])('say of namespace %s why it cannot be opened: %s', (netns, code) => {
    startTimes.set(7, '70');
    native.failures.set('netnsInfo', refuse('EACCES', 'open'));
    const add = () => world.ports.add({ network: 'blue', netns }, null, owner);
    expect(add).toThrow(expect.objectContaining({ code }));
  });

  it('outside the subnets of their network are reported', async () => {
    const port = await world.ports.add(
      { network: 'blue', netns: 'one', addresses: ['10.7.0.2/24'] },
      null,
      owner,
    );
    expect(findings()).toEqual([`ADDRESS_OUTSIDE port ${port.id}`]);
  });
});

describe('removing a port', () => {
  const linksOf = (path: string) => native.links(path).map(({ ifname }) => ifname);

  it('is finished by the next daemon when this one dies in between', async () => {
    const port = await world.ports.add({ network: 'blue', netns: 'one', name: 'web' }, null, owner);
    await world.entries.add({ network: 'blue', mac: '02:00:00:00:00:09', port: port.id }, owner);
    native.engine.removePort = () => {
      throw refuse('EIO', 'close');
    };
    native.failures.set('linkDelete', refuse('EIO', 'RTM_DELLINK'));
    await world.ports.remove('web', owner);
    expect([linksOf('/run/netns/one'), world.catalog.ports(), world.catalog.entries()]).toEqual([
      ['eth0'],
      [],
      [],
    ]);
    expect(() => world.catalog.port('web')).toThrow(expect.objectContaining({ code: 'WEFT_PORT_NOT_FOUND' }));
    native.failures.clear();
    restart();
    await world.reconciler.settle();
    expect([linksOf('/run/netns/one'), world.store.list('port')]).toEqual([[], []]);
  });

  it('ends the TAP in a namespace that has no name any more', async () => {
    const namespace = native.namespaces.get('/run/netns/one');
    const port = await world.ports.add({ network: 'blue', netns: 'one' }, null, owner);
    inhabited.add(native.netnsInfo('/run/netns/one').inode);
    native.namespaces.delete('/run/netns/one');
    await world.reconciler.settle();
    expect(native.openFds.size).toBe(1);
    await world.ports.remove(port.id, owner);
    expect([namespace?.links, native.openFds.size, world.store.list('port')]).toEqual([[], 0, []]);
  });

  it('leaves the name and the link to a new port at once', async () => {
    const old = await world.ports.add({ network: 'blue', netns: 'one', name: 'web' }, null, owner);
    native.failures.set('linkDelete', refuse('EIO', 'RTM_DELLINK'));
    native.engine.removePort = () => {
      throw refuse('EIO', 'close');
    };
    await world.ports.remove('web', owner);
    native.failures.clear();
    const next = await world.ports.add({ network: 'blue', netns: 'one', name: 'web' }, null, owner);
    expect(native.links('/run/netns/one').map(({ mac }) => mac)).toEqual([next.mac]);
    expect(world.catalog.port('web').id).not.toBe(old.id);
  });

  it('with its network is finished by the next daemon too', async () => {
    await world.networks.create({ name: 'red' }, owner);
    await world.ports.add({ network: 'red', netns: 'one' }, null, owner);
    native.engine.removePort = () => {
      throw refuse('EIO', 'close');
    };
    native.failures.set('linkDelete', refuse('EIO', 'RTM_DELLINK'));
    await world.networks.remove('red', owner, true);
    native.failures.clear();
    restart();
    await world.reconciler.settle();
    expect([linksOf('/run/netns/one'), world.store.list('port')]).toEqual([[], []]);
  });

  it('keeps the TAP of one that only lost its namespace', async () => {
    const namespace = native.namespaces.get('/run/netns/one');
    await world.ports.add({ network: 'blue', netns: 'one' }, null, owner);
    restart();
    await world.reconciler.settle();
    native.namespaces.delete('/run/netns/one');
    await world.reconciler.settle();
    expect([native.openFds.size, namespace?.links.length]).toEqual([0, 1]);
  });
});

describe('namespaces', () => {
  it('are resolved as the caller sees them, by a path that outlives the caller', async () => {
    const theirs = native.makeNamespace('/proc/55/root/run/netns/one');
    const port = await world.ports.add({ network: 'blue', netns: 'one' }, 55, owner);
    expect(port.netns).toMatchObject({ path: '/proc/55/root/run/netns/one', cookie: theirs.cookie });
    const same = native.namespaces.get('/run/netns/one');
    if (same !== undefined) native.namespaces.set('/proc/56/root/run/netns/one', same);
    const other = await world.ports.add({ network: 'blue', netns: 'one' }, 56, owner);
    expect(other.netns?.path).toBe('/run/netns/one');
  });

  it('are found again in our own root when the way through the caller ended, by their cookie', async () => {
    const theirs = native.makeNamespace('/proc/55/root/run/netns/late');
    const port = await world.ports.add({ network: 'blue', netns: 'late' }, 55, owner);
    native.namespaces.delete('/proc/55/root/run/netns/late');
    native.makeNamespace('/run/netns/late'); // another one of that name
    const record = port.netns;
    if (record === null) throw new Error('the port has no namespace');
    const namespaces = new Namespaces(native, {
      bootId: () => record.bootId,
      netnsInode: () => null,
      inhabits: () => false,
      startTime: () => null,
    });
    expect(namespaces.locate(record).state).toBe('gone');
    native.namespaces.set('/proc/1/root/run/netns/late', theirs);
    expect(namespaces.locate(record)).toEqual({
      state: 'present',
      path: '/proc/1/root/run/netns/late',
      cookie: theirs.cookie,
    });
  });

  it.each(['', '../x', 'a/b', '.', 'a\0b'])('have no name like %j', (given) => {
    expect(() =>
      new Namespaces(native, {
        bootId: () => '',
        startTime: () => null,
        netnsInode: () => null,
        inhabits: () => false,
      }).resolve(given, null),
    ).toThrow(expect.objectContaining({ code: 'WEFT_NETNS_NOT_FOUND' }));
  });
});

describe('peers', () => {
  it('are resolved in the background, and two on one address are refused', async () => {
    names.set('host3.example', ['10.99.0.3']);
    await world.peers.add({ address: '10.99.0.3' }, owner);
    await world.peers.add({ address: 'host3.example' }, owner);
    await expect.poll(findings, patient).toEqual(['PEER_DUPLICATE peer host3.example']);
    expect([...native.engine.peers.values()].map(({ address }) => address)).toEqual(['10.99.0.3']);
  });

  it('are shown with one look at the datapath', async () => {
    for (const host of [2, 3, 4]) await world.peers.add({ address: `10.99.0.${host}` }, owner);
    const identity = {
      version: '1',
      nativeVersion: '1',
      hostId: world.store.hostId,
      pid: 1,
      stateDir: '/state',
      startedAt: '',
      probe: native.probe(),
    };
    const views = new Views({
      catalog: world.catalog,
      reconciler: world.reconciler,
      datapath: world.datapath,
      offloadChecks: noChecks,
      mesh: noMesh,
      identity,
      ipam: { pools: () => [] },
      names: noNames,
      plugin: noPlugin,
    });
    const state = vi.spyOn(world.datapath, 'state');
    expect(views.peers().map((peer) => peer.state)).toEqual(['silent', 'silent', 'silent']);
    expect(views.status().peers.total).toBe(3);
    expect(state).toHaveBeenCalledTimes(2);
  });

  it('that do not resolve are a finding, not an error', async () => {
    await world.peers.add({ address: 'host4.example' }, owner);
    await expect
      .poll(() => world.reconciler.findings.map(({ message }) => message), patient)
      .toEqual(['host4.example does not resolve: ENOTFOUND']);
  });

  it('are this host when their name leads to its loopback, as a host has its own name in Debian', async () => {
    native.defaultRoute = false;
    names.set('h1.example', ['127.0.1.1']);
    const { id } = await world.peers.add({ address: 'h1.example' }, owner);
    await expect.poll(() => world.reconciler.view.picture.peers.get(id)?.endpoint).toBe('127.0.1.1');
    const { peers, underlay } = world.reconciler.view.picture;
    expect([peers.get(id)?.state, native.engine.peers.size, underlay.addresses]).toEqual(['self', 0, []]);
  });

  it('on another port make weftd receive there too', async () => {
    await world.peers.add({ address: '10.99.0.2:8472' }, owner);
    expect(native.engine.underlay?.ports).toEqual([4789, 8472]);
  });

  it('on a port that is taken here are sent to, and hold up no other port', async () => {
    await world.peers.add({ address: '10.99.0.2:8472' }, owner);
    native.engine.taken.add(9999);
    native.locks.add('vtep-9997');
    await world.peers.add({ address: '10.99.0.3:9999' }, owner);
    await world.peers.add({ address: '10.99.0.4:9998' }, owner);
    await world.peers.add({ address: '10.99.0.5:9997' }, owner);
    expect(findings()).toEqual(['UNDERLAY_PORT_FAILED UDP port 9997', 'UNDERLAY_PORT_FAILED UDP port 9999']);
    expect(world.reconciler.findings[1]?.message).toBe(
      'UDP port 9999 is taken by another program: what 10.99.0.3 sends to it does not reach weftd',
    );
    expect(native.engine.underlay?.ports).toEqual([4789, 8472, 9998]);
    expect(native.engine.peers.size).toBe(4);

    native.engine.taken.clear();
    native.locks.delete('vtep-9997');
    await world.reconciler.settle();
    expect([findings(), native.engine.underlay?.ports]).toEqual([[], [4789, 8472, 9997, 9998, 9999]]);
  });
});

describe('the underlay', () => {
  it('starts without its address and takes it when it comes', async () => {
    world = build('underlay: { addresses: [10.99.0.7] }');
    world.reconciler.openUnderlay();
    await world.reconciler.settle();
    expect([findings(), native.engine.underlay?.ipv4]).toEqual([['UNDERLAY_DEGRADED underlay'], null]);
    native.own.links.push(native.makeLink('eth1', ['10.99.0.7/24']));
    await world.reconciler.settle();
    expect([findings(), native.engine.underlay?.ipv4]).toEqual([[], '10.99.0.7']);
  });

  it('is opened at the start when networks and peers are programmed, for datagrams come at once', () => {
    world = build('networks: { blue: {} }\npeers: [10.99.0.2, 10.99.0.3]');
    const opened: string[] = [];
    const setUnderlay = native.engine.setUnderlay.bind(native.engine);
    native.engine.setUnderlay = (options) => {
      opened.push(`${native.engine.networks.size} networks, ${native.engine.peers.size} peers`);
      setUnderlay(options);
    };
    world.reconciler.openUnderlay();
    expect(opened).toEqual(['1 networks, 2 peers']);
  });

  it('starts also when a peer cannot be programmed', () => {
    world = build('peers: [10.99.0.2]');
    native.engine.addPeer = () => {
      throw refuse('ENOSPC', 'addPeer');
    };
    world.reconciler.openUnderlay();
    expect(native.engine.underlay?.ports).toEqual([4789]);
  });

  it('opens without an address that cannot be bound yet, and takes it when it can', async () => {
    native.own.links.push(native.makeLink('eth1', ['fd00::7/64']));
    world = build('underlay: { addresses: [10.99.0.1, "fd00::7"] }');
    native.engine.tentative.add('fd00::7');
    world.reconciler.openUnderlay();
    await world.reconciler.settle();
    expect(findings()).toEqual(['UNDERLAY_DEGRADED address fd00::7']);
    expect(native.engine.underlay).toMatchObject({ ipv4: '10.99.0.1', ipv6: null });
    native.engine.tentative.add('10.99.0.1');
    await world.reconciler.settle();
    native.engine.tentative.clear();
    await world.reconciler.settle();
    expect(findings()).toEqual([]);
    expect(native.engine.underlay).toMatchObject({ ipv4: '10.99.0.1', ipv6: 'fd00::7' });
  });

  it.each([
    ['EADDRINUSE', 'WEFT_VTEP_PORT_TAKEN'],
    ['EACCES', 'WEFT_PERMISSION'],
  ])('cannot start on %s', (errno, code) => {
    world = build(blue);
    native.engine.setUnderlay = () => {
      throw refuse(errno, 'bind');
    };
    expect(() => world.reconciler.openUnderlay()).toThrow(expect.objectContaining({ code }));
  });

  it('starts degraded on what may pass', async () => {
    world = build(blue);
    native.engine.setUnderlay = () => {
      throw refuse('ENETDOWN', 'bind');
    };
    world.reconciler.openUnderlay();
    await world.reconciler.settle();
    expect(findings()).toEqual(['UNDERLAY_FAILED underlay']);
  });

  it('reports a declared MTU that does not fit', async () => {
    world = build('networks: { blue: { mtu: 1500 } }\npeers: [10.99.0.2]');
    await world.reconciler.settle();
    expect(findings()).toEqual(['MTU_DOES_NOT_FIT network blue']);
  });

  it.each([
    ['declared', '{ vni: 42, mtu: 1400 }', 1350, 'its MTU is 1400 here and 1350 at peer 10.99.0.2'],
    ['that IPv6 needs', '{ vni: 42 }', 1000, 'its MTU is 1280 here and 1000 at peer 10.99.0.2'],
  ])('tells of a host that drops packets of the MTU %s', async (_which, network, mtu, message) => {
    world = build(`networks: { blue: ${network} }\npeers: [10.99.0.2]`);
    leastMtu = { peer: world.catalog.peers()[0]?.id ?? '', mtu };
    await world.reconciler.settle();
    expect(findings()).toEqual(['NETWORK_MTU_DIFFERS network blue']);
    expect(world.reconciler.findings[0]?.message).toContain(message);
    leastMtu = { peer: leastMtu.peer, mtu: 1400 };
    await world.reconciler.settle();
    expect(findings()).toEqual([]);
  });

  it('never takes IPv6 from guests because a path is narrow, and tells of it', async () => {
    world = build('networks: { blue: {} }\npeers: [10.99.0.2]');
    native.pathMtus.set('10.99.0.2', 1300);
    await world.reconciler.settle();
    await world.ports.add({ network: 'blue', netns: 'one', addresses: ['fd42::1/64'] }, null, owner);
    expect(native.links('/run/netns/one').map(({ mtu }) => mtu)).toEqual([1280]);
    expect(findings()).toEqual(['MTU_NO_IPV6 network blue']);
  });
});

describe('a port whose network cannot be programmed', () => {
  it('leaks no file descriptor and no link', async () => {
    world = build('{}');
    await world.reconciler.settle();
    native.engine.addNetwork = () => {
      throw refuse('EIO', 'addNetwork');
    };
    await world.store.put('network', 'red', redNetwork);
    await expect(world.ports.add({ network: 'red', netns: 'one' }, null, owner)).rejects.toThrow();
    expect([native.openFds.size, native.links('/run/netns/one')]).toEqual([0, []]);
  });
});

describe('the janitor', () => {
  it('removes our links that no port stands for, and nothing else', async () => {
    const { hostId } = world.store;
    const mine = { ...native.makeLink('a'), alias: `weft:${hostId}:p-0` };
    const others = { ...native.makeLink('b'), alias: 'weft:another-host:p-0' };
    native.own.links.push(mine, others, native.makeLink('c'));
    await world.reconciler.settle();
    expect(native.links(null).map(({ ifname }) => ifname)).toEqual(['lo', 'eth0', 'b', 'c']);
  });
});

describe('what cannot be carried out', () => {
  const all = () => (['network', 'port', 'peer', 'entry'] as const).flatMap((kind) => world.store.list(kind));
  const requests = {
    network: () => world.networks.create({ name: 'red' }, owner),
    port: () => world.ports.add({ network: 'blue', netns: 'one' }, null, owner),
    peer: () => world.peers.add({ address: '10.99.0.2' }, owner),
    entry: () => world.entries.add({ network: 'blue', mac: '02:00:00:00:00:09', peer: '10.99.0.3' }, owner),
  };

  beforeEach(async () => {
    world = build(`${blue}\npeers: [10.99.0.3]`);
    await world.reconciler.settle();
  });

  it.each([
    ['network', 'addNetwork'],
    ['port', 'addPort'],
    ['peer', 'addPeer'],
    ['entry', 'fdbAdd'],
  ] as const)('is an error for a %s, and nothing of it is left', async (kind, call) => {
    native.engine[call] = () => {
      throw refuse('ENOSPC', call);
    };
    await expect(requests[kind]()).rejects.toMatchObject({ code: 'WEFT_KERNEL' });
    expect([all(), findings(), native.links('/run/netns/one')]).toEqual([[], [], []]);
  });

  it.each(['network', 'port', 'peer', 'entry'] as const)(
    'because the round threw leaves nothing of a %s',
    async (kind) => {
      const { counters } = native.engine;
      native.engine.counters = () => {
        throw new Error('no counters');
      };
      await expect(requests[kind]()).rejects.toThrow('no counters');
      expect(findings()).toEqual(['ROUND_FAILED reconciler']);
      native.engine.counters = counters;
      await world.reconciler.settle();
      expect([all(), findings(), native.links('/run/netns/one')]).toEqual([[], [], []]);
    },
  );

  it.each(['network', 'port', 'peer', 'entry'] as const)(
    'because weftd stops leaves nothing of a %s',
    async (kind) => {
      await world.reconciler.stop();
      await expect(requests[kind]()).rejects.toMatchObject({ code: 'WEFT_STOPPING' });
      expect(all()).toEqual([]);
    },
  );

  it('because weftd stops keeps what was to be removed', async () => {
    const port = await requests.port();
    await world.reconciler.stop();
    await expect(world.ports.remove(port.id, owner)).rejects.toMatchObject({ code: 'WEFT_STOPPING' });
    expect(world.catalog.ports()).toEqual([port]);
  });
});

describe('what was declared and cannot be carried out', () => {
  it.each([
    ['network', 'addNetwork', 'NETWORK_FAILED network blue'],
    ['peer', 'addPeer', 'PEER_FAILED peer 10.99.0.3'],
  ] as const)('is a finding for a %s, by the name that it has for people', async (_, call, told) => {
    world = build(`${blue}\npeers: [10.99.0.3]`);
    const refused = vi.spyOn(native.engine, call).mockImplementation(() => {
      throw refuse('ENOSPC', call);
    });
    await world.reconciler.settle();
    expect(findings()).toEqual([told]);
    refused.mockRestore();
    await world.reconciler.settle();
    expect(findings()).toEqual([]);
  });

  it('is a finding for a link that cannot be removed', async () => {
    native.own.links.push({ ...native.makeLink('a'), alias: `weft:${world.store.hostId}:p-0` });
    native.failures.set('linkDelete', refuse('EBUSY', 'RTM_DELLINK'));
    await world.reconciler.settle();
    expect(findings()).toEqual(['LINK_STRAY link a']);
    native.failures.clear();
    await world.reconciler.settle();
    expect(findings()).toEqual([]);
  });
});

describe('a kernel that is short of something', () => {
  it('is a finding, and nothing is taken away', async () => {
    native.makeNamespace('/proc/7/ns/net');
    startTimes.set(7, '70');
    await world.ports.add({ network: 'blue', netns: '7' }, null, owner);
    await world.ports.add({ network: 'blue', netns: 'one' }, null, owner);
    native.engine.calls.length = 0;
    native.failures.set('netnsInfo', refuse('EMFILE', 'open'));
    native.failures.set('links', refuse('ENOBUFS', 'RTM_GETLINK'));
    await world.reconciler.settle();
    expect(findings().map((one) => one.split(' ')[0])).toEqual([
      'HOST_UNREADABLE',
      'NETNS_UNREADABLE',
      'NETNS_UNREADABLE',
    ]);
    expect([world.catalog.ports().length, native.openFds.size, native.engine.calls]).toEqual([2, 2, []]);
    native.failures.clear();
    await world.reconciler.settle();
    expect(findings()).toEqual([]);
  });

  it('and a disk that is full are a finding', async () => {
    const port = await world.ports.add({ network: 'blue', netns: 'one' }, null, owner);
    const { transaction } = world.store;
    native.makeNamespace('/run/netns/one');
    world.store.transaction = () => Promise.reject(new Error('MDB_MAP_FULL'));
    await world.reconciler.settle();
    expect(findings()).toEqual(['STATE_FAILED state']);
    world.store.transaction = transaction;
    await world.reconciler.settle();
    expect([findings(), world.store.get('port', port.id)?.netns?.cookie]).toEqual([
      [],
      native.namespaces.get('/run/netns/one')?.cookie,
    ]);
  });
});

describe('a host without a default route', () => {
  it('is not degraded while a peer of the API is in reach', async () => {
    native.defaultRoute = false;
    await world.reconciler.settle();
    expect(findings()).toEqual([]);
    await world.peers.add({ address: 'nowhere.example' }, owner);
    expect(findings()).toContain('UNDERLAY_DEGRADED underlay');
    await world.peers.remove('nowhere.example', owner);
    names.set('host3.example', ['10.99.0.3']);
    await world.peers.add({ address: 'host3.example' }, owner);
    await expect.poll(findings, patient).toEqual([]);
    expect(world.reconciler.view.picture.underlay.addresses).toEqual(['10.99.0.1']);
  });
});

describe('rounds', () => {
  it('that throw do not keep the reconciler from stopping', async () => {
    native.engine.counters = () => {
      throw new Error('no counters');
    };
    const round = world.reconciler.settle();
    const stopped = world.reconciler.stop();
    await expect(round).rejects.toThrow('no counters');
    await expect(stopped).resolves.toBeUndefined();
  });

  it('that throw while they run do not keep the reconciler from stopping either', async () => {
    let stopped: Promise<void> | null = null;
    native.engine.counters = () => {
      stopped ??= world.reconciler.stop();
      throw new Error('no counters');
    };
    await expect(world.reconciler.settle()).rejects.toThrow('no counters');
    await expect(stopped).resolves.toBeUndefined();
  });

  it('are never two at once, and settle waits for one that began after it', async () => {
    const before = world.reconciler.settle();
    await world.store.put('network', 'red', {
      ...world.catalog.network('blue'),
      name: 'red',
      vni: 43,
      owner,
    });
    await Promise.all([before, world.reconciler.settle(), world.reconciler.settle()]);
    expect(world.datapath.state().networks.has('red')).toBe(true);
  });
});

async function typesOf(queue: EventQueue): Promise<string[]> {
  return (await queue.take(1000)).map(({ type }) => type);
}

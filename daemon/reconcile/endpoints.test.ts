/** Endpoints of Docker in a fake world: their links move, and Docker dies at every moment. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseConfig } from '../config/load.js';
import { FakeNative } from '../datapath/fake_native.js';
import type { Link } from '../datapath/kernel.js';
import { EndpointIntent } from '../intent/endpoints.js';
import { type EngineNetworkCreate, EngineNetworkIntent } from '../intent/engine_networks.js';
import { NetworkIntent } from '../intent/networks.js';
import { ReloadIntent } from '../intent/reload.js';
import { linkAlias } from '../model/identity.js';
import { leaseKey, type PoolRecord } from '../model/objects.js';
import { MemoryStore } from '../state/memory_store.js';
import { buildWorld } from './testing/world.js';

const endpointId = 'e1'.repeat(32);
const sandbox = '/var/run/docker/netns/abc';
const subnet = '10.32.0.0/16';
const pool: PoolRecord = {
  id: 'pool-1',
  scope: subnet,
  subnet,
  range: null,
  references: 1,
  bound: false,
  requestedAt: Date.now(),
};
const engineNetwork: EngineNetworkCreate = {
  id: 'd1'.repeat(32),
  network: null,
  vni: null,
  mtu: null,
  internal: false,
  foreignIpam: false,
  pools: [{ subnet, gateway: '10.32.0.1', auxiliary: [], ours: true }],
};
const request = {
  id: endpointId,
  engineNetwork: engineNetwork.id,
  addresses: ['10.32.0.2/16'],
  mac: null,
};

let native: FakeNative;
let bootId: string;
let clock: number;
let world: ReturnType<typeof build>;

const declared = 'networks: { blue: { vni: 42, mtu: 1400 } }';

function build(store = new MemoryStore(), config = declared) {
  const { parts, ...base } = buildWorld({
    native,
    config,
    store,
    proc: { bootId: () => bootId, startTime: () => null, netnsInode: () => null, inhabits: () => false },
    now: () => new Date(clock),
    label: ({ owner }) => `container ${owner.ref.slice(0, 4)}`,
  });
  return {
    ...base,
    networks: new EngineNetworkIntent(parts, () => clock),
    ours: new NetworkIntent(parts),
    reload: (text: string) =>
      new ReloadIntent(
        parts,
        () => parseConfig(text, 'f.yaml'),
        () => undefined,
      ).reload(),
    endpoints: new EndpointIntent(
      parts,
      () => bootId,
      () => clock,
    ),
  };
}

/** As a weftd that is started again, which looks at all links anew. */
async function restart(config = declared): Promise<void> {
  await world.reconciler.stop();
  world.datapath.stop();
  world = build(world.store, config);
  await world.reconciler.settle();
}

/** A round that reads all links anew. */
async function lookAgain(): Promise<void> {
  const later = vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 60_000);
  await world.reconciler.settle();
  later.mockRestore();
}

async function createNetwork(changes: Partial<EngineNetworkCreate> = {}) {
  await world.store.put('pool', pool.id, { ...pool, requestedAt: clock });
  return await world.networks.create({ ...engineNetwork, ...changes });
}

async function lease(address: string, port: string | null = null): Promise<void> {
  const record = {
    scope: subnet,
    address,
    kind: 'endpoint',
    name: null,
    port,
    state: 'active',
    since: clock,
  } as const;
  await world.store.put('lease', leaseKey(record), record);
}

const leaseOf = (address: string) => world.store.get('lease', leaseKey({ scope: subnet, address }));
const ports = () => world.catalog.ports().map(({ owner }) => owner.ref);
const linksAt = (path: string | null) => native.links(path).filter(({ alias }) => alias?.startsWith('weft:'));

async function running() {
  await createNetwork();
  await lease('10.32.0.2');
  const port = await world.endpoints.create(request);
  const { ifname } = await world.endpoints.join(endpointId, sandbox);
  const place = native.makeNamespace('/run/docker/netns/abc');
  const alias = linkAlias(world.store.hostId, port.id);
  native.moveLink(alias, place, 'eth0');
  await world.reconciler.settle();
  return { port, ifname, place, alias };
}

beforeEach(() => {
  native = new FakeNative();
  bootId = 'boot-1';
  clock = Date.now();
  world = build();
});

afterEach(async () => {
  await world.reconciler.stop();
});

describe('an endpoint', () => {
  it('has a link at home that is down, carries no address, and guards its sources', async () => {
    await createNetwork();
    await lease('10.32.0.2');
    const create = vi.spyOn(native, 'tapCreate');
    const port = await world.endpoints.create(request);
    await world.reconciler.settle();
    expect(
      create.mock.calls.map(([{ netns, ifname, up, addresses }]) => ({ netns, ifname, up, addresses })),
    ).toEqual([{ netns: null, ifname: 'wefte1e1e1e1e1e', up: false, addresses: [] }]);
    expect([...native.engine.ports.values()].map(({ guard }) => guard)).toEqual([
      { mac: port.mac, addresses: ['10.32.0.2'] },
    ]);
    expect(leaseOf('10.32.0.2')).toMatchObject({ port: port.id, state: 'active' });
    expect(world.reconciler.findings).toEqual([]);
  });

  it('is the same when its request comes again', async () => {
    await createNetwork();
    const first = await world.endpoints.create(request);
    expect(await world.endpoints.create(request)).toEqual(first);
    await world.reconciler.settle();
    expect(linksAt(null)).toHaveLength(1);
  });

  it('stays in the datapath while Docker moves its link, and is announced when it is up', async () => {
    const announce = vi.spyOn(world.datapath, 'announce');
    const { port } = await running();
    const created = native.engine;
    expect(created.ports.size).toBe(1);
    expect(announce).toHaveBeenCalledWith(port.id);
    expect(world.store.get('port', port.id)?.endpoint?.sandbox).toEqual({
      path: sandbox,
      cookie: expect.any(String),
    });
    expect(world.reconciler.findings).toEqual([]);
    await world.reconciler.settle();
    // Docker's move lost the queueing discipline.
    expect(linksAt('/run/docker/netns/abc').map(({ qdisc }) => qdisc)).toEqual(['noqueue']);
  });

  it('may be renamed or moved by Docker in the middle of a round, which is no fault', async () => {
    const { alias, ifname, place, port } = await running();
    // What the round saw is no more when it acts.
    const act = vi.spyOn(native, 'linkSet');
    const meanwhile = (move: () => void) =>
      act.mockImplementationOnce((...words) => {
        move();
        FakeNative.prototype.linkSet.apply(native, words);
      });
    native.moveLink(alias, place, 'weft0');
    meanwhile(() => native.moveLink(alias, place, 'eth0'));
    await lookAgain();
    expect(act).toHaveBeenLastCalledWith('/run/docker/netns/abc', 'weft0', { noqueue: true });
    expect(world.reconciler.findings).toEqual([]);
    meanwhile(() => native.moveLink(alias, native.own, ifname, false));
    await lookAgain();
    expect(act).toHaveBeenLastCalledWith('/run/docker/netns/abc', 'eth0', { noqueue: true });
    expect(world.reconciler.findings).toEqual([]);
    expect(world.datapath.portPlace(port.id)).toBeDefined();
  });

  it('may be moved while a weftd that was killed takes it up again', async () => {
    const { alias, ifname, port } = await running();
    await world.reconciler.stop();
    world.datapath.stop();
    world = build(world.store);
    vi.spyOn(native, 'tapReattach').mockImplementationOnce((...words) => {
      native.moveLink(alias, native.own, ifname, false);
      return FakeNative.prototype.tapReattach.apply(native, words);
    });
    await world.reconciler.settle();
    expect(world.reconciler.findings).toEqual([]);
    await lookAgain();
    expect(world.datapath.portPlace(port.id)).toBeDefined();
  });

  it('has what the kernel refuses told, as long as its link is where it was', async () => {
    const { alias, place, port } = await running();
    native.moveLink(alias, place, 'eth0');
    native.failures.set('linkSet', Object.assign(new Error('x'), { code: 'ENODEV', syscall: 'RTM_SETLINK' }));
    await lookAgain();
    expect(world.reconciler.findings).toMatchObject([{ code: 'PORT_FAILED', object: `port ${port.id}` }]);
  });

  it('is taken up again in its sandbox by a weftd that was killed', async () => {
    const { port } = await running();
    await restart();
    expect(world.datapath.portPlace(port.id)).toMatchObject({ netns: '/run/docker/netns/abc', pins: true });
    expect(linksAt('/run/docker/netns/abc')).toHaveLength(1);
    expect(linksAt(null)).toHaveLength(0);
  });

  it('goes after Leave and DeleteEndpoint, and leaves its lease to ReleaseAddress', async () => {
    const { port, alias, ifname } = await running();
    await world.endpoints.leave(endpointId);
    expect(linksAt('/run/docker/netns/abc')).toHaveLength(1);
    native.moveLink(alias, native.own, ifname, false);
    await world.endpoints.remove(endpointId);
    await world.reconciler.settle();
    expect(linksAt(null)).toHaveLength(0);
    expect(leaseOf('10.32.0.2')).toMatchObject({ port: null, state: 'active' });
    expect(world.store.get('port', port.id)).toBeUndefined();
    await world.endpoints.leave(endpointId);
    await world.endpoints.remove(endpointId);
  });

  it.each([
    [
      'its container died without a word',
      (place: { links: unknown[] }) => {
        place.links.length = 0;
        native.namespaces.delete('/run/docker/netns/abc');
      },
    ],
    [
      'the host was powered off',
      () => {
        bootId = 'boot-2';
      },
    ],
  ])('is found stale when %s', async (_, happen) => {
    const { place } = await running();
    happen(place);
    await restart();
    expect(ports()).toEqual([]);
    expect(leaseOf('10.32.0.2')).toMatchObject({ port: null, state: 'released' });
    expect(native.engine.ports.size).toBe(0);
  });

  it('is given up when Docker leaves it at home', async () => {
    await createNetwork();
    await world.endpoints.create(request);
    clock += 100_000;
    await world.reconciler.settle();
    expect(ports()).toEqual([endpointId]);
    clock += 60_000;
    await world.reconciler.settle();
    await world.reconciler.settle();
    expect(ports()).toEqual([]);
    expect(linksAt(null)).toEqual([]);
  });

  it('gives way to another one that Docker gave its address to', async () => {
    const { port } = await running();
    native.namespaces.delete('/run/docker/netns/abc');
    await lease('10.32.0.2');
    const next = await world.endpoints.create({ ...request, id: 'e2'.repeat(32) });
    expect(ports()).toEqual([next.owner.ref]);
    expect(next.id).not.toBe(port.id);
  });

  it('does not give way while its container lives, whatever IPAM was told', async () => {
    await running();
    await lease('10.32.0.2');
    const thief = { ...request, id: 'e2'.repeat(32) };
    await expect(world.endpoints.create(thief)).rejects.toMatchObject({ code: 'WEFT_ADDRESS_IN_USE' });
    expect(ports()).toEqual([endpointId]);
  });

  it('tells of a share that was taken away', async () => {
    await createNetwork();
    await restart('peers: [10.99.0.9]\nnetworks: { blue: { vni: 42, mtu: 1400 } }');
    expect(world.reconciler.findings.map(({ code }) => code)).toContain('IPAM_NO_SHARE');
    await restart('peers: [10.99.0.9]\nipam: { share: { of: 2, index: 0 } }');
    expect(world.reconciler.findings.map(({ code }) => code)).not.toContain('IPAM_NO_SHARE');
  });

  it('gives way to another one with its MAC, when Docker has released its address', async () => {
    const { port } = await running();
    native.namespaces.delete('/run/docker/netns/abc');
    await world.store.put('lease', leaseKey({ scope: subnet, address: '10.32.0.2' }), {
      scope: subnet,
      address: '10.32.0.2',
      kind: 'endpoint',
      name: null,
      port: port.id,
      state: 'released',
      since: clock,
    });
    await lease('10.32.0.3');
    const next = { ...request, id: 'e2'.repeat(32), addresses: ['10.32.0.3/16'], mac: port.mac };
    await world.endpoints.create(next);
    expect(ports()).toEqual([next.id]);
  });

  it('is refused with an address or a MAC that is in use, and nothing is left of it', async () => {
    const { port } = await running();
    const other = { ...request, id: 'e2'.repeat(32) };
    await expect(world.endpoints.create(other)).rejects.toMatchObject({ code: 'WEFT_ADDRESS_IN_USE' });
    await expect(
      world.endpoints.create({ ...other, addresses: ['10.32.0.3/16'], mac: port.mac }),
    ).rejects.toMatchObject({ code: 'WEFT_MAC_IN_USE' });
    await expect(world.endpoints.create({ ...other, addresses: ['10.32.0.1/16'] })).rejects.toMatchObject({
      code: 'WEFT_IPAM_ADDRESS_TAKEN',
    });
    await expect(world.endpoints.create({ ...other, addresses: ['10.9.0.3/16'] })).rejects.toMatchObject({
      code: 'WEFT_IPAM_ADDRESS_OUTSIDE',
    });
    expect(ports()).toEqual([endpointId]);
  });

  it('whose link the kernel refuses does not join, and goes when Docker rolls back', async () => {
    await createNetwork();
    await lease('10.32.0.2');
    const create = vi.spyOn(native, 'tapCreate').mockImplementation(() => {
      throw new Error('no');
    });
    await world.endpoints.create(request);
    await expect(world.endpoints.join(endpointId, sandbox)).rejects.toThrow();
    create.mockRestore();
    await world.endpoints.remove(endpointId);
    expect(leaseOf('10.32.0.2')).toMatchObject({ port: null, state: 'active' });
    expect(ports()).toEqual([]);
  });

  it('of another IPAM driver gives way on its own network only', async () => {
    const foreign = {
      ...engineNetwork,
      network: 'blue',
      foreignIpam: true,
      pools: [{ subnet, gateway: null, auxiliary: [], ours: false }],
    };
    await world.networks.create(foreign);
    await world.networks.create({ ...foreign, id: 'd2'.repeat(32) });
    await world.endpoints.create(request);
    await expect(
      world.endpoints.create({ ...request, id: 'e2'.repeat(32), engineNetwork: 'd2'.repeat(32) }),
    ).rejects.toMatchObject({ code: 'WEFT_ADDRESS_IN_USE' });
    await world.endpoints.create({ ...request, id: 'e3'.repeat(32) });
    expect(ports()).toEqual(['e3'.repeat(32)]);
  });

  it('is told of when its address is claimed elsewhere, by the name of its container', async () => {
    const { port } = await running();
    const [handle] = native.engine.ports.keys();
    const [network] = [...native.engine.networks].find(([, { vni }]) => vni !== 42) ?? [];
    if (handle === undefined || network === undefined) throw new Error('nothing is in the engine');
    const conflict = { network, port: handle, address: '10.32.0.2', mac: '02:00:00:00:00:77' };
    native.engine.raise({ type: 'address-conflict', ...conflict, where: { port: handle } });
    await vi.waitFor(() =>
      expect(world.reconciler.findings.map(({ code }) => code)).toEqual(['ADDRESS_CONFLICT']),
    );
    expect(world.reconciler.findings[0]?.message).toContain(`container ${port.owner.ref.slice(0, 4)}`);
    expect(world.reconciler.findings[0]?.message).toContain('02:00:00:00:00:77');
    clock += 3 * 60_000;
    await world.reconciler.settle();
    expect(world.reconciler.findings).toEqual([]);
  });

  it('of an unknown network or of none is told apart', async () => {
    await expect(world.endpoints.create(request)).rejects.toMatchObject({
      code: 'WEFT_ENGINE_NETWORK_NOT_FOUND',
    });
    await expect(world.endpoints.join(endpointId, sandbox)).rejects.toMatchObject({
      code: 'WEFT_ENDPOINT_NOT_FOUND',
    });
  });
});

describe('an endpoint whose container writes into the alias of its link', () => {
  const there = '/run/docker/netns/abc';
  const inside = (ifname = 'eth0') => {
    const link = native.namespaces.get(there)?.links.find((one) => one.ifname === ifname);
    if (link === undefined) throw new Error(`no ${ifname}`);
    return link;
  };
  /** A TAP of the container's own. */
  const intruder = (changes: Partial<Link>): Link => {
    const link = { ...native.makeLink('tap9'), kind: 'tun', ...changes };
    native.namespaces.get(there)?.links.push(link);
    return link;
  };

  it.each([null, 'x', 'weft:another-host:p-1'])('(%s) stays, and gets it back', async (written) => {
    const { port, alias } = await running();
    inside().alias = written;
    await lookAgain();
    expect(inside().alias).toBe(alias);
    expect(world.reconciler.view.actual.places.get(port.id)).toMatchObject({ state: 'present', path: there });
    expect(world.datapath.portPlace(port.id)).toMatchObject({ pins: false });
    expect(world.reconciler.findings).toEqual([]);
  });

  it.each([null, 'x'])('(%s) is taken up by a weftd that was killed meanwhile', async (written) => {
    const { port, alias } = await running();
    inside().alias = written;
    await restart();
    expect(inside().alias).toBe(alias);
    expect(world.datapath.portPlace(port.id)).toMatchObject({ netns: there, pins: true });
    expect(world.reconciler.findings).toEqual([]);
    expect(linksAt(null)).toEqual([]);
  });

  it('of ours that no port has keeps its link', async () => {
    const { port, alias } = await running();
    inside().alias = `weft:${world.store.hostId}:p-0`;
    await restart();
    expect(inside().alias).toBe(alias);
    expect(world.datapath.portPlace(port.id)).toMatchObject({ netns: there });
  });

  it('is found by its index when it has another MAC too', async () => {
    const { port, alias } = await running();
    Object.assign(inside(), { alias: null, mac: '02:66:66:66:66:66' });
    intruder({ mac: port.mac });
    await lookAgain();
    expect(inside().alias).toBe(alias);
    expect(inside('tap9').alias).toBeNull();
  });

  it('is of a container that is to be started again when it has another MAC', async () => {
    await running();
    Object.assign(inside(), { mac: '02:66:66:66:66:66' });
    await lookAgain();
    expect(world.reconciler.findings).toMatchObject([
      { code: 'PORT_MAC_REFUSED', remedy: expect.stringContaining('start the container again') },
    ]);
  });

  it('is not guessed among several TAPs with its MAC, nor any other link', async () => {
    const { port } = await running();
    inside().alias = null;
    intruder({ mac: port.mac });
    await restart();
    expect(world.datapath.portPlace(port.id)).toBeUndefined();
    expect(world.reconciler.findings).toMatchObject([
      { code: 'PORT_LINK_LOST', message: expect.stringContaining('neither its alias nor its MAC') },
    ]);
    expect(native.links(there).map((link) => link.alias)).toEqual([null, null]);
    Object.assign(inside('tap9'), { kind: 'dummy' });
    await lookAgain();
    expect(world.datapath.portPlace(port.id)).toMatchObject({ netns: there });
    expect(inside('tap9').alias).toBeNull();
  });

  it('is not followed to a link that is no TAP', async () => {
    const { port, alias } = await running();
    native.namespaces.get(there)?.links.unshift({ ...native.makeLink('dummy0'), alias, mac: port.mac });
    inside().alias = null;
    await restart();
    expect(inside().alias).toBe(alias);
    expect(world.datapath.portPlace(port.id)).toMatchObject({ netns: there });
    await lookAgain();
    expect(inside('dummy0')).toMatchObject({ mtu: 1500, qdisc: null });
  });

  it('is known at home too, by its name, and goes with the endpoint', async () => {
    const { alias, ifname } = await running();
    await world.endpoints.leave(endpointId);
    native.moveLink(alias, native.own, ifname, false).alias = null;
    await restart();
    await world.endpoints.remove(endpointId);
    await world.reconciler.settle();
    expect(native.links(null).map((link) => link.ifname)).toEqual(['lo', 'eth0']);
  });
});

describe('a network of Docker', () => {
  it('is told of when what it is on is declared no more, and has no new endpoints', async () => {
    await world.store.put('pool', 'p', { ...pool, id: 'p', scope: 'blue', requestedAt: clock });
    await world.networks.create({ ...engineNetwork, network: 'blue' });
    await restart('networks: {}');
    expect(world.reconciler.findings.map(({ code }) => code)).toEqual(['ENGINE_NETWORK_LOST']);
    await expect(world.endpoints.create(request)).rejects.toMatchObject({ code: 'WEFT_ENGINE_NETWORK_LOST' });
  });

  it('is named after its subnet, with the VNI of that name, and goes with it', async () => {
    await createNetwork();
    expect(world.catalog.network(subnet)).toMatchObject({ vni: expect.any(Number), subnets: [subnet] });
    expect(leaseOf('10.32.0.1')).toMatchObject({ kind: 'gateway' });
    expect(world.store.get('pool', pool.id)?.bound).toBe(true);
    await world.networks.remove(engineNetwork.id);
    await world.networks.remove(engineNetwork.id);
    expect(world.catalog.networks().map(({ name }) => name)).toEqual(['blue']);
  });

  it('joins a declared network when both sides name it', async () => {
    await world.store.put('pool', 'p', { ...pool, id: 'p', scope: 'blue', requestedAt: clock });
    const record = await world.networks.create({ ...engineNetwork, network: 'blue' });
    expect(record.network).toBe('blue');
    await world.networks.remove(engineNetwork.id);
    expect(world.catalog.networks().map(({ name }) => name)).toEqual(['blue']);
  });

  it('keeps a network of the API from being removed, unless that is forced', async () => {
    const api = { kind: 'api', ref: 'root' } as const;
    await world.ours.create({ name: 'red' }, api);
    await world.store.put('pool', 'p', { ...pool, id: 'p', scope: 'red', requestedAt: clock });
    await world.networks.create({ ...engineNetwork, network: 'red' });
    await expect(world.ours.remove('red', api, false)).rejects.toMatchObject({
      code: 'WEFT_NETWORK_OF_ENGINE',
      remedy: expect.stringContaining('docker network rm'),
    });
    await world.ours.remove('red', api, true);
    expect(world.catalog.networks().map(({ name }) => name)).toEqual(['blue']);
  });

  it('leaves its network to those who still use it, and to them to remove', async () => {
    const api = { kind: 'api', ref: 'root' } as const;
    const { network } = await createNetwork();
    const { endpoint: _, ...rest } = await world.endpoints.create(request);
    await world.store.put('port', 'own', { ...rest, id: 'own', mac: '02:00:00:00:00:01', owner: api });
    await expect(world.ours.remove(network, api, true)).rejects.toMatchObject({ code: 'WEFT_NOT_OWNER' });
    await world.networks.remove(engineNetwork.id);
    expect(world.catalog.networks().map(({ name }) => name)).toContain(network);
    await world.store.delete('port', 'own');
    await world.ours.remove(network, api, false);
    expect(world.catalog.networks().map(({ name }) => name)).toEqual(['blue']);
  });

  it('is named as the origin when the file comes to have its VNI', async () => {
    await world.store.put('pool', pool.id, { ...pool, requestedAt: clock });
    await world.networks.create({ ...engineNetwork, vni: 4711 });
    await expect(world.reload('networks: { blue: { vni: 42 }, red: { vni: 4711 } }')).rejects.toMatchObject({
      code: 'WEFT_CONFIG',
      message: expect.stringContaining('made by Docker'),
    });
  });

  it.each<[string, Partial<EngineNetworkCreate>, Partial<PoolRecord>, string, string]>([
    [
      'IPAM is not told the network',
      { network: 'blue' },
      {},
      'WEFT_DOCKER_OPTION',
      '--ipam-opt weft.network=blue',
    ],
    ['only IPAM is told the network', {}, { scope: 'blue' }, 'WEFT_DOCKER_OPTION', '-o weft.network=blue'],
    ["the VNI is another network's", { vni: 42 }, {}, 'WEFT_VNI_IN_USE', '-o weft.vni'],
    [
      'a declared network has another VNI',
      { network: 'blue', vni: 43 },
      { scope: 'blue' },
      'WEFT_DOCKER_OPTION',
      'weft.vni',
    ],
    [
      'a declared network has another MTU',
      { network: 'blue', mtu: 1300 },
      { scope: 'blue' },
      'WEFT_DOCKER_OPTION',
      'com.docker.network.driver.mtu',
    ],
    [
      'the subnet comes from another IPAM driver',
      { pools: [{ subnet, gateway: null, auxiliary: [], ours: false }] },
      {},
      'WEFT_FOREIGN_POOL',
      '--ipam-driver weft',
    ],
  ])('is refused when %s', async (_, changes, poolChanges, code, remedy) => {
    await world.store.put('pool', pool.id, { ...pool, requestedAt: clock, ...poolChanges });
    const error = await world.networks.create({ ...engineNetwork, ...changes }).then(
      () => null,
      (refused: unknown) => refused,
    );
    expect(error).toMatchObject({ code, remedy: expect.stringContaining(remedy) });
    expect(world.store.list('engine-network')).toEqual([]);
    expect(world.catalog.networks().map(({ name }) => name)).toEqual(['blue']);
  });
});

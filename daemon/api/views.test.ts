/** What the API shows of Docker, as one endpoint goes into its container. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeNative } from '../datapath/fake_native.js';
import { type ContainerFacts, noNames } from '../docker/names.js';
import type { PluginState } from '../docker/plugin_state.js';
import { EndpointIntent } from '../intent/endpoints.js';
import { EngineNetworkIntent } from '../intent/engine_networks.js';
import { PeerIntent } from '../intent/peers.js';
import { noChecks, noMesh } from '../mesh/no_checks.js';
import { linkAlias } from '../model/identity.js';
import { leaseKey, type PortRecord } from '../model/objects.js';
import type { Reconciler } from '../reconcile/reconciler.js';
import { buildWorld } from '../reconcile/testing/world.js';
import { ContainerSchema, NetworkSchema, type Pool, PoolSchema, PortSchema, StatusSchema } from './schema.js';
import { Views } from './views.js';

const endpoint = 'e1'.repeat(32);
const engineNetwork = 'd1'.repeat(32);
const subnet = '10.32.0.0/16';
const facts: ContainerFacts = {
  id: 'c0'.repeat(32),
  name: 'web',
  image: 'nginx:1',
  labels: { tier: 'front' },
  aliases: ['www'],
};

let native: FakeNative;
let reconciler: Reconciler;
let views: Views;
let peers: PeerIntent;
let port: PortRecord;
/** What Docker has told so far. */
let known: Map<string, ContainerFacts>;
let plugin: PluginState;
let pools: Pool[];
let hostId: string;

beforeEach(async () => {
  native = new FakeNative();
  known = new Map();
  plugin = { socket: '/run/p.sock', state: 'listening', reason: null, activated: null };
  pools = [];
  const world = buildWorld({ native, config: 'networks: { blue: { vni: 42 }, red: { vni: 43 } }' });
  const { store, catalog, datapath, parts } = world;
  ({ reconciler } = world);
  peers = new PeerIntent(parts);
  hostId = store.hostId;
  views = new Views({
    catalog,
    reconciler,
    datapath,
    offloadChecks: noChecks,
    mesh: noMesh,
    identity: {
      version: '1',
      nativeVersion: '1',
      hostId,
      pid: 1,
      stateDir: '/state',
      startedAt: '2026-01-01T00:00:00Z',
      probe: native.probe(),
    },
    ipam: { pools: () => pools },
    names: {
      ...noNames,
      containerOf: (id) => known.get(id),
      networkName: (id) => (known.size > 0 && id === engineNetwork ? 'front' : null),
      engineVersion: () => (known.size > 0 ? '20.10.24' : null),
      trouble: () => (known.size > 0 ? null : 'there is no socket'),
    },
    plugin: { state: () => plugin },
  });

  const since = Date.now();
  await store.put('pool', 'pool-1', {
    id: 'pool-1',
    scope: subnet,
    subnet,
    range: null,
    references: 1,
    bound: false,
    requestedAt: since,
  });
  await new EngineNetworkIntent(parts).create({
    id: engineNetwork,
    network: 'blue',
    vni: null,
    mtu: null,
    internal: true,
    foreignIpam: true,
    pools: [{ subnet, gateway: null, auxiliary: [], ours: false }],
  });
  const lease = { scope: 'blue', address: '10.32.0.2', kind: 'endpoint', name: null, port: null } as const;
  await store.put('lease', leaseKey(lease), { ...lease, state: 'active', since });
  const endpoints = new EndpointIntent(parts, () => 'boot-1');
  port = await endpoints.create({ id: endpoint, engineNetwork, addresses: ['10.32.0.2/16'], mac: null });
  await endpoints.join(endpoint, '/var/run/docker/netns/abc');
  await reconciler.settle();
});
afterEach(() => reconciler.stop());

describe('the container of an endpoint', () => {
  it('is shown before Docker tells its name', () => {
    const [shown, ...more] = ContainerSchema.strict().array().parse(views.containers());
    expect(more).toEqual([]);
    expect(shown).toMatchObject({
      engine: 'docker',
      id: null,
      name: null,
      labels: {},
      aliases: [],
      network: 'blue',
      engineNetwork: { id: engineNetwork, name: null },
      endpoint,
      addresses: ['10.32.0.2/16'],
      mac: port.mac,
      port: port.id,
      ifname: port.ifname,
      state: 'waiting',
      reason: 'Docker has not moved it into its container yet',
    });
  });

  it('has what Docker tells, and its interface as it is called inside', async () => {
    known.set(endpoint, facts);
    const place = native.makeNamespace('/run/docker/netns/abc');
    native.moveLink(linkAlias(hostId, port.id), place, 'eth0');
    await reconciler.settle();
    const { id, name, image, labels, aliases } = facts;
    expect(views.containers()).toMatchObject([
      { id, name, image, labels, aliases, engineNetwork: { name: 'front' }, ifname: 'eth0', state: 'up' },
    ]);
  });

  it('is on its port, which sends only from its own addresses', () => {
    known.set(endpoint, facts);
    expect(PortSchema.strict().parse(views.port(port))).toMatchObject({
      container: 'web',
      spoof: 'deny',
      netns: null,
    });
  });
});

describe('a network of Docker', () => {
  it('is on the network of weft that it uses', () => {
    known.set(endpoint, facts);
    const [blue, red] = NetworkSchema.strict().array().parse(views.networks());
    expect(blue?.engines).toEqual([
      { engine: 'docker', id: engineNetwork, name: 'front', subnets: [subnet], internal: true },
    ]);
    expect(red?.engines).toEqual([]);
  });

  it('is found by the name that Docker has for it, too', () => {
    expect(() => views.networkNamed('front')).toThrow('there is no network "front"');
    known.set(endpoint, facts);
    expect(views.networkNamed('front').name).toBe('blue');
    expect(views.networkNamed('red').name).toBe('red');
  });
});

describe('the offload check of a peer', () => {
  const checkOf = async (address: string) => {
    const peer = await peers.add({ address }, { kind: 'api', ref: 'weft' });
    return views.peer(peer).offloadCheck;
  };

  it('says why the peer is not in use', async () => {
    expect(await checkOf('h9.example')).toMatchObject({
      state: 'off',
      detail: expect.stringMatching(/^the peer is not in use: .*h9\.example/),
    });
  });

  it('says that there is no route', async () => {
    native.pathMtus.set('10.99.0.2', 0);
    expect(await checkOf('10.99.0.2')).toMatchObject({
      state: 'pending',
      detail: 'the kernel has no route to 10.99.0.2',
    });
  });
});

describe('a pool', () => {
  it('names the containers that Docker did not name in time', () => {
    known.set(endpoint, facts);
    const since = '2026-01-01T00:00:00Z';
    const lease = { address: '10.32.0.2', kind: 'endpoint', since } as const;
    pools = [
      {
        id: 'x',
        scope: 'blue',
        subnet,
        range: '10.32.0.1-10.32.255.254',
        size: '65534',
        used: 3,
        leases: [
          { ...lease, name: null, port: port.id },
          { ...lease, address: '10.32.0.3', name: 'db', port: port.id },
          { ...lease, address: '10.32.0.4', name: null, port: null },
        ],
      },
    ];
    const [shown] = PoolSchema.strict().array().parse(views.pools());
    expect(shown?.leases.map(({ name }) => name)).toEqual(['web', 'db', null]);
  });
});

describe('the status', () => {
  it('says what Docker knows of weft, and weft of Docker', () => {
    const status = () => StatusSchema.strict().parse(views.status()).docker;
    expect(status()).toEqual({
      socket: '/run/p.sock',
      state: 'listening',
      reason: null,
      activated: null,
      engine: null,
      api: 'there is no socket',
      networks: 1,
      endpoints: 1,
    });
    known.set(endpoint, facts);
    plugin = { ...plugin, activated: new Date(0) };
    expect(status()).toMatchObject({ activated: '1970-01-01T00:00:00.000Z', engine: '20.10.24', api: null });
  });
});

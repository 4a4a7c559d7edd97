import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  Datapath,
  type NetworkOptions,
  type PeerOptions,
  type UnderlayOptions,
} from '../datapath/datapath.js';
import { FakeNative } from '../datapath/fake_native.js';
import { Carrier } from './carry_out.js';
import { type Actual, type Desired, type DesiredPort, type Place, plan, type Step } from './plan.js';

const prefix = 'weft:host:';
const underlay: UnderlayOptions = {
  ipv4: null,
  ipv6: null,
  ports: [4789],
  acceptAny: false,
  udpGso: true,
  udpGro: true,
};
const fdb = { age: 300, limit: 10, limitPerPort: 5, moveCount: 5, moveWindow: 180, moveFreeze: 60 };
const network = (vni: number, mtu = 1450): NetworkOptions => ({ vni, mtu, vlan: false, fdb });
const peer = (address: string): PeerOptions => ({
  address,
  port: 4789,
  zeroChecksum: false,
  offload: true,
  mtu: 1450,
});

function port(id: string, changes: Partial<DesiredPort> = {}): DesiredPort {
  const base = { network: 'blue', ifname: 'eth0', mac: '02:00:00:00:00:01', addresses: [], mtu: 1450 };
  return { id, ...base, alias: `${prefix}${id}`, roams: false, guard: null, ...changes };
}

function desired(changes: Partial<Desired> = {}): Desired {
  const networks = new Map([['blue', network(42)]]);
  return { underlay, networks, peers: new Map(), ports: [], entries: [], aliasPrefix: prefix, ...changes };
}

function actual(changes: Partial<Actual> = {}): Actual {
  const networks = new Map([['blue', network(42)]]);
  const empty = {
    carryChecksum: false,
    peers: new Map(),
    ports: new Map(),
    guards: new Map(),
    entries: [],
    places: new Map(),
    namespaces: new Map(),
    untagged: [],
  };
  return { underlay, networks, ...empty, ...changes };
}

const present: Place = { state: 'present', path: '/ns', cookie: '7' };
const gone: Place = { state: 'gone', reason: 'gone' };
const link = (alias: string | null, mtu = 1450, ifname = 'eth0') => ({
  ...new FakeNative().makeLink(ifname),
  alias,
  mtu,
});
const namespaceOf = (...links: ReturnType<typeof link>[]) => new Map([['7', { path: '/ns', links }]]);
const attached = (pins = false, cookie = '7') =>
  new Map([['p', { network: 'blue', cookie, netns: '/ns', pins }]]);
const names = (steps: readonly Step[]) => steps.map((step) => step.do);

describe('the plan', () => {
  it('is empty when all is as it should be', () => {
    const places = new Map([['p', present]]);
    const namespaces = namespaceOf(link(`${prefix}p`), link(null, 1450, 'eth1'));
    expect(plan(desired({ ports: [port('p')] }), actual({ places, namespaces, ports: attached() }))).toEqual(
      [],
    );
  });

  it('opens the underlay when networks and peers are there, so that none of them is a stranger', () => {
    const wanted = desired({ peers: new Map([['p', peer('10.0.0.2')]]) });
    const nothing = actual({ underlay: null, networks: new Map() });
    expect(names(plan(wanted, nothing))).toEqual(['put-network', 'put-peer', 'set-underlay']);
  });

  it('makes a port that is missing', () => {
    const steps = plan(
      desired({ ports: [port('p')] }),
      actual({ places: new Map([['p', present]]), namespaces: namespaceOf() }),
    );
    expect(steps).toEqual([{ do: 'create-tap', port: port('p'), netns: '/ns', cookie: '7' }]);
  });

  it('gives a port that stays another guard, wherever its namespace is, and a new one its own', () => {
    const guard = { mac: '02:00:00:00:00:01', addresses: [] };
    const guarded = desired({ ports: [port('p', { guard })] });
    const places = new Map([['p', present]]);
    const namespaces = namespaceOf(link(`${prefix}p`));
    const set = [{ do: 'set-guard', id: 'p', guard }];
    const there = { places, namespaces, ports: attached() };
    expect(plan(guarded, actual(there))).toEqual(set);
    expect(plan(guarded, actual({ ...there, guards: new Map([['p', { ...guard }]]) }))).toEqual([]);
    expect(
      plan(desired({ ports: [port('p')] }), actual({ ...there, guards: new Map([['p', guard]]) })),
    ).toEqual([{ do: 'set-guard', id: 'p', guard: null }]);
    expect(plan(guarded, actual({ ...there, places: new Map([['p', gone]]) }))).toEqual(set);
    expect(plan(guarded, actual({ ...there, namespaces: new Map() }))).toEqual(set);
    expect(names(plan(guarded, actual({ ...there, namespaces: namespaceOf() })))).toEqual([
      'detach-port',
      'create-tap',
    ]);
  });

  it('takes up a link that an earlier process left, by the name it has now', () => {
    const namespaces = namespaceOf(link(`${prefix}p`, 1450, 'renamed'));
    const steps = plan(
      desired({ ports: [port('p')] }),
      actual({ places: new Map([['p', present]]), namespaces }),
    );
    expect(steps).toEqual([
      { do: 'reattach-tap', port: port('p'), netns: '/ns', cookie: '7', ifname: 'renamed' },
    ]);
  });

  it('writes an alias again that was taken away, before anything that goes by it', () => {
    const untagged = [{ id: 'p', netns: '/ns', ifname: 'eth0', alias: `${prefix}p` }];
    const namespaces = namespaceOf(link(`${prefix}p`));
    const places = new Map([['p', present]]);
    const tag = { do: 'tag-link', ...untagged[0] };
    expect(plan(desired({ ports: [port('p')] }), actual({ places, namespaces, untagged }))).toEqual([
      tag,
      { do: 'reattach-tap', port: port('p'), netns: '/ns', cookie: '7', ifname: 'eth0' },
    ]);
    expect(plan(desired(), actual({ namespaces, untagged }))).toEqual([
      tag,
      { do: 'delete-link', netns: '/ns', ifname: 'eth0', alias: `${prefix}p` },
    ]);
  });

  it('changes the MTU of a live link', () => {
    const state = {
      places: new Map([['p', present]]),
      namespaces: namespaceOf(link(`${prefix}p`, 1500)),
      ports: attached(),
    };
    expect(plan(desired({ ports: [port('p')] }), actual(state))).toEqual([
      { do: 'set-mtu', id: 'p', netns: '/ns', ifname: 'eth0', mtu: 1450 },
    ]);
  });

  it('lets a namespace go that only our descriptor keeps alive, and serves one that others use', () => {
    const places = new Map([['p', gone]]);
    expect(names(plan(desired({ ports: [port('p')] }), actual({ places, ports: attached(true) })))).toEqual([
      'detach-port',
    ]);
    expect(plan(desired({ ports: [port('p')] }), actual({ places, ports: attached(false) }))).toEqual([]);
    const inhabited = new Map<string, Place>([['p', { state: 'gone', reason: 'gone', inhabited: true }]]);
    const state = { places: inhabited, ports: attached(true) };
    expect(plan(desired({ ports: [port('p')] }), actual(state))).toEqual([]);
  });

  it('takes links that cannot be listed just now for no proof', () => {
    const places = new Map([['p', present]]);
    expect(plan(desired({ ports: [port('p')] }), actual({ places, ports: attached() }))).toEqual([]);
    const unsure = new Map<string, Place>([['p', { state: 'unsure', reason: 'EMFILE' }]]);
    const state = { places: unsure, ports: attached(true), namespaces: namespaceOf(link(`${prefix}p`)) };
    expect(plan(desired({ ports: [port('p')] }), actual(state))).toEqual([]);
  });

  it('makes a port again in the namespace that took the place of its own', () => {
    const state = {
      places: new Map([['p', present]]),
      namespaces: namespaceOf(),
      ports: attached(false, '6'),
    };
    expect(names(plan(desired({ ports: [port('p')] }), actual(state)))).toEqual([
      'detach-port',
      'create-tap',
    ]);
  });

  it('removes a port with its process', () => {
    const places = new Map<string, Place>([['p', { state: 'dead', reason: 'ended' }]]);
    const state = { places, ports: attached(), namespaces: namespaceOf(link(`${prefix}p`)) };
    expect(names(plan(desired({ ports: [port('p')] }), actual(state)))).toEqual([
      'detach-port',
      'expire-port',
      'delete-link',
    ]);
  });

  it('deletes tagged links of nobody, and no others', () => {
    const namespaces = namespaceOf(
      link(`${prefix}q`, 1450, 'a'),
      link('weft:other:q', 1450, 'b'),
      link(null, 1450, 'c'),
    );
    expect(plan(desired(), actual({ namespaces }))).toEqual([
      { do: 'delete-link', netns: '/ns', ifname: 'a', alias: `${prefix}q` },
    ]);
  });

  it('leaves the link of a port alone whose namespace cannot be found just now', () => {
    const state = { places: new Map([['p', gone]]), namespaces: namespaceOf(link(`${prefix}p`)) };
    expect(plan(desired({ ports: [port('p')] }), actual(state))).toEqual([]);
  });

  it('declares an entry again when its port is made again, and never before its port', () => {
    const entry = { network: 'blue', mac: '02:00:00:00:00:09', where: { kind: 'port', id: 'p' } } as const;
    const wanted = desired({ ports: [port('p')], entries: [entry] });
    const state = {
      places: new Map([['p', present]]),
      namespaces: namespaceOf(),
      ports: attached(),
      entries: [entry],
    };
    expect(names(plan(wanted, actual(state)))).toEqual(['detach-port', 'create-tap', 'declare']);
    expect(plan(wanted, actual({ places: new Map([['p', gone]]) }))).toEqual([]);
  });

  it('takes ports, peers and entries away before their network', () => {
    const entry = { network: 'blue', mac: '02:00:00:00:00:09', where: { kind: 'peer', id: 'v' } } as const;
    const state = { ports: attached(), peers: new Map([['v', peer('10.0.0.2')]]), entries: [entry] };
    expect(names(plan(desired({ networks: new Map() }), actual(state)))).toEqual([
      'detach-port',
      'undeclare',
      'remove-peer',
      'remove-network',
    ]);
  });
});

/** A small world in which everything can be there or not: what is wanted, and what the kernel did meanwhile. */
const world = fc.record({
  networks: fc.subarray(['blue', 'red']),
  mtu: fc.constantFrom(1450, 1400),
  peers: fc.subarray(['v', 'w']),
  ports: fc.uniqueArray(
    fc.record({
      id: fc.constantFrom('p', 'q', 'r'),
      network: fc.constantFrom('blue', 'red'),
      netns: fc.constantFrom('/a', '/b'),
    }),
    { selector: ({ id }) => id },
  ),
  entries: fc.uniqueArray(
    fc.record({
      network: fc.constantFrom('blue', 'red'),
      mac: fc.constantFrom('02:00:00:00:00:01', '02:00:00:00:00:02'),
      where: fc.oneof(
        fc.record({ kind: fc.constant('port' as const), id: fc.constantFrom('p', 'q', 'r') }),
        fc.record({ kind: fc.constant('peer' as const), id: fc.constantFrom('v', 'w') }),
      ),
    }),
    { selector: ({ network: name, mac }) => `${name} ${mac}` },
  ),
  remade: fc.subarray(['/a', '/b']),
  missing: fc.subarray(['/a', '/b']),
  lostLinks: fc.subarray(['p', 'q', 'r']),
  restart: fc.boolean(),
  /** Which VNI or address each gets: they may be exchanged between worlds. */
  vnis: fc.shuffledSubarray([42, 43, 44], { minLength: 2, maxLength: 2 }),
  addresses: fc.shuffledSubarray(['10.0.0.2', '10.0.0.3', '10.0.0.4'], { minLength: 2, maxLength: 2 }),
});

type World = typeof world extends fc.Arbitrary<infer T> ? T : never;

function want({ networks, mtu, peers, ports, entries, ...world }: World): Desired {
  const vnis: Record<string, number | undefined> = { blue: world.vnis[0], red: world.vnis[1] };
  const addresses: Record<string, string | undefined> = { v: world.addresses[0], w: world.addresses[1] };
  return desired({
    networks: new Map(networks.map((name) => [name, network(vnis[name] ?? 0, mtu)])),
    peers: new Map(peers.map((id) => [id, peer(addresses[id] ?? '')])),
    ports: ports.map(({ id, network: name }) => port(id, { network: name, mtu, ifname: `if-${id}` })),
    entries: entries.filter(({ where }) => where.kind === 'peer' || ports.some(({ id }) => id === where.id)),
  });
}

function observe(native: FakeNative, datapath: Datapath, { ports }: World): Actual {
  const places = new Map<string, Place>();
  const namespaces = new Map<string, { path: string; links: ReturnType<FakeNative['links']> }>();
  for (const path of native.namespaces.keys()) {
    namespaces.set(native.netnsInfo(path).cookie, { path, links: native.links(path) });
  }
  for (const { id, netns } of ports) {
    const there = native.namespaces.get(netns);
    places.set(id, there === undefined ? gone : { state: 'present', path: netns, cookie: there.cookie });
  }
  return { ...datapath.state(), places, namespaces, untagged: [] };
}

describe('plans that are carried out', () => {
  it('let networks exchange their VNIs, and peers their addresses, in one round', () => {
    const native = new FakeNative();
    const datapath = new Datapath(native, { mergeTcp: true, mergeUdp: false }, () => undefined);
    const carrier = new Carrier(datapath, native, () => undefined);
    const entries = ['u', 'v', 'w'].map((id, index) => ({
      network: 'blue',
      mac: `02:00:00:00:00:0${index}`,
      where: { kind: 'peer' as const, id },
    }));
    const wantedFor = (vnis: number[], hosts: number[]) =>
      desired({
        networks: new Map(['blue', 'red', 'green'].map((name, i) => [name, network(vnis[i] ?? 0)])),
        peers: new Map(['u', 'v', 'w'].map((id, i) => [id, peer(`10.0.0.${hosts[i]}`)])),
        entries,
      });
    for (const order of [
      [1, 2, 3],
      [2, 1, 3],
      [3, 2, 1],
      [1, 3, 2],
      [4, 1, 3],
      [5, 4, 1],
    ]) {
      const wanted = wantedFor(order, order);
      const places = { places: new Map(), namespaces: new Map(), untagged: [] };
      const run = () => plan(wanted, { ...datapath.state(), ...places });
      expect(carrier.run(run(), { tso: true, uso: false })).toEqual([]);
      expect(run()).toEqual([]);
      expect([...native.engine.networks.values()].map(({ vni }) => vni)).toEqual(order);
      expect(native.engine.entries).toHaveLength(3);
    }
  });

  it('leave nothing to do and leak nothing, whatever is wanted and whatever happens between', () => {
    const native = new FakeNative();
    fc.assert(
      fc.property(fc.array(world, { maxLength: 6 }), (worlds) => {
        native.namespaces.clear();
        native.openFds.clear();
        let datapath = new Datapath(native, { mergeTcp: true, mergeUdp: false }, () => undefined);
        let carrier = new Carrier(datapath, native, () => undefined);
        native.locks.clear();
        for (const now of worlds) {
          for (const path of ['/a', '/b']) {
            if (now.missing.includes(path)) native.namespaces.delete(path);
            else if (now.remade.includes(path) || !native.namespaces.has(path)) native.makeNamespace(path);
          }
          for (const { links } of native.namespaces.values()) {
            const kept = links.filter(({ ifname }) => !now.lostLinks.some((id) => ifname === `if-${id}`));
            links.splice(0, links.length, ...kept);
          }
          if (now.restart) {
            datapath.stop();
            datapath = new Datapath(native, { mergeTcp: true, mergeUdp: false }, () => undefined);
            carrier = new Carrier(datapath, native, () => undefined);
            native.locks.clear();
          }
          const wanted = want(now);
          const failures = carrier.run(plan(wanted, observe(native, datapath, now)), {
            tso: true,
            uso: false,
          });
          expect(failures.map(({ step, error }) => [step.do, error.message])).toEqual([]);
          expect(plan(wanted, observe(native, datapath, now))).toEqual([]);
          expect(native.openFds.size).toBe(datapath.state().ports.size);
        }
      }),
      { numRuns: 300 },
    );
  });
});

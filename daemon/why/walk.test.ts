import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from '../cli/parser.js';
import type { Snapshot } from './snapshot.js';
import {
  account,
  dbMac,
  dbPort,
  entryFacts,
  networkFacts,
  peerFacts,
  place,
  portFacts,
  toFarHost,
  toPortHere,
  webMac,
} from './snapshots.js';
import { walk } from './walk.js';

const from = (changes: Parameters<typeof portFacts>[0], end: Partial<Snapshot['from']> = {}) => ({
  ...toFarHost().from,
  ...end,
  port: portFacts(changes),
});
const to = (changes: Partial<Snapshot['to']>) => ({ ...toFarHost().to, ...changes });
/** Nobody knows the MAC. */
const unasked = { toEntry: null, neighbour: null };
const foreign = { state: 'foreign', rtt: null, reason: null } as const;
const byMac = to({ kind: 'mac', address: null });
const viaPeer = (changes: Parameters<typeof peerFacts>[0]) => toFarHost({ peers: [peerFacts(changes)] });
const far = (changes: Parameters<typeof account>[0]) => viaPeer({ account: account(changes) });

describe('a way on which nothing is wrong', () => {
  it('goes by a peer to a port there', () => {
    const way = walk(toFarHost());
    expect(way.state).toBe('ok');
    expect(way.conclusion).toBe(
      'Frames go from web (10.42.0.2) by peer 10.99.0.2 to 10.42.0.3; nothing is in the way.',
    );
    expect(way.remedy).toBeNull();
    expect(way.steps.map(({ what }) => what)).toEqual([
      ...['port', 'network', 'guard', 'source-mac', 'address', 'fdb'],
      ...['peer', 'mtu', 'far-network', 'far-port', 'far-return'],
    ]);
    expect(way.steps.filter(({ host }) => host !== null).map(({ host }) => host)).toContain('10.99.0.2');
  });

  it('goes to a port of the same host', () => {
    const way = walk(toPortHere());
    expect(way.state).toBe('ok');
    expect(way.conclusion).toBe('Frames go from web (10.42.0.2) to db (10.42.0.3); nothing is in the way.');
    expect(way.steps.map(({ what }) => what)).toEqual([
      ...['port', 'network', 'guard', 'source-mac', 'address', 'fdb', 'destination'],
    ]);
  });

  it('is flooded where the MAC is not known', () => {
    const way = walk(toFarHost({ toEntry: null }));
    expect(way.state).toBe('ok');
    expect(way.steps.find(({ what }) => what === 'fdb')?.sentence).toBe(
      `${dbMac} is not known: frames are flooded to 1 port and 1 peer until it answers`,
    );
  });

  it('says so when it is the way back', () => {
    const way = walk(toFarHost({ backwards: true }));
    expect(way.state).toBe('ok');
    expect(way.steps[0]).toMatchObject({ what: 'direction', state: 'ok', facts: { backwards: true } });
    expect(way.steps[0]?.sentence).toContain('this is the way back');
  });

  it('has a peer of another make behind which the destination was heard', () => {
    const way = walk(viaPeer({ account: null, hello: foreign }));
    expect(way.state).toBe('ok');
    expect(way.steps.at(-1)?.sentence).toBe(
      'peer 10.99.0.2 does not answer such questions: it is of another make; frames of 10.42.0.3 come from there, the last 3 s ago',
    );
  });
});

/** What is spoilt, the step that says so, and words of its sentence. */
const troubles: readonly [name: string, seen: Snapshot, what: string, sentence: string][] = [
  [
    'a port that is down',
    toFarHost({ from: from({ state: 'down', reason: 'its link' }) }),
    'port',
    'port web is down: its link',
  ],
  ['a port that failed', toFarHost({ from: from({ state: 'failed' }) }), 'port', 'port web is failed'],
  ['a network that is gone', toFarHost({ network: null }), 'network', 'network "blue" of web is gone'],
  [
    'a network that is not programmed',
    toFarHost({ network: networkFacts({ programmed: false }) }),
    'network',
    'the datapath does not have',
  ],
  [
    'two networks',
    toPortHere({ to: to({ port: dbPort({ network: 'red' }) }) }),
    'network',
    'nothing crosses from one network to another',
  ],
  ['one port twice', toPortHere({ to: to({ port: portFacts() }) }), 'network', 'are one port'],
  [
    'another subnet',
    toFarHost({ to: to({ address: '10.43.0.3' }) }),
    'network',
    '10.43.0.3 is in no subnet of web, which has 10.42.0.2/24',
  ],
  [
    'a family without an address',
    toFarHost({ to: to({ address: 'fd42::3' }) }),
    'network',
    'web has no IPv6 address',
  ],
  [
    'a source address that the guard refuses',
    toFarHost({ from: from({ guard: { mac: webMac, addresses: ['10.42.0.2'] } }, { address: '10.42.0.9' }) }),
    'guard',
    'web may send from only 10.42.0.2, so what comes from 10.42.0.9 is dropped as spoofed_address',
  ],
  [
    'a MAC that the guard refuses',
    toFarHost({ from: from({ guard: { mac: dbMac, addresses: ['10.42.0.2'] } }) }),
    'guard',
    'dropped as spoofed_mac',
  ],
  [
    'a source MAC that is declared elsewhere',
    toFarHost({ fromEntry: entryFacts({ kind: 'peer', id: 'v-3', label: '10.99.0.3', declared: true }) }),
    'source-mac',
    'dropped as source_declared_elsewhere',
  ],
  [
    'a source MAC that is frozen elsewhere',
    toFarHost({ fromEntry: entryFacts({ kind: 'peer', id: 'v-3', label: '10.99.0.3', frozen: true }) }),
    'source-mac',
    'is frozen at peer 10.99.0.3',
  ],
  [
    'a source MAC that was heard elsewhere',
    toFarHost({ fromEntry: entryFacts({ id: 'p-db', label: 'db' }) }),
    'source-mac',
    'was last heard at port db',
  ],
  [
    'a port with too many MACs',
    toFarHost({ fromEntry: null, from: from({ learned: 1024 }) }),
    'source-mac',
    'which is the limit',
  ],
  [
    'an address that is claimed by two',
    toFarHost({ claims: [{ address: '10.42.0.3', mac: webMac, where: 'peer x' }] }),
    'address',
    'claimed by MAC',
  ],
  [
    'an address that the port lost',
    toPortHere({
      to: to({ port: dbPort({ link: { mac: dbMac, mtu: 1450, addresses: ['10.42.0.4/24'] } }) }),
    }),
    'address',
    'its link does not have it now',
  ],
  [
    'an address that nobody has',
    toFarHost({
      to: to({ mac: null }),
      ...unasked,
      peers: [peerFacts({ account: account({ port: null }) })],
    }),
    'address',
    'nobody answers for it',
  ],
  [
    'an address without a peer',
    toFarHost({ to: to({ mac: null }), ...unasked, peers: [] }),
    'address',
    'there is no peer',
  ],
  [
    'an address for which nobody answered',
    toFarHost({
      to: to({ mac: null }),
      toEntry: null,
      neighbour: { mac: null, failed: true },
      peers: [peerFacts({ account: null })],
    }),
    'address',
    'web asked for 10.42.0.3 by ARP or ND, and nobody answered',
  ],
  [
    'an old answer to ARP',
    toPortHere({ neighbour: { mac: '02:00:00:00:00:99', failed: false } }),
    'address',
    'web has MAC 02:00:00:00:00:99 for 10.42.0.3 in its ARP or ND table, and it is at',
  ],
  [
    'an address at two hosts',
    toFarHost({ peers: [peerFacts(), peerFacts({ id: 'v-3', address: '10.99.0.3' })] }),
    'address',
    'is at two hosts',
  ],
  [
    'nobody to flood to',
    toFarHost({
      to: to({ kind: 'mac', address: null }),
      toEntry: null,
      peers: [],
      network: networkFacts({ ports: 1 }),
    }),
    'fdb',
    'dropped as no_destination',
  ],
  [
    'a MAC that is frozen elsewhere',
    toPortHere({ toEntry: entryFacts({ kind: 'peer', id: 'v-2', label: '10.99.0.2', frozen: true }) }),
    'fdb',
    `${dbMac} is frozen at peer 10.99.0.2, because it moved too often, and it is at port db`,
  ],
  [
    'a MAC that is declared elsewhere',
    toPortHere({ toEntry: entryFacts({ kind: 'peer', id: 'v-2', label: '10.99.0.2', declared: true }) }),
    'fdb',
    'is declared at peer 10.99.0.2, and it is at port db',
  ],
  [
    'a MAC that is frozen and asked of nobody',
    toFarHost({
      toEntry: entryFacts({ kind: 'peer', id: 'v-2', label: '10.99.0.2', frozen: true }),
      peers: [peerFacts({ account: null })],
    }),
    'fdb',
    'is frozen at peer 10.99.0.2',
  ],
  [
    'a MAC behind the port itself',
    toFarHost({ to: byMac, toEntry: entryFacts(), peers: [] }),
    'fdb',
    'dropped as same_port',
  ],
  [
    'a MAC at a peer that is gone',
    toFarHost({ peers: [], to: to({ kind: 'mac', address: null }) }),
    'fdb',
    'which is no peer of this host any more',
  ],
  [
    'a port there that is down',
    toPortHere({ to: to({ port: dbPort({ state: 'down' }) }) }),
    'destination',
    'port db is down',
  ],
  [
    'a peer that is this host',
    toFarHost({ to: byMac, peers: [peerFacts({ state: 'self' })] }),
    'peer',
    'is this host itself',
  ],
  ['a peer without an address', viaPeer({ state: 'unresolved', account: null }), 'peer', 'is unresolved'],
  ['a peer without a route', viaPeer({ reason: 'the kernel has no route' }), 'peer', 'no route'],
  [
    'a peer that is dead',
    viaPeer({ idle: 75, account: null }),
    'peer',
    'is silent: last heard 75 s ago, and it does not answer',
  ],
  [
    'a peer that answered and does not any more',
    viaPeer({
      account: null,
      idle: 9,
      hello: { state: 'silent', rtt: null, reason: 'it answered, and does not any more' },
    }),
    'peer',
    'is silent: last heard 9 s ago; it answered, and does not any more',
  ],
  [
    'a peer that answers from another address',
    viaPeer({
      account: null,
      hello: { state: 'unknown', rtt: null, reason: 'it answers from 10.99.0.9' },
    }),
    'peer',
    'peer 10.99.0.2, last heard 1 s ago: it answers from 10.99.0.9',
  ],
  ['a peer that never spoke', viaPeer({ idle: null, account: null }), 'peer', 'nothing ever came from it'],
  [
    'a path that is too narrow',
    viaPeer({ pathMtu: 1400, fits: 1350 }),
    'mtu',
    'has room for IP packets of 1350',
  ],
  [
    'a link with a larger MTU',
    toFarHost({ from: from({ link: { mac: webMac, mtu: 1500, addresses: ['10.42.0.2/24'] } }) }),
    'mtu',
    'the link of web has an MTU of 1500',
  ],
  [
    'a VNI that the far host does not have',
    far({ network: 'none', vni: 43 }),
    'far-network',
    'and network "blue" has VNI 43 there',
  ],
  [
    'a VNI that is another network there',
    far({ network: 'renamed' }),
    'far-network',
    'a network of another name',
  ],
  ['a smaller MTU there', far({ mtu: 1400 }), 'far-network', 'has an MTU of 1400 at peer'],
  [
    'a MAC that the far host has here',
    far({ to: place({ where: 'asker', frozen: true }) }),
    'far-fdb',
    'frozen at this host',
  ],
  [
    'a MAC that the far host has at a third',
    far({ to: place({ where: 'peer', address: '10.99.0.3' }) }),
    'far-fdb',
    'at peer 10.99.0.3',
  ],
  [
    'a far port that is down',
    far({ port: { mac: dbMac, address: '10.42.0.3', state: 'down', drop: null } }),
    'far-port',
    'is down',
  ],
  [
    'answers that go astray',
    far({ from: place({ where: 'port' }) }),
    'far-return',
    'at a port of its own: answers go there',
  ],
];

describe('a walk ends with the first thing in the way, and how to mend it', () => {
  it.each(troubles)('%s', (_name, seen, what, sentence) => {
    const way = walk(seen);
    const first = way.steps.find(({ state }) => state === 'trouble');
    expect(first).toMatchObject({ what, sentence: expect.stringContaining(sentence) });
    expect(first?.remedy).toMatch(/\.$/);
    expect(way).toMatchObject({ state: 'trouble', remedy: first?.remedy });
    expect(way.conclusion).toContain(first?.sentence);
  });
});

describe('a walk to nobody knows where, by several peers', () => {
  const silent = (count: number, more: Parameters<typeof peerFacts>[0][] = []) =>
    toFarHost({
      ...unasked,
      to: to({ mac: null }),
      peers: [
        ...Array.from({ length: count }, (_, index) => ({
          id: `v-${index}`,
          address: `10.99.0.${index + 2}`,
          account: null,
          hello: { state: 'silent', rtt: null, reason: null } as const,
        })),
        ...more,
      ].map(peerFacts),
    });

  it('names those that are silent first', () => {
    const { state, conclusion, steps } = walk(silent(5));
    expect(state).toBe('trouble');
    expect(conclusion).toBe(
      'What is in the way from web (10.42.0.2) to 10.42.0.3: all 5 peers are silent (10.99.0.2, 10.99.0.3, 10.99.0.4 and 2 more), and where 10.42.0.3 is, is not known here.',
    );
    expect(steps.filter(({ what }) => what === 'peers')).toHaveLength(1);
  });

  it('leaves open what is behind one of several', () => {
    const way = walk(silent(1, [{ account: account({ port: null, to: place() }) }]));
    expect(way.state).toBe('unknown');
    expect(way.conclusion).toContain('but 10.42.0.3 may be behind a peer that is silent (10.99.0.2).');
  });

  it('goes on as ever where all answer, or the MAC is known', () => {
    for (const seen of [silent(0, [{}, { id: 'v-3' }]), { ...silent(2), toEntry: toFarHost().toEntry }])
      expect(walk(seen).steps.filter(({ what }) => what === 'peers')).toEqual([]);
  });
});

it('does not tell of old drops as if they were news', () => {
  const drop = (idle: number) => ({ reason: 'no_destination', sentence: '', frames: 6, idle });
  const sentences = (idle: number) =>
    walk(
      toFarHost({
        from: from({ drops: [drop(idle)] }),
        peers: [peerFacts({ drops: [drop(idle)], account: account({ drop: drop(idle) }) })],
      }),
    ).steps.filter(({ sentence }) => sentence.includes('no_destination'));
  expect(sentences(59).map(({ what }) => what)).toEqual(['port', 'peer', 'far-drops']);
  expect(sentences(133).map(({ sentence }) => sentence)).toEqual([
    'of what came from here, peer 10.99.0.2 dropped 6 as no_destination, last 133 s ago, and nothing since',
  ]);
});

describe('a walk leaves open what nobody can tell', () => {
  const open: readonly [name: string, seen: Snapshot, what: string, sentence: string][] = [
    [
      'an address without a MAC, and a peer that does not say',
      toFarHost({ to: to({ mac: null }), ...unasked, peers: [peerFacts({ account: null })] }),
      'address',
      'one peer did not say',
    ],
    [
      'a peer of another make from which the destination was never heard',
      toFarHost({ toEntry: null, peers: [peerFacts({ account: null, hello: foreign })] }),
      'far',
      'of another make',
    ],
    ['a path that is not known', viaPeer({ pathMtu: null, fits: null }), 'mtu', 'is not known'],
    [
      'an underlay that is not complete',
      toFarHost({ underlay: 'an address is on no link' }),
      'underlay',
      'on no link',
    ],
    [
      'a MAC that the far host does not know',
      toFarHost({ to: byMac, peers: [peerFacts({ account: account({ port: null, to: place() }) })] }),
      'far-fdb',
      'it floods these frames',
    ],
  ];

  it.each(open)('%s', (_name, seen, what, sentence) => {
    const way = walk(seen);
    expect(way.state).toBe('unknown');
    expect(way.steps.find(({ state }) => state === 'unknown')).toMatchObject({
      what,
      sentence: expect.stringContaining(sentence),
    });
    expect(way.conclusion).toContain('as far as this host can tell');
  });
});

it('tells which offloads are off, and that frames flow without them', () => {
  const way = walk(
    toFarHost({
      from: from({ offloadDisabled: 'TCP: EIO' }),
      peers: [peerFacts({ offloadDisabled: 'EPERM' })],
    }),
  );
  expect(way.state).toBe('ok');
  expect(way.steps.find(({ what }) => what === 'offload')).toMatchObject({
    sentence:
      'bursts are not used to port web (TCP: EIO) and to peer 10.99.0.2 (EPERM); frames flow, with more CPU',
    facts: { 'to port web': 'TCP: EIO', 'to peer 10.99.0.2': 'EPERM' },
  });
  expect(
    walk(toPortHere({ to: to({ port: dbPort({ offloadDisabled: 'UDP: EIO' }) }) })).steps.at(-1)?.what,
  ).toBe('offload');
});

it('tells what was dropped at the places on the way', () => {
  const drop = { reason: 'spoofed_mac', sentence: '', frames: 7, idle: 2 };
  const way = walk(toFarHost({ from: from({ drops: [drop] }) }));
  expect(way.steps[0]).toMatchObject({
    sentence: 'web is up; 3 frames came from it; dropped: 7 spoofed_mac, last 2 s ago',
    facts: { drops: 'spoofed_mac 7', lastDrop: 'spoofed_mac', lastDropAgo: 2, rxFrames: 3 },
  });
  const there = { reason: 'port_full', frames: 5, idle: 0 };
  const last = walk(far({ drop: there })).steps.at(-1);
  expect(last).toMatchObject({ what: 'far-drops', host: '10.99.0.2', facts: { lastDrop: 'port_full' } });
});

describe('whatever was seen', () => {
  const idle = fc.nat(100_000);
  const mac = fc.constantFrom(webMac, dbMac, '02:00:00:00:00:03');
  const address = fc.constantFrom('10.42.0.2', '10.42.0.3', '10.43.0.9', 'fd42::2', 'fe80::1');
  const cidrs = fc.subarray(['10.42.0.2/24', '10.42.0.3/24', 'fd42::2/64']);
  const ids = fc.constantFrom('p-web', 'p-db', 'v-2', 'v-3');
  const nullable = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: null });
  const drops = fc.array(
    fc.record({
      reason: fc.constantFrom('port_full', 'spoofed_mac'),
      sentence: fc.string(),
      frames: fc.nat(),
      idle,
    }),
    { maxLength: 4 },
  );
  const counters = nullable(
    fc.record({ rxFrames: fc.nat(), rxDropped: fc.nat(), txFrames: fc.nat(), txDropped: fc.nat() }),
  );
  const port = fc.record({
    id: fc.constantFrom('p-web', 'p-db'),
    label: fc.constantFrom('web', 'db'),
    ifname: fc.constant('eth0'),
    network: fc.constantFrom('blue', 'red'),
    state: fc.constantFrom('up' as const, 'down' as const, 'waiting' as const, 'failed' as const),
    reason: nullable(fc.constant('a reason')),
    mac,
    addresses: cidrs,
    link: nullable(fc.record({ mac, mtu: fc.integer({ min: 576, max: 9000 }), addresses: cidrs })),
    guard: nullable(fc.record({ mac, addresses: fc.subarray(['10.42.0.2', '10.42.0.3']) })),
    offloadDisabled: nullable(fc.constant('EIO')),
    counters,
    drops,
    learned: fc.nat(2000),
  });
  const end = fc.record({
    given: fc.constantFrom('web', '10.42.0.3'),
    kind: fc.constantFrom('address' as const, 'mac' as const, 'name' as const),
    address: nullable(address),
    mac: nullable(mac),
  });
  const farPlace = fc.record({
    where: fc.constantFrom('nowhere' as const, 'port' as const, 'asker' as const, 'peer' as const),
    address: nullable(address),
    declared: fc.boolean(),
    frozen: fc.boolean(),
    idle,
  });
  const farDrop = nullable(fc.record({ reason: fc.constant('port_full'), frames: fc.nat(), idle }));
  const farAccount = fc.record({
    network: fc.constantFrom('same' as const, 'renamed' as const, 'none' as const),
    vni: nullable(fc.nat()),
    mtu: nullable(fc.nat(9000)),
    to: farPlace,
    from: farPlace,
    port: nullable(
      fc.record({
        mac,
        address: nullable(address),
        state: fc.constantFrom('up' as const, 'down' as const),
        drop: farDrop,
      }),
    ),
    drop: farDrop,
  });
  const entry = nullable(
    fc.record({
      kind: fc.constantFrom('port' as const, 'peer' as const),
      id: ids,
      label: fc.constant('it'),
      declared: fc.boolean(),
      frozen: fc.boolean(),
      idle,
    }),
  );
  const peer = fc.record({
    id: fc.constantFrom('v-2', 'v-3'),
    address: fc.constantFrom('10.99.0.2', '10.99.0.3'),
    state: fc.constantFrom('active', 'silent', 'self', 'failed', 'unresolved'),
    reason: nullable(fc.constant('a reason')),
    idle: nullable(idle),
    hello: fc.record({
      state: fc.constantFrom('alive' as const, 'silent' as const, 'foreign' as const, 'unknown' as const),
      rtt: nullable(fc.nat(1000)),
      reason: nullable(fc.constant('a reason')),
    }),
    pathMtu: nullable(fc.nat(9000)),
    fits: nullable(fc.nat(9000)),
    offloadDisabled: nullable(fc.constant('EIO')),
    carryChecksum: fc.boolean(),
    counters,
    drops,
    account: nullable(farAccount),
    asked: fc.boolean(),
  });
  const snapshot: fc.Arbitrary<Snapshot> = fc.record({
    from: fc.tuple(end, port).map(([one, at]) => ({ ...one, port: at })),
    to: fc.tuple(end, nullable(port)).map(([one, at]) => ({ ...one, port: at })),
    backwards: fc.boolean(),
    network: nullable(
      fc.record({
        name: fc.constant('blue'),
        vni: fc.constant(42),
        mtu: fc.nat(9000),
        declaredMtu: fc.constantFrom<number | 'auto'>('auto', 1450),
        programmed: fc.boolean(),
        limitPerPort: fc.nat(1024),
        freeze: fc.nat(),
        ports: fc.nat(5),
      }),
    ),
    underlay: nullable(fc.constant('degraded')),
    fromEntry: entry,
    toEntry: entry,
    neighbour: nullable(fc.record({ mac: nullable(mac), failed: fc.boolean() })),
    peers: fc.array(peer, { maxLength: 3 }),
    claims: fc.array(fc.record({ address, mac, where: fc.constant('peer x') }), { maxLength: 1 }),
  });

  it('a walk ends in one sentence that agrees with its steps, and says how to mend what is wrong', () => {
    fc.assert(
      fc.property(snapshot, (seen) => {
        const way = walk(seen);
        const states = way.steps.map(({ state }) => state);
        const worst = states.includes('trouble') ? 'trouble' : states.includes('unknown') ? 'unknown' : 'ok';
        expect(way.state).toBe(worst);
        expect(way.conclusion.endsWith('.')).toBe(true);
        expect(way.conclusion).not.toMatch(/undefined|null|NaN|\[object|\n/);
        for (const { sentence, remedy, state } of way.steps) {
          expect(sentence).not.toMatch(/undefined|null|NaN|\[object|\n|\.$/);
          if (state === 'trouble') expect(remedy).toMatch(/\.$/);
          if (state === 'ok') expect(remedy).toBeNull();
        }
        const first = way.steps.find(({ state }) => state === worst);
        if (worst === 'ok') expect(way.conclusion).toContain('nothing is in the way');
        else {
          expect(way.conclusion).toContain(first?.sentence);
          expect(way.remedy).toBe(first?.remedy);
        }
        expect(new Set(way.steps.map(({ what }) => what)).size).toBe(way.steps.length);
      }),
      { numRuns: 1000 },
    );
  });

  it('is walked alike twice, and changes nothing of what was seen', () => {
    fc.assert(
      fc.property(snapshot, (seen) => {
        const before = JSON.stringify(seen);
        expect(walk(seen)).toEqual(walk(seen));
        expect(JSON.stringify(seen)).toBe(before);
      }),
    );
  });

  it('names only commands of weft that can be typed', async () => {
    const lines = new Set<string>();
    fc.assert(
      fc.property(snapshot, (seen) => {
        for (const { remedy } of walk(seen).steps)
          for (const [, line = ''] of (remedy ?? '').matchAll(/"weft ([^"]+)"/g)) lines.add(line);
      }),
      { numRuns: 1000 },
    );
    expect(lines.size).toBeGreaterThan(2);
    for (const line of lines)
      expect(await parse(line.split(' '), 100), line).toMatchObject({ kind: 'command' });
  });

  it('a port, network or peer that does not work is never a clear way', () => {
    fc.assert(
      fc.property(snapshot, (seen) => {
        const broken =
          seen.from.port.state !== 'up' ||
          seen.network?.programmed !== true ||
          (seen.to.port !== null &&
            (seen.to.port.state !== 'up' || seen.to.port.network !== seen.from.port.network));
        if (broken) expect(walk(seen).state).toBe('trouble');
      }),
      { numRuns: 1000 },
    );
  });
});

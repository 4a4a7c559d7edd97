/** Snapshots in which nothing is wrong, for tests to spoil. */
import type {
  EntryFacts,
  FarAccount,
  FarPlace,
  NetworkFacts,
  PeerFacts,
  PortFacts,
  Snapshot,
} from './snapshot.js';

export const webMac = '02:00:00:00:00:01';
export const dbMac = '02:00:00:00:00:02';

export function portFacts(changes: Partial<PortFacts> = {}): PortFacts {
  return {
    id: 'p-web',
    label: 'web',
    ifname: 'eth0',
    network: 'blue',
    state: 'up',
    reason: null,
    mac: webMac,
    addresses: ['10.42.0.2/24'],
    link: { mac: webMac, mtu: 1450, addresses: ['10.42.0.2/24'] },
    guard: null,
    offloadDisabled: null,
    counters: { rxFrames: 3, rxDropped: 0, txFrames: 4, txDropped: 0 },
    drops: [],
    learned: 1,
    ...changes,
  };
}

/** Another port of the host, for the other end. */
export function dbPort(changes: Partial<PortFacts> = {}): PortFacts {
  const addresses = ['10.42.0.3/24'];
  const link = { mac: dbMac, mtu: 1450, addresses };
  return portFacts({ id: 'p-db', label: 'db', mac: dbMac, addresses, link, ...changes });
}

export function networkFacts(changes: Partial<NetworkFacts> = {}): NetworkFacts {
  return {
    name: 'blue',
    vni: 42,
    mtu: 1450,
    declaredMtu: 'auto',
    programmed: true,
    limitPerPort: 1024,
    freeze: 60,
    ports: 2,
    ...changes,
  };
}

export function entryFacts(changes: Partial<EntryFacts> = {}): EntryFacts {
  return { kind: 'port', id: 'p-web', label: 'web', declared: false, frozen: false, idle: 1, ...changes };
}

export const place = (changes: Partial<FarPlace> = {}): FarPlace => ({
  where: 'nowhere',
  address: null,
  declared: false,
  frozen: false,
  idle: 0,
  ...changes,
});

export function account(changes: Partial<FarAccount> = {}): FarAccount {
  return {
    network: 'same',
    vni: null,
    mtu: 1450,
    to: place({ where: 'port', idle: 2 }),
    from: place({ where: 'asker', idle: 2 }),
    port: { mac: dbMac, address: '10.42.0.3', state: 'up', drop: null },
    drop: null,
    ...changes,
  };
}

export function peerFacts(changes: Partial<PeerFacts> = {}): PeerFacts {
  return {
    id: 'v-2',
    address: '10.99.0.2',
    state: 'active',
    reason: null,
    idle: 1,
    hello: { state: 'alive', rtt: 0.4, reason: null },
    pathMtu: 1500,
    fits: 1450,
    offloadDisabled: null,
    carryChecksum: true,
    counters: { rxFrames: 9, rxDropped: 0, txFrames: 9, txDropped: 0 },
    drops: [],
    account: account(),
    asked: true,
    ...changes,
  };
}

/** From port web here to db behind peer 10.99.0.2. */
export function toFarHost(changes: Partial<Snapshot> = {}): Snapshot {
  return {
    from: { given: 'web', kind: 'name', port: portFacts(), address: '10.42.0.2', mac: webMac },
    to: { given: '10.42.0.3', kind: 'address', port: null, address: '10.42.0.3', mac: dbMac },
    backwards: false,
    network: networkFacts(),
    underlay: null,
    fromEntry: entryFacts(),
    toEntry: entryFacts({ kind: 'peer', id: 'v-2', label: '10.99.0.2', idle: 3 }),
    neighbour: { mac: dbMac, failed: false },
    peers: [peerFacts()],
    claims: [],
    ...changes,
  };
}

/** From port web to port db, both here. */
export function toPortHere(changes: Partial<Snapshot> = {}): Snapshot {
  return toFarHost({
    to: { given: 'db', kind: 'name', port: dbPort(), address: '10.42.0.3', mac: dbMac },
    toEntry: entryFacts({ id: 'p-db', label: 'db' }),
    peers: [],
    ...changes,
  });
}

/** What metrics are read from, without a daemon: a network, one peer, and whatever a test adds. */
import type { Finding, Peer, Port } from '../../api/schema.js';
import { parseConfig } from '../../config/load.js';
import { Datapath } from '../../datapath/datapath.js';
import { FakeNative } from '../../datapath/fake_native.js';
import type { NetworkRecord, PortRecord } from '../../model/objects.js';
import { Catalog } from '../../state/catalog.js';
import { MemoryStore } from '../../state/memory_store.js';
import { DockerRequests } from '../docker_requests.js';
import { EventBus } from '../events.js';
import { Meters } from '../meters.js';
import type { MetricsParts } from '../metrics/scrape.js';
import { ProcessMeter } from '../process_meter.js';

export interface TestParts extends MetricsParts {
  catalog: Catalog;
  dockerRequests: DockerRequests;
  events: EventBus;
  process: ProcessMeter;
  /** What holds; empty at first. */
  found: Finding[];
}

const networkText = 'networks: { blue: { vni: 42 } }';

/** `config` is YAML; `ports` are given to the store and, as far as it has their network, to the engine. */
export async function testParts(config = networkText, ports: readonly PortRecord[] = []): Promise<TestParts> {
  const native = new FakeNative();
  const datapath = new Datapath(native, { mergeTcp: true, mergeUdp: false }, () => undefined);
  const store = new MemoryStore();
  const catalog = new Catalog(store, parseConfig(config, 'f.yaml'));
  const vlan = false;
  for (const network of catalog.networks())
    datapath.putNetwork(network.name, {
      vni: network.vni,
      mtu: 1450,
      vlan,
      fdb: catalog.limitsOf(network),
    });
  for (const { id, address, port } of catalog.peers())
    datapath.putPeer(id, { address, port, zeroChecksum: false, offload: true, mtu: 1450 });
  for (const [index, port] of ports.entries()) {
    await store.put('port', port.id, port);
    const place = { network: port.network, cookie: '1', netns: null, pins: false };
    datapath.addPort(port.id, place, () => [1000 + index]);
  }
  const found: Finding[] = [];
  return {
    found,
    datapath,
    catalog,
    views: { port: portView, peers: () => catalog.peers().map(peerView), mtuOf: () => 1450 },
    identity: {
      version: '1.2.3',
      nativeVersion: '1.2.3',
      hostId: 'h-1',
      pid: 7,
      stateDir: '/state',
      startedAt: '2026-01-01T00:00:00Z',
      probe: native.probed,
    },
    findings: () => found,
    health: () => ({ status: 'ok', reasons: [] }),
    ipam: { use: () => [] },
    dockerRequests: new DockerRequests(['Plugin.Activate', 'NetworkDriver.Join']),
    events: new EventBus(),
    captures: { list: () => [] },
    meters: new Meters(),
    process: new ProcessMeter(),
  };
}

export function portRecord(id: string, name: string | null, network: NetworkRecord['name']): PortRecord {
  return {
    id,
    name,
    network,
    ifname: 'eth0',
    netns: null,
    mac: '02:00:00:00:00:01',
    addresses: [],
    attach: 'tap',
    owner: { kind: 'api', ref: 'weft' },
  };
}

function portView({ id, name, network, ifname, mac, addresses, attach, owner, spoof }: PortRecord): Port {
  return {
    id,
    name,
    network,
    ifname,
    netns: null,
    mac,
    addresses,
    mtu: 1450,
    attach,
    owner,
    state: 'up',
    reason: null,
    offloadDisabled: null,
    counters: null,
    spoof: spoof ?? 'allow',
    refused: null,
    container: null,
  };
}

function peerView({
  id,
  address,
  port,
  checksum,
  offload,
  owner,
}: ReturnType<Catalog['peers']>[number]): Peer {
  return {
    id,
    address,
    endpoint: address,
    port,
    checksum,
    offload,
    owner,
    state: 'silent',
    reason: null,
    hello: {
      state: 'alive',
      since: null,
      rtt: 1.5,
      jitter: 0.25,
      answeredAt: null,
      unanswered: 0,
      host: null,
      version: null,
      seenAs: null,
      reason: null,
    },
    pathMtu: 1400,
    routeMtu: 1500,
    pathCheckedAt: null,
    offloadDisabled: null,
    offloadCheck: { state: 'passed', at: null, detail: null },
    carryChecksum: false,
    idle: null,
    counters: null,
  };
}

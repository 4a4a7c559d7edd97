/** Looks at what a frame would meet from one end to the other, asks the far host, and walks the way. */
import type { Peer } from '../api/schema.js';
import type { Views } from '../api/views.js';
import type { Datapath } from '../datapath/datapath.js';
import type { Target } from '../datapath/registry.js';
import { mtuThrough } from '../model/mtu.js';
import type { NetworkRecord } from '../model/objects.js';
import type { Reconciler } from '../reconcile/reconciler.js';
import { type Catalog, portLabel } from '../state/catalog.js';
import { type Candidate, checkKnown, pair, parseRef, portsOf, type Ref } from './ends.js';
import { atATime, type FarHosts } from './far_hosts.js';
import type { PortSight } from './port_sight.js';
import { sourceAddress } from './port_steps.js';
import type {
  ClaimFacts,
  EntryFacts,
  FarAccount,
  NeighbourFacts,
  NetworkFacts,
  PeerFacts,
  PortFacts,
  Snapshot,
} from './snapshot.js';
import type { Way } from './step.js';
import { walk } from './walk.js';

export interface WhyParts {
  catalog: Catalog;
  reconciler: Pick<Reconciler, 'view' | 'findings'>;
  datapath: Pick<Datapath, 'state' | 'entry' | 'counters' | 'dropsAt'>;
  views: Pick<Views, 'peers' | 'network' | 'networkNamed'>;
  sight: Pick<PortSight, 'facts' | 'labelOf' | 'namesOf' | 'neighbourOf'>;
  farHosts: Pick<FarHosts, 'ask'>;
}

export interface WhyEnd {
  given: string;
  label: string;
  port: string | null;
  address: string | null;
  mac: string | null;
}

export interface WhyAnswer extends Way {
  source: WhyEnd;
  destination: WhyEnd;
  network: string;
  backwards: boolean;
}

const underlayCodes: ReadonlySet<string> = new Set([
  'UNDERLAY_FAILED',
  'UNDERLAY_DEGRADED',
  'UNDERLAY_PORT_FAILED',
]);

export class Why {
  constructor(private readonly parts: WhyParts) {}

  /**
   * Throws WEFT_NETWORK_NOT_FOUND, WEFT_PORT_AMBIGUOUS, WEFT_WHY_ELSEWHERE when neither end is on this host, and WEFT_WHY_UNKNOWN when
   * nobody knows the name of the other.
   */
  async ask(source: string, destination: string, network: string | null): Promise<WhyAnswer> {
    const { views } = this.parts;
    const wanted = network === null ? null : views.networkNamed(network).name;
    const refs = { source: parseRef(source), destination: parseRef(destination) };
    const candidates = this.candidates([refs.source, refs.destination]);
    const ends = pair(
      { ref: refs.source, ports: portsOf(refs.source, candidates) },
      { ref: refs.destination, ports: portsOf(refs.destination, candidates) },
      wanted,
      this.subnets(),
    );
    const backwards = ends.source === null;
    const here = (backwards ? ends.destination : ends.source) as PortFacts;
    const [fromRef, toRef] = backwards ? [refs.destination, refs.source] : [refs.source, refs.destination];
    const seen = await this.look(here, fromRef, backwards ? null : ends.destination, toRef, backwards);
    const way = walk(seen);
    const [first, second] = backwards ? [seen.to, seen.from] : [seen.from, seen.to];
    return { ...way, source: viewOf(first), destination: viewOf(second), network: here.network, backwards };
  }

  private async look(
    port: PortFacts,
    fromRef: Ref,
    toPort: PortFacts | null,
    toRef: Ref,
    backwards: boolean,
  ): Promise<Snapshot> {
    const { catalog, reconciler } = this.parts;
    const record = catalog.networks().find(({ name }) => name === port.network);
    const network = record === undefined ? null : this.network(record);
    const toAddress =
      toRef.kind === 'address'
        ? toRef.address
        : toPort === null || toRef.kind === 'mac'
          ? null
          : sourceAddress(toPort, sourceAddress(port, null));
    const from = {
      given: fromRef.given,
      kind: fromRef.kind,
      port,
      address: fromRef.kind === 'address' ? fromRef.address : sourceAddress(port, toAddress),
      mac: fromRef.mac ?? port.link?.mac ?? port.mac,
    };
    const neighbour = toAddress === null ? null : this.neighbour(port, toAddress);
    let to: Snapshot['to'] = {
      given: toRef.given,
      kind: toRef.kind,
      port: toPort,
      address: toAddress,
      mac: toRef.mac ?? (toPort === null ? (neighbour?.mac ?? null) : (toPort.link?.mac ?? toPort.mac)),
    };
    const accounts = new Map<string, FarAccount>();
    let asked: readonly string[] = [];
    if (toPort === null && network !== null) {
      asked = this.whomToAsk(network.name, to.mac);
      const { name, vni } = network;
      const toName = toRef.kind === 'name' ? toRef.given : null;
      const question = { network: name, vni, fromMac: from.mac, toMac: to.mac, toAddress, toName };
      for (const [id, account] of await this.parts.farHosts.ask(asked, question)) accounts.set(id, account);
      checkKnown(
        toRef,
        asked.map((id) => ({
          address: this.labelOf({ kind: 'peer', id }),
          account: accounts.get(id) ?? null,
        })),
      );
      const owner = [...accounts.values()].find((account) => account.port !== null)?.port;
      to = { ...to, mac: to.mac ?? owner?.mac ?? null, address: to.address ?? owner?.address ?? null };
    }
    return {
      from,
      to,
      backwards,
      network,
      underlay: reconciler.findings.find(({ code }) => underlayCodes.has(code))?.message ?? null,
      fromEntry: this.entry(port.network, from.mac),
      toEntry: to.mac === null ? null : this.entry(port.network, to.mac),
      neighbour: neighbour ?? (to.address === null ? null : this.neighbour(port, to.address)),
      peers: toPort === null ? this.peers(accounts, new Set(asked)) : [],
      claims: this.claims([port, ...(toPort === null ? [] : [toPort])], [from.address, to.address]),
    };
  }

  private neighbour(port: PortFacts, address: string): NeighbourFacts | null {
    const record = this.parts.catalog.ports().find(({ id }) => id === port.id);
    return record === undefined ? null : this.parts.sight.neighbourOf(record, address);
  }

  /** All peers while they are few, or nobody knows where the MAC is: another one than the FDB says may have it. */
  private whomToAsk(network: string, mac: string | null): string[] {
    const peers = [...this.parts.datapath.state().peers.keys()];
    const entry = mac === null ? null : this.parts.datapath.entry(network, mac);
    return peers.length > atATime && entry?.where.kind === 'peer' ? [entry.where.id] : peers;
  }

  private candidates(refs: readonly Ref[]): Candidate[] {
    const { catalog, datapath, sight } = this.parts;
    const macs = refs.flatMap(({ mac }) => mac ?? []);
    const counted = datapath.counters();
    return catalog.ports().map((record) => {
      const port = sight.facts(record, counted);
      const behind = macs.filter((mac) => {
        const entry = datapath.entry(record.network, mac);
        return entry?.where.kind === 'port' && entry.where.id === record.id;
      });
      const names = [
        [record.id],
        sight.namesOf(record),
        [portLabel(record)],
        [record.ifname],
        record.netns === null ? [] : [record.netns.given],
      ];
      return { port, names, behind };
    });
  }

  private network(record: NetworkRecord): NetworkFacts {
    const { catalog, datapath, views } = this.parts;
    const { mtu, ports } = views.network(record);
    const limits = catalog.limitsOf(record);
    return {
      name: record.name,
      vni: record.vni,
      mtu: mtu.effective,
      declaredMtu: mtu.declared,
      programmed: datapath.state().networks.has(record.name),
      limitPerPort: limits.limitPerPort,
      freeze: limits.moveFreeze,
      ports,
    };
  }

  private entry(network: string, mac: string): EntryFacts | null {
    const entry = this.parts.datapath.entry(network, mac);
    if (entry === null) return null;
    const { where, declared, frozen, idle } = entry;
    return { ...where, label: this.labelOf(where), declared, frozen, idle };
  }

  private labelOf({ kind, id }: Target): string {
    const { catalog, sight } = this.parts;
    if (kind === 'peer') return catalog.peers().find((peer) => peer.id === id)?.address ?? id;
    const port = catalog.ports().find((one) => one.id === id);
    return port === undefined ? id : sight.labelOf(port);
  }

  private peers(accounts: ReadonlyMap<string, FarAccount>, asked: ReadonlySet<string>): PeerFacts[] {
    return this.parts.views.peers().map((peer) => ({
      ...peerFacts(peer),
      drops: this.parts.datapath.dropsAt({ kind: 'peer', id: peer.id }),
      account: accounts.get(peer.id) ?? null,
      asked: asked.has(peer.id),
    }));
  }

  private claims(ports: readonly PortFacts[], addresses: readonly (string | null)[]): ClaimFacts[] {
    return this.parts.reconciler.view.conflicts
      .filter(({ port, address }) => ports.some(({ id }) => id === port) && addresses.includes(address))
      .map(({ address, mac, where }) => ({
        address,
        mac,
        where: where === null ? 'a stranger' : `${where.kind} ${this.labelOf(where)}`,
      }));
  }

  private subnets(): Map<string, readonly string[]> {
    return new Map(this.parts.catalog.networks().map(({ name, subnets }) => [name, subnets]));
  }
}

function peerFacts(peer: Peer): Omit<PeerFacts, 'drops' | 'account' | 'asked'> {
  const { id, address, endpoint, state, reason, idle, pathMtu, offloadDisabled, carryChecksum, counters } =
    peer;
  const fits = endpoint === null ? null : mtuThrough({ address: endpoint, pathMtu });
  const { rtt, ...told } = peer.hello;
  const hello = {
    state: told.state,
    rtt: rtt === null ? null : Math.round(rtt * 100) / 100,
    reason: told.reason,
  };
  return { id, address, state, reason, idle, hello, pathMtu, fits, offloadDisabled, carryChecksum, counters };
}

function viewOf({ given, port, address, mac }: Snapshot['to']): WhyEnd {
  return { given, label: port?.label ?? given, port: port?.id ?? null, address, mac };
}

/** The parts that speak with peers, put together: what they say, what is tried, and what follows. */
import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { Datapath } from '../datapath/datapath.js';
import type { HelloAnswer, HelloReport, QueryReport } from '../datapath/events.js';
import type { FindingDraft } from '../reconcile/findings.js';
import type { Reconciler } from '../reconcile/reconciler.js';
import type { Catalog } from '../state/catalog.js';
import type { EventBus } from '../telemetry/events.js';
import { type HostFacts, helloFindings } from './hello_findings.js';
import { Hellos, type HelloView, type Reply } from './hellos.js';
import { hostIdBytes, versionNumbers, versionText } from './host_self.js';
import { NetworkClashes } from './network_clashes.js';
import { type LeastMtu, NetworkMtus } from './network_mtus.js';
import { Paths, type PathView, type Route } from './paths.js';
import { PeerFeatures } from './peer_features.js';
import { Queries } from './queries.js';

export interface MeshParts {
  datapath: Datapath;
  catalog: Catalog;
  reconciler: Pick<Reconciler, 'view' | 'trigger'>;
  events: EventBus;
  log: Logger;
  hostId: string;
  version: string;
}

export interface PeerHello {
  /** null while the peer is not in the datapath. */
  hello: HelloView | null;
  path: PathView;
}

export class Mesh {
  /** What control planes ask each other. */
  readonly queries: Queries;
  private readonly hellos: Hellos;
  private readonly paths: Paths;
  private readonly features: PeerFeatures;
  private readonly clashes: NetworkClashes;
  private readonly mtus: NetworkMtus;
  private readonly incarnation = randomBytes(8).readBigUInt64BE();
  private readonly version: readonly [number, number, number];
  private digest: bigint | null = null;
  /** There was a round. */
  private started = false;

  constructor(private readonly parts: MeshParts) {
    const { datapath, catalog, reconciler, events, log } = parts;
    const onChange = () => reconciler.trigger();
    this.version = versionNumbers(parts.version);
    this.queries = new Queries(datapath);
    this.features = new PeerFeatures({ datapath, log });
    this.clashes = new NetworkClashes({ queries: this.queries, networks: () => catalog.networks() });
    this.mtus = new NetworkMtus({
      queries: this.queries,
      own: () => (this.started ? reconciler.view.picture.ownMtus : null),
      onChange,
    });
    this.hellos = new Hellos({
      datapath,
      before: () => this.refresh(),
      answered: (answer) => this.answered(answer),
      first: (peer) => this.features.takesUnfinished(peer),
      onChange,
    });
    this.paths = new Paths({ hellos: this.hellos, routes: () => this.routes(), events, log, onChange });
  }

  /** After the first round. */
  start(): void {
    this.started = true;
    this.refresh();
    this.hellos.start();
    this.paths.start();
  }

  stop(): void {
    this.paths.stop();
    this.hellos.stop();
    this.queries.stop();
  }

  /** From the data plane. */
  helloReport(report: HelloReport): void {
    this.hellos.report(report);
  }

  /** From the data plane. */
  queryReport(report: QueryReport): void {
    this.queries.report(report);
  }

  view(peer: string): PeerHello {
    return { hello: this.hellos.view(peer), path: this.paths.view(peer) };
  }

  /** Bytes of IP that arrive at a peer, where that is less than the kernel knows of; else null. */
  pathLimit(peer: string): number | null {
    return this.paths.limit(peer);
  }

  /** What the hosts of a network say that its MTU is, the least of them; null where none says anything. */
  leastMtu(vni: number): LeastMtu | null {
    return this.mtus.least(vni);
  }

  /** One hello now, in an Ethernet frame of so many bytes. Never rejects. */
  ping(peer: string, options: { bytes?: number; patience?: number }): Promise<Reply> {
    return this.hellos.ask(peer, options);
  }

  checkPath(peer: string): Promise<void> {
    this.mtus.askSoon(peer);
    return this.paths.check(peer);
  }

  findings(): FindingDraft[] {
    const { picture } = this.parts.reconciler.view;
    const peers = this.parts.catalog.peers().map(({ id, address }) => {
      const arrives = this.paths.limit(id);
      const route = picture.peers.get(id)?.routeMtu ?? null;
      const limit = arrives !== null && route !== null && arrives < route ? { arrives, route } : null;
      return { id, address, hello: this.hellos.view(id), limit, clashes: this.clashes.of(id) };
    });
    return helloFindings(peers, this.host());
  }

  private host(): HostFacts {
    const { hostId, catalog, reconciler } = this.parts;
    return {
      hostId,
      incarnation: this.incarnation,
      version: versionText(this.version),
      ownAddresses: reconciler.view.picture.ownAddresses,
      configured: catalog.config.underlay.addresses,
    };
  }

  private answered(answer: HelloAnswer): void {
    this.features.answered(answer);
    this.clashes.answered(answer);
    this.mtus.answered(answer);
  }

  /** Tells the data plane what hellos say, when that is not what they say. */
  private refresh(): void {
    const { datapath, hostId } = this.parts;
    const { peers } = datapath.state();
    this.features.forget(peers);
    this.clashes.forget(peers);
    this.mtus.follow(peers);
    const networks = this.clashes.digest;
    if (networks === this.digest) return;
    const { incarnation, version } = this;
    datapath.setSelf({ host: hostIdBytes(hostId), incarnation, version, networks });
    this.digest = networks;
  }

  private routes(): Map<string, Route> {
    const { datapath, reconciler } = this.parts;
    const programmed = datapath.state().peers;
    return new Map(
      [...reconciler.view.picture.peers].flatMap(([id, { state, endpoint, routeMtu }]) =>
        state === 'programmed' && endpoint !== null && routeMtu !== null && programmed.has(id)
          ? [[id, { address: endpoint, mtu: routeMtu }] as const]
          : [],
      ),
    );
  }
}

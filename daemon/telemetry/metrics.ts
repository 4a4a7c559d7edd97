/** Prometheus metrics, read from the engine when they are asked for. Labels are bounded: objects of this host and fixed tables. */
import { Counter, Gauge, Registry } from 'prom-client';
import type { Finding } from '../api/schema.js';
import type { Datapath, NamedCounters } from '../datapath/datapath.js';
import type { Ipam } from '../ipam/ipam.js';
import type { OffloadChecks } from '../mesh/offload_checks.js';
import { type Catalog, portLabel } from '../state/catalog.js';
import type { DockerRequests } from './docker_requests.js';

export interface MetricsParts {
  datapath: Datapath;
  catalog: Catalog;
  findings: () => readonly Finding[];
  version: string;
  offloadChecks: Pick<OffloadChecks, 'view'>;
  ipam: Pick<Ipam, 'pools'>;
  dockerRequests: Pick<DockerRequests, 'all'>;
}

/** Ports and peers beyond this many are not shown one by one, so that no monitoring system drowns. */
const mostSeries = 2000;

type Sample = [labels: Record<string, string>, value: number];

export class Metrics {
  readonly registry = new Registry();

  constructor(private readonly parts: MetricsParts) {
    this.addHost();
    this.addFrames();
    this.addObjects();
    this.addOffloadChecks();
    this.addFdb();
    this.addDocker();
  }

  private addHost(): void {
    const { version, findings, catalog } = this.parts;
    this.gauge('weft_info', 'Version of weftd; always 1.', ['version'], () => [[{ version }, 1]]);
    this.gauge('weft_networks', 'Networks.', [], () => [[{}, catalog.networks().length]]);
    this.gauge('weft_ports', 'Ports.', [], () => [[{}, catalog.ports().length]]);
    this.gauge('weft_peers', 'Peers.', [], () => [[{}, catalog.peers().length]]);
    this.gauge('weft_findings', 'Findings that hold now.', ['severity'], () =>
      ['info', 'warning', 'error'].map((severity) => [
        { severity },
        findings().filter((one) => one.severity === severity).length,
      ]),
    );
    this.gauge('weft_resident_memory_bytes', 'Resident memory of weftd.', [], () => [
      [{}, process.memoryUsage.rss()],
    ]);
  }

  private addFrames(): void {
    this.total('weft_frames_received_total', 'Wire frames received from ports and peers.', [], (c) => [
      [{}, c.received],
    ]);
    this.total('weft_frames_total', 'Verdicts on received frames, drops apart.', ['verdict'], (c) => [
      [{ verdict: 'unicast' }, c.unicast],
      [{ verdict: 'flooded' }, c.flooded],
      [{ verdict: 'consumed' }, c.consumed],
    ]);
    this.total('weft_frames_queued_total', 'Wire frames queued to destinations.', [], (c) => [
      [{}, c.queued],
    ]);
    this.total('weft_frames_sent_total', 'Wire frames sent to destinations.', [], (c) => [[{}, c.sent]]);
    this.total(
      'weft_drops_total',
      'Dropped wire frames; docs/drops.md explains the reasons.',
      ['reason', 'stage'],
      (c) =>
        this.parts.datapath.drops.map(({ name, stage }, index) => [
          { reason: name, stage },
          c.dropped[index] ?? 0,
        ]),
    );
    this.total(
      'weft_path_mtu_answers_total',
      'Packets too big for a peer whose sender was told by ICMP, or not told because of the rate limit.',
      ['outcome'],
      (c) => [
        [{ outcome: 'sent' }, c.pathMtuAnswered],
        [{ outcome: 'limited' }, c.pathMtuUnanswered],
      ],
    );
    this.total('weft_rounds_total', 'Rounds of the worker loop.', [], (c) => [[{}, c.rounds]]);
    this.total(
      'weft_polled_rounds_total',
      'Rounds of the worker loop that found work by busy polling.',
      [],
      (c) => [[{}, c.polled]],
    );
    this.total(
      'weft_underlay_overflow_total',
      'Datagrams that the kernel dropped before weft read them.',
      [],
      (c) => [[{}, c.underlayOverflow]],
    );
  }

  private addObjects(): void {
    const { catalog } = this.parts;
    const names = { rx: 'received from', tx: 'sent to' } as const;
    const fields = {
      frames: 'Frames',
      bytes: 'Bytes',
      super_frames: 'SuperFrames',
      dropped: 'Dropped',
    } as const;
    for (const [direction, verb] of Object.entries(names) as ['rx' | 'tx', string][]) {
      for (const [unit, field] of Object.entries(fields) as [
        string,
        'Frames' | 'Bytes' | 'SuperFrames' | 'Dropped',
      ][]) {
        const key = `${direction}${field}` as const;
        this.total(
          `weft_port_${direction}_${unit}_total`,
          `${unit} ${verb} a port.`,
          ['port', 'network', 'name'],
          (c) =>
            catalog.ports().flatMap((port): Sample[] => {
              const counted = c.ports.get(port.id);
              const labels = { port: port.id, network: port.network, name: port.name ?? portLabel(port) };
              return counted === undefined ? [] : [[labels, counted[key]]];
            }),
        );
        this.total(`weft_peer_${direction}_${unit}_total`, `${unit} ${verb} a peer.`, ['peer'], (c) =>
          catalog.peers().flatMap((peer): Sample[] => {
            const counted = c.peers.get(peer.id);
            return counted === undefined ? [] : [[{ peer: peer.address }, counted[key]]];
          }),
        );
      }
    }
    this.total(
      'weft_port_refused_total',
      'Wire frames of a port that were dropped because of spoof: deny.',
      ['port', 'network', 'name', 'reason'],
      (c) =>
        catalog.ports().flatMap((port): Sample[] => {
          const labels = { port: port.id, network: port.network, name: port.name ?? portLabel(port) };
          const reasons = ['spoofed_mac', 'spoofed_address', 'rogue_service'];
          if (port.spoof !== 'deny') return [];
          return (c.ports.get(port.id)?.refused ?? []).map((value, index) => [
            { ...labels, reason: reasons[index] ?? '' },
            value,
          ]);
        }),
    );
    this.level('weft_peer_idle_seconds', 'Seconds since the last datagram from a peer.', ['peer'], (c) =>
      catalog.peers().flatMap((peer): Sample[] => {
        const idle = c.peers.get(peer.id)?.idle ?? null;
        return idle === null ? [] : [[{ peer: peer.address }, idle]];
      }),
    );
  }

  private addOffloadChecks(): void {
    const { catalog, datapath, offloadChecks } = this.parts;
    this.gauge(
      'weft_peer_offload_check',
      'What came of the last check of bursts to a peer; always 1.',
      ['peer', 'state'],
      () => {
        const programmed = datapath.state().peers;
        return catalog
          .peers()
          .filter(({ id }) => programmed.has(id))
          .map(({ id, address }) => [{ peer: address, state: offloadChecks.view(id).state }, 1]);
      },
    );
    this.level(
      'weft_peer_carry_checksum',
      'Whether inner checksums that guests left unfinished go to a peer unfinished: 1 or 0.',
      ['peer'],
      (c) =>
        catalog.peers().flatMap(({ id, address }): Sample[] => {
          const counted = c.peers.get(id);
          return counted === undefined ? [] : [[{ peer: address }, counted.carryChecksum ? 1 : 0]];
        }),
    );
  }

  private addFdb(): void {
    this.level('weft_fdb_entries', 'FDB entries.', ['network', 'type'], (c) =>
      [...c.networks].flatMap(([network, counted]): Sample[] => [
        [{ network, type: 'learned' }, counted.learned],
        [{ network, type: 'static' }, counted.declared],
      ]),
    );
    this.total('weft_fdb_changes_total', 'Changes of the FDB by kind.', ['change'], ({ fdb }) =>
      (
        [
          'learned',
          'moved',
          'expired',
          'evicted',
          'flushed',
          'frozen',
          'refusedPort',
          'refusedNetwork',
        ] as const
      ).map((change) => [
        { change: change.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) },
        fdb[change],
      ]),
    );
    this.level('weft_fdb_memory_bytes', 'Memory of the FDB.', [], ({ fdb }) => [[{}, fdb.memoryBytes]]);
  }

  private addDocker(): void {
    const { catalog, ipam, dockerRequests } = this.parts;
    this.gauge('weft_docker_endpoints', 'Endpoints of Docker: containers times their networks.', [], () => [
      [{}, catalog.ports().filter(({ endpoint }) => endpoint !== undefined).length],
    ]);
    this.gauge(
      'weft_pool_addresses',
      'Addresses in the part of a subnet that this host gives from.',
      ['scope', 'subnet', 'state'],
      () =>
        ipam.pools().flatMap(({ scope, subnet, size, used }): Sample[] => [
          [{ scope, subnet, state: 'used' }, used],
          [{ scope, subnet, state: 'free' }, Number(BigInt(size) - BigInt(used))],
        ]),
    );
    this.counter(
      'weft_docker_requests_total',
      'Requests of Docker to the plugin.',
      ['method', 'outcome'],
      () => dockerRequests.all().map(({ method, outcome, count }) => [{ method, outcome }, count]),
    );
  }

  private gauge(name: string, help: string, labelNames: string[], read: () => Sample[]): void {
    new Gauge({
      name,
      help,
      labelNames,
      registers: [this.registry],
      collect() {
        this.reset();
        for (const [labels, value] of read().slice(0, mostSeries)) this.set(labels, value);
      },
    });
  }

  private level(
    name: string,
    help: string,
    labelNames: string[],
    read: (counters: NamedCounters) => Sample[],
  ): void {
    this.gauge(name, help, labelNames, () => read(this.counters()));
  }

  private total(
    name: string,
    help: string,
    labelNames: string[],
    read: (counters: NamedCounters) => Sample[],
  ): void {
    this.counter(name, help, labelNames, () => read(this.counters()));
  }

  private counter(name: string, help: string, labelNames: string[], read: () => Sample[]): void {
    new Counter({
      name,
      help,
      labelNames,
      registers: [this.registry],
      collect() {
        this.reset();
        for (const [labels, value] of read().slice(0, mostSeries)) this.inc(labels, value);
      },
    });
  }

  private cached: NamedCounters | null = null;

  /** One scrape reads the engine once, so that its numbers are of one moment. */
  private counters(): NamedCounters {
    if (this.cached === null) {
      this.cached = this.parts.datapath.counters();
      setImmediate(() => {
        this.cached = null;
      });
    }
    return this.cached;
  }
}

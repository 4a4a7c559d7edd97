/** The ports of this host as a walk sees them. */
import type { Port } from '../api/schema.js';
import type { Views } from '../api/views.js';
import type { Datapath } from '../datapath/datapath.js';
import type { Kernel, Link } from '../datapath/kernel.js';
import type { Target } from '../datapath/registry.js';
import type { PortRecord } from '../model/objects.js';
import type { Picture } from '../reconcile/desire.js';
import { type DesiredPort, linkOf } from '../reconcile/plan.js';
import type { Reconciler } from '../reconcile/reconciler.js';
import { portLabel } from '../state/catalog.js';
import type { NeighbourFacts, PortFacts } from './snapshot.js';

export interface PortSightParts {
  reconciler: Pick<Reconciler, 'view'>;
  datapath: Pick<Datapath, 'learnedAt' | 'dropsAt' | 'counters'>;
  kernel: Pick<Kernel, 'neighbour'>;
  views: Pick<Views, 'port' | 'portHealth' | 'containerName'>;
}

export class PortSight {
  /** Of one round of the reconciler, by ID: a peer may ask often, and there may be a thousand ports. */
  private desired = { of: null as Picture | null, ports: new Map<string, DesiredPort>() };

  constructor(private readonly parts: PortSightParts) {}

  facts(record: PortRecord, counted = this.parts.datapath.counters()): PortFacts {
    const { datapath, views } = this.parts;
    const { id, network, mac, addresses, ifname } = record;
    const { state, reason, offloadDisabled, counters }: Port = views.port(record, counted);
    const link = this.linkOf(record);
    const where: Target = { kind: 'port', id };
    return {
      id,
      label: this.labelOf(record),
      ifname: link?.ifname ?? ifname,
      network,
      state,
      reason,
      mac,
      addresses,
      link: link === null ? null : { mac: link.mac, mtu: link.mtu, addresses: link.addresses },
      guard: this.desiredOf(id)?.guard ?? null,
      offloadDisabled,
      counters,
      drops: datapath.dropsAt(where),
      learned: datapath.learnedAt(network, where),
    };
  }

  /** Its link as the last round of the reconciler saw it; null when it did not. */
  linkOf({ id }: PortRecord): Link | null {
    const { actual } = this.parts.reconciler.view;
    const desired = this.desiredOf(id);
    const place = actual.places.get(id);
    if (desired === undefined || place?.state !== 'present') return null;
    return linkOf(desired, actual.namespaces.get(place.cookie)) ?? null;
  }

  /** What ARP or ND in the port's namespace knows of an address; null when that cannot be read either. */
  neighbourOf(record: PortRecord, address: string): NeighbourFacts | null {
    const place = this.parts.reconciler.view.actual.places.get(record.id);
    const link = this.linkOf(record);
    if (place?.state !== 'present' || link === null) return null;
    try {
      return this.parts.kernel.neighbour(place.path, link.ifname, address);
    } catch {
      return null;
    }
  }

  stateOf(record: PortRecord): PortFacts['state'] {
    return this.parts.views.portHealth(record).state;
  }

  labelOf(record: PortRecord): string {
    return this.parts.views.containerName(record) ?? record.name ?? portLabel(record);
  }

  /** What a person may have called it on another host: its name, or that of its container. */
  namesOf(record: PortRecord): string[] {
    return [record.name, this.parts.views.containerName(record)].filter((name) => name !== null);
  }

  private desiredOf(id: string): DesiredPort | undefined {
    const { picture } = this.parts.reconciler.view;
    if (this.desired.of !== picture)
      this.desired = { of: picture, ports: new Map(picture.desired.ports.map((port) => [port.id, port])) };
    return this.desired.ports.get(id);
  }
}

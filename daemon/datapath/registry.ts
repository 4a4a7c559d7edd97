/** What the engine has a handle for, by the names of the control plane: networks by name, ports and peers by ID. */
import { Handles } from './handles.js';
import type { FdbEntry, NetworkOptions, PeerOptions, Where } from './native.js';

export interface Target {
  kind: 'port' | 'peer';
  id: string;
}

export interface DeclaredEntry {
  network: string;
  mac: string;
  where: Target;
}

export interface NamedEntry extends DeclaredEntry {
  declared: boolean;
  frozen: boolean;
  idle: number;
}

/** What a capture is of. */
export interface CaptureTarget {
  kind: 'port' | 'peer' | 'network';
  /** The name of a network. */
  id: string;
}

/** Where a port's TAP is. */
export interface PortPlace {
  network: string;
  /** Cookie and path of the namespace that holds the TAP; the path is null for our own. */
  cookie: string;
  netns: string | null;
  /** Our file descriptor was opened inside the namespace and keeps it alive. */
  pins: boolean;
}

export class Registry {
  readonly networks = new Handles<NetworkOptions>();
  readonly peers = new Handles<PeerOptions>();
  readonly ports = new Handles<PortPlace>();

  of(kind: CaptureTarget['kind']): Handles<unknown> {
    return { port: this.ports, peer: this.peers, network: this.networks }[kind];
  }

  /** Whether the engine knows it. */
  has({ kind, id }: CaptureTarget): boolean {
    return this.of(kind).handle(id) !== undefined;
  }

  /** Throws when the engine does not know it. */
  where({ kind, id }: Target): Where {
    return kind === 'port' ? { port: this.ports.need(id) } : { peer: this.peers.need(id) };
  }

  /** null when it was removed meanwhile, as with those below. */
  target(where: Where): Target | null {
    const kind = 'port' in where ? 'port' : 'peer';
    const id = 'port' in where ? this.ports.name(where.port) : this.peers.name(where.peer);
    return id === undefined ? null : { kind, id };
  }

  /** Where a MAC is. */
  place(entry: Pick<FdbEntry, 'network' | 'mac' | 'where'>): DeclaredEntry | null {
    const network = this.networks.name(entry.network);
    const where = this.target(entry.where);
    return network === undefined || where === null ? null : { network, mac: entry.mac, where };
  }

  entry(entry: FdbEntry): NamedEntry | null {
    const place = this.place(entry);
    const { declared, frozen, idle } = entry;
    return place === null ? null : { ...place, declared, frozen, idle };
  }
}

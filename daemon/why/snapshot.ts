/** What a walk reads: both ends, the network between them, and every place that a frame may pass. Plain values, seen at one moment. */

/** Frames that were dropped for one reason at one place. */
export interface DropFacts {
  reason: string;
  sentence: string;
  frames: number;
  /** Seconds since the last one. */
  idle: number;
}

export interface TrafficFacts {
  rxFrames: number;
  rxDropped: number;
  txFrames: number;
  txDropped: number;
}

/** A port of this host. */
export interface PortFacts {
  id: string;
  /** For a person: the container, the name, or IFNAME@NETNS. */
  label: string;
  ifname: string;
  network: string;
  state: 'up' | 'down' | 'waiting' | 'failed';
  reason: string | null;
  /** That it was made with. */
  mac: string;
  addresses: readonly string[];
  /** As its namespace has it now, addresses with their prefix; null while it is not seen. */
  link: { mac: string; mtu: number; addresses: readonly string[] } | null;
  /** The only sources that it may have; null for any. */
  guard: { mac: string; addresses: readonly string[] } | null;
  /** Which super-frames the kernel refuses for it, and how. */
  offloadDisabled: string | null;
  counters: TrafficFacts | null;
  /** The latest first. */
  drops: readonly DropFacts[];
  /** MACs that were learned there. */
  learned: number;
}

/** One end of the way. */
export interface End {
  /** As it was asked for. */
  given: string;
  kind: 'address' | 'mac' | 'name';
  port: PortFacts | null;
  /** Without prefix; null where none is known, or none was meant. */
  address: string | null;
  mac: string | null;
}

export interface NetworkFacts {
  name: string;
  vni: number;
  /** Bytes of IP. */
  mtu: number;
  declaredMtu: number | 'auto';
  /** The datapath has it. */
  programmed: boolean;
  limitPerPort: number;
  /** Seconds that a MAC stays frozen. */
  freeze: number;
  /** Ports on this host. */
  ports: number;
}

/** An entry of the FDB. `id` and `label` are of the port or the peer. */
export interface EntryFacts {
  kind: 'port' | 'peer';
  id: string;
  label: string;
  declared: boolean;
  frozen: boolean;
  idle: number;
}

/** Where another host has a MAC. */
export interface FarPlace {
  /** `asker`: with the host that asks. `peer`: with a third host, at `address`. */
  where: 'nowhere' | 'port' | 'asker' | 'peer';
  address: string | null;
  declared: boolean;
  frozen: boolean;
  idle: number;
}

export interface FarDrop {
  reason: string;
  frames: number;
  idle: number;
}

/** What another weft host said of the way, as far as it goes through it. */
export interface FarAccount {
  /** `renamed`: the VNI belongs to a network of another name there. */
  network: 'same' | 'renamed' | 'none';
  /** The VNI that the network of this name has there, where it is another. */
  vni: number | null;
  mtu: number | null;
  /** Where it has the MAC of the destination, and that of the source. */
  to: FarPlace;
  from: FarPlace;
  /** Its port with the destination's MAC, address or name. */
  port: {
    mac: string;
    address: string | null;
    state: PortFacts['state'];
    /** Of frames that were queued to the port. */
    drop: FarDrop | null;
  } | null;
  /** Of frames that came from this host. */
  drop: FarDrop | null;
}

export interface PeerFacts {
  id: string;
  address: string;
  state: string;
  reason: string | null;
  /** Seconds since something came from it; null: nothing yet. */
  idle: number | null;
  /**
   * What its hellos tell. alive: it answers. silent: it did, and does not any more. foreign: it never did, and sends VXLAN. `rtt` in
   * milliseconds.
   */
  hello: {
    state: 'alive' | 'silent' | 'foreign' | 'unknown';
    rtt: number | null;
    reason: string | null;
  };
  pathMtu: number | null;
  /** Bytes of IP inside; null while the path is not known. */
  fits: number | null;
  /** Why bursts are not sent by UDP_SEGMENT. */
  offloadDisabled: string | null;
  /** Inner checksums that guests left unfinished go to it so. */
  carryChecksum: boolean;
  counters: TrafficFacts | null;
  drops: readonly DropFacts[];
  /** null: it did not answer, or was not asked. */
  account: FarAccount | null;
  asked: boolean;
}

/** Somebody else who claims the address of a port. */
export interface ClaimFacts {
  address: string;
  mac: string;
  where: string;
}

/** What the kernel in the namespace of `from` made of ARP or ND for the address of `to`. */
export interface NeighbourFacts {
  /** null while it asks, and when nobody answered. */
  mac: string | null;
  failed: boolean;
}

export interface Snapshot {
  /** The walk begins here: at a port of this host. */
  from: End & { port: PortFacts };
  to: End;
  /** The source is elsewhere, and `from` is the destination that was asked for. */
  backwards: boolean;
  /** Of `from`; null when it is gone. */
  network: NetworkFacts | null;
  /** What is wrong with the underlay of this host. */
  underlay: string | null;
  /** Entries of both MACs on the network. */
  fromEntry: EntryFacts | null;
  toEntry: EntryFacts | null;
  /** null when it did not ask of late, or cannot be asked. */
  neighbour: NeighbourFacts | null;
  /** All that are in use or should be. */
  peers: readonly PeerFacts[];
  /** Of the addresses of both ends, as far as they are guarded here. */
  claims: readonly ClaimFacts[];
}

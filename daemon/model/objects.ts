/** The objects that intent is made of, as they are kept in the store and read from the configuration. */

export type Origin = 'file' | 'api' | 'docker' | 'cni';

/** Who made an object, and who alone may change it. `ref` is the file, or the foreign ID. */
export interface Owner {
  kind: Origin;
  ref: string;
}

/** Limits of one network's FDB; durations in seconds. */
export interface FdbLimits {
  age: number;
  limit: number;
  limitPerPort: number;
  moveCount: number;
  moveWindow: number;
  moveFreeze: number;
}

export interface NetworkRecord {
  name: string;
  vni: number;
  /** Canonical CIDRs. */
  subnets: string[];
  /** Bytes of IP. */
  mtu: number | 'auto';
  vlan: 'drop' | 'pass';
  /** What differs from the host's `fdb` section. */
  fdb: Partial<FdbLimits>;
  owner: Owner;
}

/**
 * A network namespace as the daemon finds it again. A cookie is unique until reboot, so it is compared only while the boot ID is the
 * same; inodes and bare PIDs are reused by the kernel and prove nothing.
 */
export interface NetnsRecord {
  kind: 'name' | 'path' | 'pid';
  /** As the user wrote it. */
  given: string;
  /** A path that opens it from the daemon, also after the caller is gone. */
  path: string;
  cookie: string;
  bootId: string;
  /** For `pid`: start time of the process in clock ticks since boot; tells a reused PID. */
  startTime: string | null;
}

export interface PortRecord {
  id: string;
  name: string | null;
  network: string;
  ifname: string;
  /** null: the namespace of weftd. */
  netns: NetnsRecord | null;
  mac: string;
  /** `10.0.0.1/24` form. */
  addresses: string[];
  attach: 'tap';
  owner: Owner;
  /**
   * `deny`: frames with a source MAC or address that is not the port's own are dropped, and what only routers and DHCP servers send.
   * Absent: `allow`.
   */
  spoof?: 'deny';
  /** Only of ports that Docker made; `owner.ref` is then the ID of the endpoint. */
  endpoint?: EndpointRecord;
  /** The port was removed, and is kept only until its link is gone too. */
  removing?: true;
}

/**
 * Where the link of a Docker endpoint may be. weftd makes it in its own namespace; Docker moves it into the sandbox of the container
 * after Join, and back after Leave. So the link is looked for in both.
 */
export interface EndpointRecord {
  /** ID of Docker's network, the key of its {@link EngineNetworkRecord}. */
  engineNetwork: string;
  /** From Join to Leave. */
  sandbox: Sandbox | null;
  /** Leave came: DeleteEndpoint follows. */
  left?: true;
  /** Boot in which the endpoint was made: none outlives it. */
  bootId: string;
  /** Milliseconds since the epoch: when it was made, joined, or left, whichever came last. */
  since: number;
}

export interface Sandbox {
  /** An nsfs file such as /var/run/docker/netns/7062d73ede71. It may not be there yet when Join comes. */
  path: string;
  /** Once it was seen there. */
  cookie: string | null;
}

/** A network of a container engine, and the weft network that its endpoints are on. */
export interface EngineNetworkRecord {
  /** The engine's ID, 64 hex digits; the key. */
  id: string;
  engine: 'docker';
  /** Name of the weft network. */
  network: string;
  pools: EnginePool[];
  internal: boolean;
  /** ID of the engine whose API showed the network; absent until one did. */
  seenBy?: string;
}

export interface EnginePool {
  /** ID of a {@link PoolRecord}; null when another IPAM driver gives the addresses. */
  id: string | null;
  /** Canonical CIDR. */
  subnet: string;
  /** Bare addresses that are reserved on every host. */
  gateway: string | null;
  auxiliary: string[];
}

/** A subnet that an engine asked our IPAM for. */
export interface PoolRecord {
  /** The key; made of the other fields, stable for ever, because engines store it. */
  id: string;
  /** One address is given once in a scope: the name of a network, or the subnet in canonical form where none was named. */
  scope: string;
  /** Canonical CIDR. */
  subnet: string;
  /** Addresses are given from this part of the subnet only; a canonical CIDR. */
  range: string | null;
  /** RequestPool less ReleasePool. */
  references: number;
  /** An engine network of ours used it once; only such pools are collected. */
  bound: boolean;
  /** Milliseconds since the epoch of the last RequestPool. */
  requestedAt: number;
}

/** An address that was given, or was until a while ago. */
export interface LeaseRecord {
  scope: string;
  /** Canonical, without prefix. */
  address: string;
  /** Gateways and auxiliary addresses are reserved on every host, and end with their pool. */
  kind: 'endpoint' | 'gateway' | 'auxiliary';
  /** Name of the container, where the engine tells it. */
  name: string | null;
  /** The port that has it; null until one claims it. */
  port: string | null;
  state: 'active' | 'released';
  /** Milliseconds since the epoch: when the state began. */
  since: number;
}

export function leaseKey(lease: { scope: string; address: string }): string {
  return `${lease.address} ${lease.scope}`;
}

export interface PeerRecord {
  id: string;
  /** A numeric address in canonical form, or a host name. */
  address: string;
  port: number;
  checksum: 'full' | 'zero';
  offload: 'auto' | 'off';
  owner: Owner;
}

export interface EntryTarget {
  kind: 'port' | 'peer';
  id: string;
}

/** A static FDB entry. */
export interface EntryRecord {
  network: string;
  mac: string;
  where: EntryTarget;
  owner: Owner;
}

export function entryKey(entry: { network: string; mac: string }): string {
  return `${entry.mac} ${entry.network}`;
}

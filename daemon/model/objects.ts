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
  /** The port was removed, and is kept only until its link is gone too. */
  removing?: true;
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

/** What an engine was told, in a form that can be kept until another engine is told the same. */
import type {
  EngineOptions,
  HostSelf,
  NetworkOptions,
  PeerOptions,
  PortGuard,
  PortOffloads,
  UnderlayOptions,
} from './native.js';
import type { DeclaredEntry, PortPlace } from './registry.js';

/** What to join into super-frames on TAP writes, and from how many UDP ports to send. */
export type DatapathOptions = Pick<EngineOptions, 'mergeTcp' | 'mergeUdp'> &
  Partial<Pick<EngineOptions, 'sourcePorts'>>;

/** {@link HostSelf} as plain data: the host ID in hexadecimal digits, the large numbers in decimal ones. */
interface PlainSelf {
  host: string;
  incarnation: string;
  version: HostSelf['version'];
  networks: string;
}

/** All that the engine was told, so that another one can be told the same: plain data. */
export interface Program {
  options: DatapathOptions;
  underlay: UnderlayOptions | null;
  portOffloads: PortOffloads | null;
  carryChecksum: boolean;
  busyPoll: boolean;
  self: PlainSelf | null;
  networks: [string, NetworkOptions][];
  peers: [string, PeerOptions][];
  /** {@link Datapath.offloadDamage} of peers. */
  damage: [string, string][];
  ports: [string, PortPlace][];
  guards: [string, PortGuard][];
  entries: DeclaredEntry[];
  /** What it has learned itself, or as much of it as is worth it. */
  learned: DeclaredEntry[];
}

export function plainSelf({ host, incarnation, version, networks }: HostSelf): PlainSelf {
  return {
    host: Buffer.from(host).toString('hex'),
    incarnation: String(incarnation),
    version,
    networks: String(networks),
  };
}

export function selfOf({ host, incarnation, version, networks }: PlainSelf): HostSelf {
  return {
    host: Buffer.from(host, 'hex'),
    incarnation: BigInt(incarnation),
    version,
    networks: BigInt(networks),
  };
}

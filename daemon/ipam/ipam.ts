/** Gives addresses to container engines out of the part of each subnet that this host owns. */
import type { Pool } from '../api/schema.js';
import type { LeaseRecord, PoolRecord } from '../model/objects.js';
import type { Store } from '../state/store.js';

/** What the configuration says, read anew for each request. */
export interface IpamRules {
  /** Subnets that a network declares; null when there is no such network. */
  subnetsOf(network: string): readonly string[] | null;
  /** The part of every subnet that this host gives from: of the network with this name, else of the host; null when none is configured. */
  shareOf(network: string): { of: number; index: number } | null;
  /** There are other hosts, which must not give the same addresses. */
  meshed(): boolean;
  /** Subnets of networks and routes of this host, which a default subnet must not overlap: canonical CIDRs. */
  occupied(): readonly string[];
}

export interface IpamParts {
  store: Store;
  rules: IpamRules;
  /** Milliseconds since the epoch. */
  now: () => number;
}

export interface PoolRequest {
  /** `weft.network`; null: the pool stands for itself. */
  network: string | null;
  /** CIDR as the engine sends it; null: a subnet of the network, or a default one. */
  subnet: string | null;
  /** `--ip-range`, a CIDR; null: all of the share. */
  range: string | null;
  family: 4 | 6;
}

export interface AddressRequest {
  pool: string;
  /** null: any. */
  address: string | null;
  gateway: boolean;
  /** Name of the container, where the engine tells it. */
  name: string | null;
}

export class Ipam {
  constructor(private readonly parts: IpamParts) {}

  requestPool(request: PoolRequest): Promise<PoolRecord> {
    return Promise.reject(new Error(String(request.subnet) + this.parts.now()));
  }

  /** It is no error when there is none. */
  releasePool(id: string): Promise<void> {
    return Promise.reject(new Error(id));
  }

  /** The address with the prefix length of its subnet. */
  requestAddress(request: AddressRequest): Promise<string> {
    return Promise.reject(new Error(request.pool));
  }

  /** It is no error when it was not given. */
  releaseAddress(pool: string, address: string): Promise<void> {
    return Promise.reject(new Error(pool + address));
  }

  /** Forgets what nobody claimed, and what was released long ago. Called every minute. */
  collect(): Promise<void> {
    return Promise.reject(new Error('collect'));
  }

  lease(scope: string, address: string): LeaseRecord | undefined {
    throw new Error(scope + address);
  }

  pools(): Pool[] {
    throw new Error('pools');
  }
}

/** Networks of container engines: each is on one network of weft, which it names, or which is made for it and named after its subnet. */
import type { EngineNetworkRecord } from '../model/objects.js';
import type { IntentParts } from './parts.js';

export interface EngineNetworkCreate {
  id: string;
  /** `weft.network`: the network to join or make. null: the one named after the first IPv4 subnet, else the first IPv6 one. */
  network: string | null;
  /** What was asked for, checked already; null: what the network has. */
  vni: number | null;
  mtu: number | null;
  internal: boolean;
  /** Take subnets that another IPAM driver gives addresses from. */
  foreignIpam: boolean;
  pools: EngineNetworkPool[];
}

export interface EngineNetworkPool {
  /** Canonical CIDR. */
  subnet: string;
  /** Bare addresses. */
  gateway: string | null;
  auxiliary: string[];
  /** Our IPAM gave it. */
  ours: boolean;
}

export class EngineNetworkIntent {
  constructor(private readonly parts: IntentParts) {}

  /** The same request again changes nothing. */
  create(request: EngineNetworkCreate): Promise<EngineNetworkRecord> {
    return this.parts.mutex.run(() => Promise.reject(new Error(request.id)));
  }

  /** It is no error when there is none. */
  remove(id: string): Promise<void> {
    return this.parts.mutex.run(() => Promise.reject(new Error(id)));
  }
}

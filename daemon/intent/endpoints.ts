/** Endpoints of container engines: each is a port whose link the engine moves into the container and back. */
import type { PortRecord } from '../model/objects.js';
import type { IntentParts } from './parts.js';

export interface EndpointCreate {
  /** 64 hex digits. */
  id: string;
  engineNetwork: string;
  /** `10.0.0.1/24` form. */
  addresses: string[];
  /** null: one is minted. */
  mac: string | null;
}

export interface Joined {
  /** The link in our namespace that the engine is to move. */
  ifname: string;
  /** Other subnets of the network, which are on the same segment: canonical CIDRs. */
  onLink: string[];
}

export class EndpointIntent {
  constructor(private readonly parts: IntentParts) {}

  /** Makes the port with its link. The same request again gives the same port. */
  create(request: EndpointCreate): Promise<PortRecord> {
    return this.parts.mutex.run(() => Promise.reject(new Error(request.id)));
  }

  /** `sandbox` is the path of the container's namespace, which need not exist yet. */
  join(id: string, sandbox: string): Promise<Joined> {
    return this.parts.mutex.run(() => Promise.reject(new Error(id + sandbox)));
  }

  /** The link is still in the sandbox and stays. It is no error when there is no such endpoint. */
  leave(id: string): Promise<void> {
    return this.parts.mutex.run(() => Promise.reject(new Error(id)));
  }

  /** It is no error when there is no such endpoint. */
  remove(id: string): Promise<void> {
    return this.parts.mutex.run(() => Promise.reject(new Error(id)));
  }

  find(id: string): PortRecord | undefined {
    return this.parts.catalog.ports().find(({ owner }) => owner.kind === 'docker' && owner.ref === id);
  }
}

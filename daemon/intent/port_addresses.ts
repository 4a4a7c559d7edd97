/** Which port has which address, for IPAM. Kept up with the store, since each request for an address looks at it. */
import type { Holder } from '../ipam/ipam.js';
import { contains, withoutPrefix } from '../model/address.js';
import type { PortRecord } from '../model/objects.js';
import { portLabel } from '../state/catalog.js';
import type { Store } from '../state/store.js';

interface Entry {
  network: string;
  addresses: string[];
}

const none: ReadonlyMap<string, Holder> = new Map();

export class PortAddresses {
  private readonly ports = new Map<string, Entry>();
  /** By network, then by address. */
  private readonly networks = new Map<string, Map<string, Holder>>();
  /** By scope: the networks whose ports have its addresses. null: to be read again. */
  private scopes: ReadonlyMap<string, ReadonlySet<string>> | null = null;

  constructor(private readonly store: Pick<Store, 'get' | 'list' | 'watch'>) {
    for (const port of store.list('port')) this.add(port);
    store.watch(({ kind, key }) => {
      if (kind === 'engine-network') this.scopes = null;
      if (kind !== 'port') return;
      this.remove(key);
      const port = store.get('port', key);
      if (port !== undefined) this.add(port);
    });
  }

  /** By address in canonical form without prefix: of ports on the networks that have pools of this scope. */
  takenIn(scope: string): ReadonlyMap<string, Holder> {
    this.scopes ??= this.readScopes();
    const networks = [...new Set([scope, ...(this.scopes.get(scope) ?? [])])];
    const maps = networks.flatMap((network) => this.networks.get(network) ?? []);
    if (maps.length > 1) return new Map(maps.flatMap((addresses) => [...addresses]));
    return maps[0] ?? none;
  }

  /** A network with subnets of both families may have a scope for each. */
  private readScopes(): ReadonlyMap<string, ReadonlySet<string>> {
    const scopes = new Map<string, Set<string>>();
    for (const { network, pools } of this.store.list('engine-network'))
      for (const { id } of pools) {
        const scope = id === null ? undefined : this.store.get('pool', id)?.scope;
        if (scope !== undefined) scopes.set(scope, (scopes.get(scope) ?? new Set()).add(network));
      }
    return scopes;
  }

  private add(port: PortRecord): void {
    const { id, network, name, removing } = port;
    if (removing === true || port.addresses.length === 0) return;
    const addresses = port.addresses.map(withoutPrefix);
    this.ports.set(id, { network, addresses });
    const known = this.networks.get(network) ?? new Map<string, Holder>();
    for (const address of addresses)
      known.set(address, { port: name ?? portLabel(port), leased: this.isLeased(port, address) });
    this.networks.set(network, known);
  }

  private remove(id: string): void {
    const entry = this.ports.get(id);
    if (entry === undefined) return;
    this.ports.delete(id);
    const known = this.networks.get(entry.network);
    for (const address of entry.addresses) known?.delete(address);
    if (known?.size === 0) this.networks.delete(entry.network);
  }

  private isLeased({ endpoint }: PortRecord, address: string): boolean {
    if (endpoint === undefined) return false;
    const pools = this.store.get('engine-network', endpoint.engineNetwork)?.pools ?? [];
    return pools.some(({ id, subnet }) => id !== null && contains(subnet, address));
  }
}

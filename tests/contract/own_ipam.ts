/** Asks weft for pools and addresses where the recorded engine asked its own IPAM, in the order in which engines do. */
import type { Weftd } from './weftd.js';

interface PoolData {
  AddressSpace: string;
  Pool: string;
  Gateway?: string;
  AuxAddresses?: Record<string, string>;
}
interface NetworkBody {
  NetworkID: string;
  IPv4Data: PoolData[] | null;
  IPv6Data: PoolData[] | null;
}
interface EndpointBody {
  NetworkID: string;
  EndpointID: string;
  Interface: { Address: string; AddressIPv6: string };
}
interface Reserved {
  PoolID: string;
  Address: string;
}

export class OwnIpam {
  private readonly pools = new Map<string, { 4: string | null; 6: string | null; reserved: Reserved[] }>();
  private readonly addresses = new Map<string, Reserved[]>();

  constructor(private readonly weftd: Weftd) {}

  /** The body to send in place of the recorded one. `command` is what the user had typed. */
  async before(request: string, body: unknown, command: string): Promise<unknown> {
    if (request === 'NetworkDriver.CreateNetwork') return await this.requestPools(body as NetworkBody);
    if (request === 'NetworkDriver.CreateEndpoint')
      return await this.requestAddresses(body as EndpointBody, command);
    if (request === 'NetworkDriver.DeleteNetwork') await this.releasePools((body as NetworkBody).NetworkID);
    return body;
  }

  async after(request: string, body: unknown): Promise<void> {
    if (request !== 'NetworkDriver.DeleteEndpoint') return;
    const { EndpointID } = body as EndpointBody;
    for (const given of this.addresses.get(EndpointID) ?? []) await this.ask('ReleaseAddress', given);
    this.addresses.delete(EndpointID);
  }

  private async requestPools(body: NetworkBody): Promise<NetworkBody> {
    const all = [...(body.IPv4Data ?? []), ...(body.IPv6Data ?? [])];
    if (all.some(({ AddressSpace }) => AddressSpace !== 'LocalDefault')) return body;
    const known: { 4: string | null; 6: string | null; reserved: Reserved[] } = {
      4: null,
      6: null,
      reserved: [],
    };
    for (const { Pool, Gateway, AuxAddresses } of all) {
      const V6 = Pool.includes(':');
      const { PoolID } = await this.ask('RequestPool', {
        AddressSpace: 'weft-local',
        Pool,
        SubPool: '',
        Options: {},
        V6,
      });
      known[V6 ? 6 : 4] ??= PoolID;
      const gateway = { RequestAddressType: 'com.docker.network.gateway' };
      const wanted: [string, object | null][] = Gateway ? [[Gateway, gateway]] : [];
      for (const one of Object.values(AuxAddresses ?? {})) wanted.push([one, null]);
      for (const [cidr, Options] of wanted) {
        const reserved = { PoolID, Address: bare(cidr) };
        await this.ask('RequestAddress', { ...reserved, Options });
        known.reserved.push(reserved);
      }
    }
    this.pools.set(body.NetworkID, known);
    const ours = (list: PoolData[] | null) =>
      (list ?? []).map((data) => ({ ...data, AddressSpace: 'weft-local' }));
    return { ...body, IPv4Data: ours(body.IPv4Data), IPv6Data: ours(body.IPv6Data) };
  }

  private async requestAddresses(body: EndpointBody, command: string): Promise<EndpointBody> {
    const pools = this.pools.get(body.NetworkID);
    if (pools === undefined) return body;
    const given: Reserved[] = [];
    const request = async (PoolID: string | null, recorded: string, flag: string) => {
      if (PoolID === null || recorded === '') return '';
      const Address = command.includes(`${flag} `) ? bare(recorded) : '';
      const answer = await this.ask('RequestAddress', { PoolID, Address, Options: null });
      given.push({ PoolID, Address: bare(answer.Address) });
      return answer.Address;
    };
    const Interface = {
      ...body.Interface,
      Address: await request(pools[4], body.Interface.Address, '--ip'),
      AddressIPv6: await request(pools[6], body.Interface.AddressIPv6, '--ip6'),
    };
    this.addresses.set(body.EndpointID, given);
    return { ...body, Interface };
  }

  private async releasePools(network: string): Promise<void> {
    const known = this.pools.get(network);
    if (known === undefined) return;
    for (const reserved of known.reserved) await this.ask('ReleaseAddress', reserved);
    const ids = new Set([known[4], known[6], ...known.reserved.map(({ PoolID }) => PoolID)]);
    for (const PoolID of ids) if (PoolID !== null) await this.ask('ReleasePool', { PoolID });
  }

  private async ask(method: string, body: object) {
    const answer = await this.weftd.ask(`IpamDriver.${method}`, body);
    if (answer.status === 200) return answer.body;
    throw new Error(`${method} ${JSON.stringify(body)}: ${JSON.stringify(answer.body)}`);
  }
}

function bare(cidr: string): string {
  return cidr.replace(/\/\d+$/, '');
}

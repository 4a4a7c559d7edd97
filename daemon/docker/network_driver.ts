/** The receiver NetworkDriver: translates to the intents of engine networks and endpoints. */
import type { Logger } from 'pino';
import { WeftError } from '../errors.js';
import type { EndpointIntent } from '../intent/endpoints.js';
import type { EngineNetworkIntent, EngineNetworkPool } from '../intent/engine_networks.js';
import { formatCidr, networkOf, parseCidr } from '../model/address.js';
import { isUnicastMac, parseMac } from '../model/mac.js';
import { checkEndpointOptions, readNetworkOptions } from './options.js';
import {
  addressSpaces,
  constant,
  genericOptions,
  invalid,
  labels,
  type Method,
  method,
  type PoolData,
  type Request,
} from './protocol.js';

export interface NetworkDriverParts {
  networks: Pick<EngineNetworkIntent, 'create' | 'remove'>;
  endpoints: Pick<EndpointIntent, 'create' | 'join' | 'leave' | 'remove' | 'find'>;
  log: Logger;
}

const longestSandbox = 1024;
const ownSpaces: readonly string[] = Object.values(addressSpaces);

/** RouteType of libnetwork: on the link, without a next hop. */
const connected = 1;

const inSwarm =
  'weft has no networks of the scope swarm: services of Swarm cannot use a plugin on a socket. Leave "--scope swarm" away';

/** Method names without the receiver. */
export function networkDriver({ networks, endpoints, log }: NetworkDriverParts): Record<string, Method> {
  const refuseSwarm = (name: string) => () => {
    throw invalid(name, inSwarm);
  };
  return {
    GetCapabilities: constant({ Scope: 'local', ConnectivityScope: 'global', GwAllocChecker: true }),

    // A network needs no gateway address on this segment: Docker's gateway service is on another link.
    GwAllocCheck: method('NetworkDriver.GwAllocCheck', 'gatewayCheck', (request) => {
      readNetworkOptions(genericOptions('NetworkDriver.GwAllocCheck', request.Options));
      return { SkipIPv4: true, SkipIPv6: true };
    }),

    AllocateNetwork: method(
      'NetworkDriver.AllocateNetwork',
      'nothing',
      refuseSwarm('NetworkDriver.AllocateNetwork'),
    ),
    FreeNetwork: method('NetworkDriver.FreeNetwork', 'nothing', refuseSwarm('NetworkDriver.FreeNetwork')),

    CreateNetwork: method(
      'NetworkDriver.CreateNetwork',
      'createNetwork',
      async (request) => {
        const { ignored, ...create } = toEngineNetwork(request);
        if (ignored.length > 0)
          log.info(
            { engineNetwork: short(create.id), ignored },
            'options of a Docker network that mean nothing to weft',
          );
        await networks.create(create);
        return {};
      },
      // Docker forgets a network whose creation failed, and never removes it.
      (request) => networks.remove(request.NetworkID),
    ),

    DeleteNetwork: method('NetworkDriver.DeleteNetwork', 'network', async ({ NetworkID }) => {
      await networks.remove(NetworkID);
      return {};
    }),

    CreateEndpoint: method(
      'NetworkDriver.CreateEndpoint',
      'createEndpoint',
      async (request) => {
        checkEndpointOptions(Object.keys(request.Options));
        const port = await endpoints.create({
          id: request.EndpointID,
          engineNetwork: request.NetworkID,
          addresses: [request.Interface.Address, request.Interface.AddressIPv6]
            .filter(Boolean)
            .map(toAddress),
          mac: toMac(request),
        });
        // A field that Docker has set itself must not be answered: "driver modified interface".
        return { Interface: request.Interface.MacAddress === '' ? { MacAddress: port.mac } : {} };
      },
      // Docker gives the addresses back and forgets the endpoint.
      (request) => endpoints.remove(request.EndpointID),
    ),

    DeleteEndpoint: method('NetworkDriver.DeleteEndpoint', 'endpoint', async ({ EndpointID }) => {
      await endpoints.remove(EndpointID);
      return {};
    }),

    EndpointOperInfo: method('NetworkDriver.EndpointOperInfo', 'endpoint', ({ EndpointID }) => {
      const port = endpoints.find(EndpointID);
      if (port === undefined) return {};
      return { Value: { 'weft.port': port.id, 'weft.network': port.network, 'weft.link': port.ifname } };
    }),

    Join: method(
      'NetworkDriver.Join',
      'join',
      async ({ EndpointID, SandboxKey }) => {
        const joined = await endpoints.join(EndpointID, toSandbox(SandboxKey));
        return {
          InterfaceName: { SrcName: joined.ifname, DstPrefix: 'eth' },
          StaticRoutes: joined.onLink.map((subnet) => ({ Destination: subnet, RouteType: connected })),
          // Without a gateway of ours, Docker's own gives egress and published ports.
          DisableGatewayService: false,
        };
      },
      // Docker calls DeleteEndpoint next, without Leave.
      ({ EndpointID }) => endpoints.leave(EndpointID),
    ),

    Leave: method('NetworkDriver.Leave', 'endpoint', async ({ EndpointID }) => {
      await endpoints.leave(EndpointID);
      return {};
    }),

    // Only drivers that answer Join with a gateway are asked to publish ports; Docker's gateway service does it here.
    ProgramExternalConnectivity: constant({}),
    RevokeExternalConnectivity: constant({}),
    // Nodes of Docker's own cluster, which are no peers of weft.
    DiscoverNew: constant({}),
    DiscoverDelete: constant({}),
  };
}

function toEngineNetwork(request: Request<'createNetwork'>) {
  const { network, vni, mtu, foreignIpam, ignored } = readNetworkOptions(
    genericOptions('NetworkDriver.CreateNetwork', request.Options),
  );
  return {
    id: request.NetworkID,
    network,
    vni,
    mtu,
    internal: request.Options[labels.internal] === true,
    foreignIpam,
    pools: [...request.IPv4Data, ...request.IPv6Data].map(toPool),
    ignored,
  };
}

function toPool(data: PoolData): EngineNetworkPool {
  const subnet = parseCidr(data.Pool);
  if (subnet === null) throw invalid('NetworkDriver.CreateNetwork', `"${data.Pool}" is no subnet`);
  return {
    subnet: formatCidr(networkOf(subnet)),
    gateway: data.Gateway === '' ? null : bare(data.Gateway),
    auxiliary: Object.values(data.AuxAddresses).filter(Boolean).map(bare),
    ours: ownSpaces.includes(data.AddressSpace),
  };
}

/** The address of `10.32.0.1/16`. */
function bare(text: string): string {
  const cidr = parseCidr(text);
  if (cidr === null)
    throw invalid('NetworkDriver.CreateNetwork', `"${text}" is no address with a prefix length`);
  return cidr.address;
}

function toAddress(text: string): string {
  const cidr = parseCidr(text);
  if (cidr === null)
    throw invalid('NetworkDriver.CreateEndpoint', `"${text}" is no address with a prefix length`);
  return formatCidr(cidr);
}

function toMac({ Interface, Options }: Request<'createEndpoint'>): string | null {
  const label = Options[labels.endpointMac];
  // Go writes a []byte in base64.
  const bytes = typeof label === 'string' ? Buffer.from(label, 'base64') : Buffer.alloc(0);
  const given =
    Interface.MacAddress !== '' ? Interface.MacAddress : bytes.toString('hex').replace(/..(?=.)/g, '$&:');
  if (given === '') return null;
  const mac = parseMac(given);
  if (mac !== null && isUnicastMac(mac)) return mac;
  throw new WeftError('WEFT_INVALID', {
    field: '--mac-address',
    reason: `"${given.slice(0, 64)}" is no MAC address that one container can have`,
  });
}

function toSandbox(path: string): string {
  const valid = path.startsWith('/') && path.length <= longestSandbox && !path.includes('\0');
  if (!valid) throw invalid('NetworkDriver.Join', 'SandboxKey: is no absolute path');
  return path;
}

/** The form in which Docker prints identifiers. */
function short(id: string): string {
  return id.slice(0, 12);
}

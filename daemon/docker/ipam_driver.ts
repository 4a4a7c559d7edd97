/** The receiver IpamDriver: translates to pools and leases. */

import { WeftError } from '../errors.js';
import type { Ipam } from '../ipam/ipam.js';
import { familyOf, parseAddress, parseCidr } from '../model/address.js';
import { readIpamOptions } from './options.js';
import { addressSpaces, constant, invalid, labels, type Method, method, type Request } from './protocol.js';

export interface IpamDriverParts {
  ipam: Pick<Ipam, 'requestPool' | 'releasePool' | 'requestAddress' | 'releaseAddress'>;
}

const ownSpaces: readonly string[] = ['', ...Object.values(addressSpaces)];
/** Docker's names of containers are shorter; what is longer is no name. */
const longestName = 255;

/** Method names without the receiver. */
export function ipamDriver({ ipam }: IpamDriverParts): Record<string, Method> {
  return {
    GetCapabilities: constant({ RequiresMACAddress: false, RequiresRequestReplay: false }),
    GetDefaultAddressSpaces: constant(addressSpaces),

    RequestPool: method(
      'IpamDriver.RequestPool',
      'requestPool',
      async (request) => {
        const { id, subnet } = await ipam.requestPool(toPoolRequest(request));
        return { PoolID: id, Pool: subnet, Data: {} };
      },
      // Docker does not release a pool that it never got.
      (_, { PoolID }) => ipam.releasePool(PoolID),
    ),

    ReleasePool: method('IpamDriver.ReleasePool', 'pool', async ({ PoolID }) => {
      await ipam.releasePool(PoolID);
      return {};
    }),

    // One that comes too late is not released here: the next request of the same container may have been given it already. IPAM
    // collects it when no endpoint claims it.
    RequestAddress: method('IpamDriver.RequestAddress', 'requestAddress', async (request) => {
      const address = await ipam.requestAddress({
        pool: request.PoolID,
        address: request.Address === '' ? null : toAddress('IpamDriver.RequestAddress', request.Address),
        gateway: request.Options[labels.requestType] === labels.gateway,
        name: toName(request.Options[labels.endpointName]),
      });
      return { Address: address, Data: {} };
    }),

    ReleaseAddress: method('IpamDriver.ReleaseAddress', 'releaseAddress', async ({ PoolID, Address }) => {
      await ipam.releaseAddress(PoolID, toAddress('IpamDriver.ReleaseAddress', Address));
      return {};
    }),
  };
}

function toPoolRequest({ AddressSpace, Pool, SubPool, Options, V6 }: Request<'requestPool'>) {
  if (!ownSpaces.includes(AddressSpace))
    throw invalid('IpamDriver.RequestPool', `AddressSpace: "${AddressSpace}" is not of weft`);
  const network = readIpamOptions(Options);
  const family: 4 | 6 = V6 ? 6 : 4;
  for (const subnet of [Pool, SubPool].filter(Boolean)) {
    const cidr = parseCidr(subnet);
    if (cidr === null || familyOf(cidr.address) !== family)
      throw invalid('IpamDriver.RequestPool', `"${subnet}" is no subnet of IPv${family}`);
  }
  if (Pool === '' && SubPool !== '' && network === null)
    throw new WeftError('WEFT_IPAM_POOL_INVALID', {
      subnet: SubPool,
      reason: 'it is a range without its subnet',
      advice: 'Write --subnet too, besides --ip-range.',
    });
  return {
    network,
    subnet: Pool === '' ? null : Pool,
    range: SubPool === '' ? null : SubPool,
    family,
  };
}

/** Docker sends bare addresses; with a prefix length is understood too. */
function toAddress(method: string, text: string): string {
  const address = parseAddress(text) ?? parseCidr(text)?.address ?? null;
  if (address === null) throw invalid(method, `Address: "${text.slice(0, 64)}" is no address`);
  return address;
}

function toName(value: unknown): string | null {
  const name = typeof value === 'string' ? value.replace(/^\//, '') : '';
  return name !== '' && name.length <= longestName ? name : null;
}

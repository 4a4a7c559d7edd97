/** What IPAM may give addresses from, as the configuration and this host say. */
import type { Kernel } from '../datapath/kernel.js';
import type { IpamRules } from '../ipam/ipam.js';
import { formatCidr, networkOf, parseCidr } from '../model/address.js';
import type { Reconciler } from '../reconcile/reconciler.js';
import type { Catalog } from '../state/catalog.js';
import type { PortAddresses } from './port_addresses.js';

export function addressRules(
  catalog: Catalog,
  reconciler: Pick<Reconciler, 'view'>,
  kernel: Pick<Kernel, 'links'>,
  ports: Pick<PortAddresses, 'takenIn'>,
): IpamRules {
  return {
    subnetsOf: (network) => catalog.networks().find(({ name }) => name === network)?.subnets ?? null,
    shareOf: (network) => catalog.config.networks[network]?.ipam?.share ?? catalog.config.ipam.share,
    // A list of peers that names this host alone, so that one file fits all, is no mesh.
    meshed: () => catalog.peers().some(({ id }) => reconciler.view.picture.peers.get(id)?.state !== 'self'),
    occupied: () => [
      ...catalog.networks().flatMap(({ subnets }) => subnets),
      ...kernel
        .links(null)
        .flatMap(({ addresses }) => addresses)
        .flatMap((text) => parseCidr(text) ?? [])
        .map((cidr) => formatCidr(networkOf(cidr))),
    ],
    takenIn: (scope) => ports.takenIn(scope),
  };
}

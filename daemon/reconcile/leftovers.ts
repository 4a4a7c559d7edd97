/** Ports that were removed, and what is left of them. */
import { linkAlias } from '../model/identity.js';
import type { PortRecord } from '../model/objects.js';
import type { Actual } from './plan.js';

/**
 * Those of which nothing is left: out of the datapath, and their link was seen to be gone, or its namespace is. A namespace that cannot
 * be found any more takes nothing along: the datapath ended the TAP by its file descriptor.
 */
export function withoutLeftovers(
  removed: readonly PortRecord[],
  actual: Pick<Actual, 'ports' | 'places' | 'namespaces'>,
  hostId: string,
): PortRecord[] {
  return removed.filter(({ id }) => {
    const place = actual.places.get(id);
    if (actual.ports.has(id) || place === undefined || place.state === 'unsure') return false;
    if (place.state !== 'present') return true;
    const alias = linkAlias(hostId, id);
    const links = actual.namespaces.get(place.cookie)?.links;
    return links?.every((link) => link.alias !== alias) ?? false;
  });
}

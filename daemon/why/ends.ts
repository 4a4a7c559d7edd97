/** Who is meant by what was typed: an ID, a name, a container, IFNAME@NETNS, an address, or a MAC. Pure. */
import { WeftError } from '../errors.js';
import { contains, parseAddress, withoutPrefix } from '../model/address.js';
import { parseMac } from '../model/mac.js';
import type { FarAccount, PortFacts } from './snapshot.js';
import { listed } from './step.js';

/** A port of this host with all that it may be called. */
export interface Candidate {
  port: PortFacts;
  /** In the order in which they count: all with the first kind of name that matches are meant. */
  names: readonly (readonly string[])[];
  /** Of MACs behind the port, beside its own. */
  behind: readonly string[];
}

export interface Ref {
  given: string;
  kind: 'address' | 'mac' | 'name';
  address: string | null;
  mac: string | null;
}

export function parseRef(given: string): Ref {
  const mac = parseMac(given);
  if (mac !== null) return { given, kind: 'mac', address: null, mac };
  const address = parseAddress(given);
  if (address !== null) return { given, kind: 'address', address, mac: null };
  return { given, kind: 'name', address: null, mac: null };
}

export function portsOf(ref: Ref, candidates: readonly Candidate[]): PortFacts[] {
  if (ref.kind === 'address')
    return portsWhere(candidates, ({ port }) => addressesOf(port).includes(ref.address ?? ''));
  if (ref.kind === 'mac') {
    const own = portsWhere(candidates, ({ port }) => (port.link?.mac ?? port.mac) === ref.mac);
    return own.length > 0 ? own : portsWhere(candidates, ({ behind }) => behind.includes(ref.mac ?? ''));
  }
  const kinds = Math.max(0, ...candidates.map(({ names }) => names.length));
  for (let kind = 0; kind < kinds; kind++) {
    const found = portsWhere(candidates, ({ names }) => names[kind]?.includes(ref.given) === true);
    if (found.length > 0) return found;
  }
  return [];
}

function portsWhere(candidates: readonly Candidate[], match: (one: Candidate) => boolean): PortFacts[] {
  return candidates.filter(match).map(({ port }) => port);
}

function addressesOf(port: PortFacts): string[] {
  return [...port.addresses, ...(port.link?.addresses ?? [])].map(withoutPrefix);
}

export interface Pair {
  source: PortFacts | null;
  destination: PortFacts | null;
}

/**
 * One port for each end, on one network where there is one with both. `network` is the one that was asked for, `subnets` are those of each
 * network. Throws WEFT_PORT_AMBIGUOUS when several would do, and WEFT_WHY_ELSEWHERE when neither end is here.
 */
export function pair(
  source: { ref: Ref; ports: readonly PortFacts[] },
  destination: { ref: Ref; ports: readonly PortFacts[] },
  network: string | null,
  subnets: ReadonlyMap<string, readonly string[]>,
): Pair {
  const wanted = (ports: readonly PortFacts[]) =>
    network === null ? ports : ports.filter((port) => port.network === network);
  const [sources, destinations] = [wanted(source.ports), wanted(destination.ports)];
  if (sources.length === 0 && destinations.length === 0) {
    const where = network === null ? '' : ` on network "${network}"`;
    throw new WeftError('WEFT_WHY_ELSEWHERE', {
      source: source.ref.given,
      destination: destination.ref.given,
      where,
    });
  }
  if (sources.length === 0 || destinations.length === 0) {
    const [here, there] = sources.length === 0 ? [destination, source] : [source, destination];
    const near = wanted(here.ports).filter(({ network: name }) =>
      (subnets.get(name) ?? []).some(
        (subnet) => there.ref.address !== null && contains(subnet, there.ref.address),
      ),
    );
    const only = one(here.ref, near.length > 0 ? near : wanted(here.ports));
    return sources.length === 0 ? { source: null, destination: only } : { source: only, destination: null };
  }
  const shared = sources.filter(({ network: name }) => destinations.some((port) => port.network === name));
  const from = one(source.ref, shared.length > 0 ? shared : sources.slice(0, 1));
  const same = destinations.filter((port) => port.network === from.network);
  return {
    source: from,
    destination: one(destination.ref, same.length > 0 ? same : destinations.slice(0, 1)),
  };
}

/**
 * Throws WEFT_WHY_UNKNOWN where no peer has a port of that name either. `asked` are addresses of peers, with what they replied. An only peer without
 * the network was not asked for names, and the walk says so.
 */
export function checkKnown(
  { kind, given }: Ref,
  asked: readonly { address: string; account: FarAccount | null }[],
): void {
  if (kind !== 'name' || asked.some(({ account }) => account !== null && account.port !== null)) return;
  const [only] = asked;
  if (asked.length === 1 && only?.account && only.account.network !== 'same') return;
  const unasked = asked.filter(({ account }) => account === null).map(({ address }) => address);
  const silent = unasked.length === 0 ? '' : `; could not be asked: ${listed(unasked)}`;
  throw new WeftError('WEFT_WHY_UNKNOWN', { name: given, silent });
}

function one(ref: Ref, ports: readonly PortFacts[]): PortFacts {
  const [only] = ports;
  if (only !== undefined && ports.length === 1) return only;
  const matches = ports.map(({ label, id, network }) => `${label} (${id}, network ${network})`).join(', ');
  throw new WeftError('WEFT_PORT_AMBIGUOUS', { name: ref.given, matches });
}

/**
 * What to do so that what is becomes what should be. Pure: the same input gives the same steps, and carrying them out leaves nothing to
 * do. Order matters and is part of the plan: what uses a thing goes before it is removed, and comes after it is made.
 */
import { isDeepStrictEqual } from 'node:util';
import type {
  DatapathState,
  NetworkOptions,
  PeerOptions,
  PortGuard,
  UnderlayOptions,
} from '../datapath/datapath.js';
import type { Link, NetnsPath } from '../datapath/kernel.js';
import type { DeclaredEntry } from '../datapath/registry.js';

export interface DesiredPort {
  id: string;
  network: string;
  ifname: string;
  mac: string;
  addresses: string[];
  mtu: number;
  alias: string;
  /** An engine moves its link, brings it up and gives it its addresses; weftd makes it, and follows it wherever it goes. */
  roams: boolean;
  guard: PortGuard | null;
}

export interface Desired {
  underlay: UnderlayOptions;
  networks: ReadonlyMap<string, NetworkOptions>;
  peers: ReadonlyMap<string, PeerOptions>;
  ports: readonly DesiredPort[];
  entries: readonly DeclaredEntry[];
  /** Of the IFALIAS of all our links, those of other hosts excluded. */
  aliasPrefix: string;
}

/** Where the namespace of a port is now. */
export type Place =
  | { state: 'present'; path: NetnsPath; cookie: string }
  /** The kernel could not tell just now (EMFILE and the like): nothing is done about the port. */
  | { state: 'unsure'; reason: string }
  /** Its path is gone; a NAME or PATH may return. `inhabited`: processes live on in the namespace that it led to. */
  | { state: 'gone'; reason: string; inhabited?: boolean }
  /** Its process is gone for good. */
  | { state: 'dead'; reason: string };

export interface Namespace {
  path: NetnsPath;
  links: readonly Link[];
}

export interface Actual extends DatapathState {
  /** By port ID, for each desired port and each that was removed but may have left its link. */
  places: ReadonlyMap<string, Place>;
  /** By cookie: our own and those of all known ports. */
  namespaces: ReadonlyMap<string, Namespace>;
  /** Links that `namespaces` shows with an alias that they have lost. */
  untagged: readonly UntaggedLink[];
}

export interface UntaggedLink {
  /** Of the port. */
  id: string;
  netns: NetnsPath;
  ifname: string;
  alias: string;
}

export type Step =
  /** `destroy`: for good; else its TAP stays and is taken up again. */
  | { do: 'detach-port'; id: string; reason: string; destroy: boolean }
  | { do: 'expire-port'; id: string; reason: string }
  | { do: 'undeclare'; network: string; mac: string }
  | { do: 'remove-peer'; id: string }
  | { do: 'remove-network'; name: string }
  | { do: 'set-underlay'; options: UnderlayOptions }
  | { do: 'put-network'; name: string; options: NetworkOptions }
  | { do: 'put-peer'; id: string; options: PeerOptions }
  | ({ do: 'tag-link' } & UntaggedLink)
  | { do: 'delete-link'; netns: NetnsPath; ifname: string; alias: string }
  | { do: 'create-tap'; port: DesiredPort; netns: NetnsPath; cookie: string }
  | { do: 'reattach-tap'; port: DesiredPort; netns: NetnsPath; cookie: string; ifname: string }
  | { do: 'set-mtu'; id: string; netns: NetnsPath; ifname: string; mtu: number }
  | { do: 'set-guard'; id: string; guard: PortGuard | null }
  | { do: 'set-noqueue'; id: string; netns: NetnsPath; ifname: string }
  | { do: 'declare'; entry: DeclaredEntry };

export function plan(desired: Desired, actual: Actual): Step[] {
  const ports = planPorts(desired, actual);
  const inTheWay = peersInTheWay(desired, actual);
  const live = livePorts(desired, actual, ports);
  return [
    // First: links are deleted and taken up by their alias alone.
    ...actual.untagged.map((link): Step => ({ do: 'tag-link', ...link })),
    ...ports.filter((step) => step.do === 'expire-port' || step.do === 'detach-port'),
    ...setGuards(desired, actual, ports),
    ...undeclare(desired, actual),
    ...[...actual.peers.keys()]
      .filter((id) => !desired.peers.has(id) || inTheWay.has(id))
      .map((id): Step => ({ do: 'remove-peer', id })),
    ...[...actual.networks.keys()]
      .filter((name) => !desired.networks.has(name))
      .map((name): Step => ({ do: 'remove-network', name })),
    ...planUnderlay(desired, actual),
    ...strayLinks(desired, actual),
    ...ports.filter((step) => step.do !== 'expire-port' && step.do !== 'detach-port'),
    ...declare(
      desired,
      actual,
      live,
      new Set([...inTheWay, ...ports.flatMap((step) => (step.do === 'detach-port' ? [step.id] : []))]),
    ),
  ];
}

/** Networks and peers, and then the sockets: of a host that begins anew, a peer's first datagram is no stranger's. */
export function planUnderlay(
  desired: Desired,
  actual: Pick<Actual, 'networks' | 'peers' | 'underlay'>,
): Step[] {
  return [
    ...[...desired.networks]
      .filter(([name, options]) => !isDeepStrictEqual(options, actual.networks.get(name)))
      .map(([name, options]): Step => ({ do: 'put-network', name, options })),
    ...[...desired.peers]
      .filter(([id, options]) => !isDeepStrictEqual(options, actual.peers.get(id)))
      .map(([id, options]): Step => ({ do: 'put-peer', id, options })),
    ...(isDeepStrictEqual(desired.underlay, actual.underlay)
      ? []
      : [{ do: 'set-underlay', options: desired.underlay } as const]),
  ];
}

/** The link of a port in its namespace, whatever it is called there now. */
export function linkOf(port: DesiredPort, namespace: Namespace | undefined): Link | undefined {
  return namespace?.links.find((link) => link.alias === port.alias);
}

/** Peers with an address that another one gets: names that exchange theirs. They are made again once their address is free. */
function peersInTheWay(desired: Desired, actual: Actual): Set<string> {
  const owners = new Map([...desired.peers].map(([id, { address }]) => [address, id]));
  const inTheWay = [...actual.peers].filter(([id, { address }]) => (owners.get(address) ?? id) !== id);
  return new Set(inTheWay.map(([id]) => id));
}

function planPorts(desired: Desired, actual: Actual): Step[] {
  const wanted = new Set(desired.ports.map(({ id }) => id));
  const detached = [...actual.ports.keys()]
    .filter((id) => !wanted.has(id))
    .map((id): Step => ({ do: 'detach-port', id, reason: 'the port was removed', destroy: true }));
  return [...detached, ...desired.ports.flatMap((port) => planPort(port, desired, actual))];
}

function planPort(port: DesiredPort, desired: Desired, actual: Actual): Step[] {
  const attached = actual.ports.get(port.id);
  const place = actual.places.get(port.id) ?? { state: 'gone', reason: 'its namespace is not known' };
  const detach = (reason: string, destroy = false): Step[] =>
    attached === undefined ? [] : [{ do: 'detach-port', id: port.id, reason, destroy }];

  if (place.state === 'dead')
    return [...detach(place.reason, true), { do: 'expire-port', id: port.id, reason: place.reason }];
  if (place.state === 'unsure') return [];
  if (!desired.networks.has(port.network)) return detach(`network "${port.network}" is gone`);
  // Processes that still live in a namespace whose name was removed are served on. When there is none, a file descriptor from inside
  // would keep the namespace alive for ever; one from outside sees it die by itself.
  if (place.state === 'gone') {
    const forsaken = attached?.pins === true && place.inhabited !== true;
    return forsaken || attached?.network !== port.network ? detach(place.reason) : [];
  }

  const namespace = actual.namespaces.get(place.cookie);
  const link = linkOf(port, namespace);
  const inPlace =
    attached?.network === port.network &&
    (attached.cookie === place.cookie || (port.roams && link !== undefined));
  // Its links could not be listed: that is no proof that the port's is gone.
  if (inPlace && namespace === undefined) return [];
  if (inPlace && link !== undefined) {
    const where = { id: port.id, netns: place.path, ifname: link.ifname };
    return [
      ...(link.mtu === port.mtu ? [] : [{ do: 'set-mtu', ...where, mtu: port.mtu } as const]),
      // It was lost when the engine moved the link; the default one takes 6 MiB of the kernel for each TAP.
      ...(port.roams && link.up && link.qdisc !== 'noqueue'
        ? [{ do: 'set-noqueue', ...where } as const]
        : []),
    ];
  }
  const where = { port, netns: place.path, cookie: place.cookie };
  return [
    ...detach(attached?.cookie === place.cookie ? 'its link is gone' : 'its namespace is another one now'),
    link === undefined
      ? { do: 'create-tap', ...where }
      : { do: 'reattach-tap', ...where, ifname: link.ifname },
  ];
}

/** Of ports that stay: whatever became of their namespace, their frames are judged by it. New ones are made with theirs. */
function setGuards(desired: Desired, actual: Actual, steps: readonly Step[]): Step[] {
  const detached = new Set(steps.flatMap((step) => (step.do === 'detach-port' ? [step.id] : [])));
  return desired.ports
    .filter(({ id }) => actual.ports.has(id) && !detached.has(id))
    .filter(({ id, guard }) => !isDeepStrictEqual(guard, actual.guards.get(id) ?? null))
    .map(({ id, guard }) => ({ do: 'set-guard', id, guard }));
}

/** Ports that are in the datapath when the steps have been carried out. */
function livePorts(desired: Desired, actual: Actual, steps: readonly Step[]): Set<string> {
  const live = new Set(desired.ports.filter(({ id }) => actual.ports.has(id)).map(({ id }) => id));
  for (const step of steps) {
    if (step.do === 'detach-port') live.delete(step.id);
    if (step.do === 'create-tap' || step.do === 'reattach-tap') live.add(step.port.id);
  }
  return live;
}

/** Tagged links whose port is not desired, or is desired elsewhere. Links without our tag are never touched. */
function strayLinks(desired: Desired, actual: Actual): Step[] {
  const homes = new Map(desired.ports.map((port) => [port.alias, actual.places.get(port.id)]));
  const strays: Step[] = [];
  for (const [cookie, { path, links }] of actual.namespaces) {
    for (const { alias, ifname } of links) {
      if (alias === null || !alias.startsWith(desired.aliasPrefix)) continue;
      const home = homes.get(alias);
      const wanted =
        homes.has(alias) && (home?.state !== 'present' || home.cookie === cookie) && home?.state !== 'dead';
      if (!wanted) strays.push({ do: 'delete-link', netns: path, ifname, alias });
    }
  }
  return strays;
}

function sameEntry(one: DeclaredEntry, other: DeclaredEntry): boolean {
  return one.where.kind === other.where.kind && one.where.id === other.where.id;
}

function keyOf(entry: { network: string; mac: string }): string {
  return `${entry.mac} ${entry.network}`;
}

function undeclare(desired: Desired, actual: Actual): Step[] {
  const wanted = new Map(desired.entries.map((entry) => [keyOf(entry), entry]));
  return actual.entries
    .filter((entry) => {
      const want = wanted.get(keyOf(entry));
      return want === undefined || !sameEntry(want, entry);
    })
    .map(({ network, mac }) => ({ do: 'undeclare', network, mac }));
}

/** Entries of ports and peers that are not there wait for them. */
function declare(
  desired: Desired,
  actual: Actual,
  live: ReadonlySet<string>,
  remade: ReadonlySet<string>,
): Step[] {
  const present = new Map(actual.entries.map((entry) => [keyOf(entry), entry]));
  return desired.entries
    .filter((entry) => {
      if (!desired.networks.has(entry.network)) return false;
      const { kind, id } = entry.where;
      if (kind === 'port' ? !live.has(id) : !desired.peers.has(id)) return false;
      const has = present.get(keyOf(entry));
      const stays = has !== undefined && sameEntry(has, entry) && !remade.has(id);
      return !stays || !actual.networks.has(entry.network);
    })
    .map((entry) => ({ do: 'declare', entry }));
}

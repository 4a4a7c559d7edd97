/** Turns the outcome of a round into findings. Pure. */
import type { NamedCounters } from '../datapath/datapath.js';
import type { PeerRecord, PortRecord } from '../model/objects.js';
import type { Catalog } from '../state/catalog.js';
import type { Failure } from './carry_out.js';
import type { Conflict } from './conflicts.js';
import { lostNetwork } from './desire.js';
import { type FindingCode, type FindingDraft, finding, findingTable } from './findings.js';
import { linkOf, type Step } from './plan.js';
import type { View } from './view.js';

/** Milliseconds from Join to a link that is up, on a busy host. */
const arrivalTime = 15_000;

export function diagnose(
  view: View,
  catalog: Pick<Catalog, 'ports' | 'peers' | 'engineNetworks' | 'shadowed' | 'config'>,
  counters: NamedCounters,
  now: number,
  label: (port: PortRecord) => string,
): FindingDraft[] {
  const desiredPorts = new Map(view.picture.desired.ports.map((port) => [port.id, port]));
  return [
    ...view.picture.findings,
    ...view.failures.map((failure) => failureFinding(failure, catalog.peers())),
    ...catalog.ports().flatMap((port) => {
      const place = view.actual.places.get(port.id);
      const object = `port ${port.id}`;
      if (place?.state === 'unsure') return [finding('NETNS_UNREADABLE', object, place.reason)];
      if (place?.state === 'present' && !view.actual.namespaces.has(place.cookie)) {
        const sentence = `the links around ${label(port)} cannot be listed`;
        return [finding('NETNS_UNREADABLE', object, sentence)];
      }
      if (place?.state === 'gone' && port.endpoint !== undefined)
        return view.actual.ports.has(port.id) || port.endpoint.left === true
          ? []
          : [finding('PORT_LINK_LOST', object, `${label(port)} is not in the datapath: ${place.reason}`)];
      if (place?.state === 'gone')
        return [finding('NETNS_GONE', object, `${label(port)} waits: ${place.reason}`)];
      const refused = counters.ports.get(port.id)?.offloadDisabled ?? null;
      const desired = desiredPorts.get(port.id);
      const namespace = place?.state === 'present' ? view.actual.namespaces.get(place.cookie) : undefined;
      const link = desired === undefined ? undefined : linkOf(desired, namespace);
      if (link === undefined || !view.actual.ports.has(port.id)) return [];
      return [
        ...(refused === null
          ? []
          : [finding('PORT_OFFLOAD_DISABLED', object, `${label(port)} gets single frames: ${refused}`)]),
        // An engine brings it up a while after it has moved it.
        ...(link.up || isArriving(port, namespace?.path ?? null, now)
          ? []
          : [finding('PORT_DOWN', object, `the link ${label(port)} is down`)]),
        ...(link.mac === port.mac ? [] : [macFinding(port, link.mac, label)]),
        ...refusalFinding(port, view, counters, label),
      ];
    }),
    ...catalog
      .engineNetworks()
      .filter(({ network }) => !view.picture.desired.networks.has(network))
      .map(({ id, network }) => {
        const { problem, remedy } = lostNetwork(network, catalog.shadowed());
        const what =
          remedy === undefined
            ? `on network "${network}", which is declared no more`
            : `cut off: its ${problem}`;
        const sentence = `network ${id.slice(0, 12)} of Docker is ${what}`;
        return finding('ENGINE_NETWORK_LOST', `network ${network}`, sentence, remedy);
      }),
    ...shareFindings(view, catalog),
    ...view.conflicts.flatMap((conflict) => conflictFinding(conflict, catalog, label)),
    ...catalog.peers().flatMap(({ id, address }) => {
      const reason = counters.peers.get(id)?.offloadDisabled ?? null;
      return reason === null
        ? []
        : [finding('PEER_OFFLOAD_DISABLED', `peer ${address}`, `UDP_SEGMENT is not used: ${reason}`)];
    }),
  ];
}

/** A share that was taken away is missed only when the next container starts. */
function shareFindings(
  { picture }: View,
  catalog: Pick<Catalog, 'engineNetworks' | 'config' | 'peers'>,
): FindingDraft[] {
  if (catalog.peers().every(({ id }) => picture.peers.get(id)?.state === 'self')) return [];
  const { ipam, networks } = catalog.config;
  const without = catalog
    .engineNetworks()
    .filter(({ pools }) => pools.some(({ id }) => id !== null))
    .map(({ network }) => network)
    .filter((network) => (networks[network]?.ipam?.share ?? ipam.share) === null);
  return [...new Set(without)].map((network) =>
    finding(
      'IPAM_NO_SHARE',
      `network ${network}`,
      `this host has peers, but no share of the addresses of network "${network}"`,
    ),
  );
}

function macFinding(port: PortRecord, mac: string, label: (port: PortRecord) => string): FindingDraft {
  const object = `port ${port.id}`;
  const sentence = `${label(port)} has MAC ${mac}, it was made with ${port.mac}`;
  if (port.spoof !== 'deny') return finding('PORT_MAC_CHANGED', object, sentence);
  const remedy = 'Its frames are dropped: set the MAC back, or start the container again with --mac-address.';
  return finding('PORT_MAC_REFUSED', object, sentence, port.endpoint === undefined ? undefined : remedy);
}

/** What a container sends is its own affair; who set `deny` himself may have forgotten an address, or a router in the namespace. */
function refusalFinding(
  port: PortRecord,
  view: View,
  counters: NamedCounters,
  label: (port: PortRecord) => string,
): FindingDraft[] {
  const refused = counters.ports.get(port.id)?.refused;
  if (port.endpoint !== undefined || refused === undefined || !view.refusing.has(port.id)) return [];
  const [macs, addresses, services] = refused;
  const counts = `${macs} spoofed_mac, ${addresses} spoofed_address, ${services} rogue_service`;
  return [finding('PORT_REFUSED', `port ${port.id}`, `frames of ${label(port)} are dropped (${counts})`)];
}

/** The engine has yet to move the link into the container and to bring it up there. */
function isArriving({ endpoint }: PortRecord, netns: string | null, now: number): boolean {
  return endpoint !== undefined && (netns === null || now - endpoint.since < arrivalTime);
}

function conflictFinding(
  { port: id, address, mac, where }: Conflict,
  catalog: Pick<Catalog, 'ports' | 'peers'>,
  label: (port: PortRecord) => string,
): FindingDraft[] {
  const port = catalog.ports().find((one) => one.id === id);
  if (port === undefined) return [];
  const there = where === null ? 'behind a stranger' : placeName(where, catalog, label);
  const sentence = `${address} of network "${port.network}" is ${label(port)} with MAC ${port.mac} here, and MAC ${mac} ${there} claims it too`;
  return [finding('ADDRESS_CONFLICT', `port ${id}`, sentence)];
}

function placeName(
  { kind, id }: { kind: 'port' | 'peer'; id: string },
  catalog: Pick<Catalog, 'ports' | 'peers'>,
  label: (port: PortRecord) => string,
): string {
  if (kind === 'peer') return `behind peer ${catalog.peers().find((one) => one.id === id)?.address ?? id}`;
  const port = catalog.ports().find((one) => one.id === id);
  return `at port ${port === undefined ? id : label(port)}`;
}

function failureFinding({ step, error, gap }: Failure, peers: readonly PeerRecord[]): FindingDraft {
  if (gap?.kind === 'address') {
    const sentence = `weftd cannot send from ${gap.address} yet (EADDRNOTAVAIL); the kernel chooses the source address`;
    return finding('UNDERLAY_DEGRADED', `address ${gap.address}`, sentence);
  }
  if (gap?.kind === 'port') {
    const senders = peers.filter(({ port }) => port === gap.port).map(({ address }) => address);
    const sentence = `${error.message}: what ${senders.join(' and ')} sends to it does not reach weftd`;
    return finding('UNDERLAY_PORT_FAILED', `UDP port ${gap.port}`, sentence);
  }
  const { code, object, remedy } = subjectOf(step, peers);
  return finding(code, object, `${error.message} (${error.code})`, remedy);
}

function subjectOf(
  step: Step,
  peers: readonly PeerRecord[],
): { code: FindingCode; object: string; remedy?: string } {
  switch (step.do) {
    case 'set-underlay':
      return { code: 'UNDERLAY_FAILED', object: 'underlay' };
    case 'put-peer':
    case 'remove-peer':
      return {
        code: 'PEER_FAILED',
        object: `peer ${peers.find(({ id }) => id === step.id)?.address ?? step.id}`,
      };
    case 'put-network':
    case 'remove-network':
      return { code: 'NETWORK_FAILED', object: `network ${step.name}` };
    case 'declare':
      return { code: 'ENTRY_FAILED', object: entryName(step.entry) };
    case 'undeclare':
      // It is given up already.
      return { code: 'ENTRY_FAILED', object: entryName(step), remedy: findingTable.NETWORK_FAILED.remedy };
    case 'delete-link':
      return { code: 'LINK_STRAY', object: `link ${step.ifname}` };
    case 'create-tap':
    case 'reattach-tap':
      return { code: 'PORT_FAILED', object: `port ${step.port.id}` };
    default:
      return { code: 'PORT_FAILED', object: `port ${step.id}` };
  }
}

function entryName({ network, mac }: { network: string; mac: string }): string {
  return `FDB entry ${mac} of network ${network}`;
}

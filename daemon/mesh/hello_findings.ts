/** What hellos tell of peers that is not as it should be. Pure. Nothing of it is authenticated: it leads to these sentences and no further. */
import { type FindingDraft, finding } from '../reconcile/findings.js';
import type { HelloView } from './hellos.js';
import { hostIdText, versionText } from './host_self.js';
import type { NetworkClash } from './network_clashes.js';

export interface PeerFacts {
  id: string;
  /** As it was given. */
  address: string;
  /** null while the peer is not in the datapath. */
  hello: HelloView | null;
  /** Bytes of IP that arrive, and what the kernel believes; null where it is right. */
  limit: { arrives: number; route: number } | null;
  clashes: readonly NetworkClash[];
}

export interface HostFacts {
  hostId: string;
  incarnation: bigint;
  version: string;
  ownAddresses: ReadonlySet<string>;
  /** That weftd sends from, where they are configured. */
  configured: readonly string[];
}

export function helloFindings(peers: readonly PeerFacts[], host: HostFacts): FindingDraft[] {
  return [
    ...peers.flatMap((peer) => (peer.hello === null ? [] : ofPeer(peer, peer.hello, host))),
    ...ofPairs(peers),
    ...ofNetworks(peers),
  ];
}

function ofPeer({ address, limit }: PeerFacts, hello: HelloView, host: HostFacts): FindingDraft[] {
  const object = `peer ${address}`;
  const found: FindingDraft[] = [];
  const add = (code: Parameters<typeof finding>[0], sentence: string) =>
    found.push(finding(code, object, sentence));
  if (hello.elsewhere !== null)
    add('PEER_ANSWERS_ELSEWHERE', `what is sent to ${address} is answered from ${hello.elsewhere}`);
  else if (hello.oneWay)
    add('PEER_ONE_WAY', `what peer ${address} sends arrives here, but it answers nothing that is sent to it`);
  else if (hello.state === 'silent')
    add('PEER_SILENT', `peer ${address} has not answered since ${timeOf(hello.answeredAt)}`);
  if (limit !== null) {
    const sentence = `datagrams of more than ${limit.arrives} bytes do not arrive at ${address}, and the kernel knows only of ${limit.route}`;
    add('PATH_MTU_BLACK_HOLE', sentence);
  }
  if (hello.state !== 'alive' || hello.answer === null) return found;
  const { self, seenAs } = hello.answer;
  if (self === null || versionText(self.version) !== host.version) {
    const there = self === null ? 'an older version of weft' : `weft ${versionText(self.version)}`;
    add('PEER_VERSION', `peer ${address} runs ${there}, this host ${host.version}`);
  }
  if (self !== null && hostIdText(self.host) === host.hostId) {
    if (self.incarnation === host.incarnation)
      add('PEER_IS_THIS_HOST', `peer ${address} is this host itself`);
    else add('HOST_ID_CLONED', `peer ${address} has the host ID of this host, ${host.hostId}`);
    return found;
  }
  if (seenAs !== null && !host.ownAddresses.has(seenAs))
    add(
      'PEER_SEES_OTHER_ADDRESS',
      `peer ${address} sees this host as ${seenAs}, which is none of its addresses`,
    );
  else if (seenAs !== null && isOther(seenAs, host.configured))
    add(
      'PEER_SEES_OTHER_ADDRESS',
      `peer ${address} sees this host as ${seenAs}, which is not in underlay.addresses`,
    );
  return found;
}

/** Of the same family as a configured one, and another. */
function isOther(address: string, configured: readonly string[]): boolean {
  const family = configured.filter((one) => one.includes(':') === address.includes(':'));
  return family.length > 0 && !family.includes(address);
}

/** Peers that say that they are the same host. */
function ofPairs(peers: readonly PeerFacts[]): FindingDraft[] {
  const first = new Map<string, { address: string; incarnation: bigint }>();
  return peers.flatMap(({ address, hello }) => {
    const self = hello?.state === 'alive' ? (hello.answer?.self ?? null) : null;
    if (self === null) return [];
    const id = hostIdText(self.host);
    const other = first.get(id);
    if (other === undefined) {
      first.set(id, { address, incarnation: self.incarnation });
      return [];
    }
    return other.incarnation === self.incarnation
      ? [finding('PEER_TWICE', `peer ${address}`, `peers ${other.address} and ${address} are one host`)]
      : [
          finding(
            'HOST_ID_CLONED',
            `peer ${address}`,
            `peers ${other.address} and ${address} are two hosts with one host ID, ${id}`,
          ),
        ];
  });
}

/** Peers of a finding that are named. */
const mostNamed = 3;

function ofNetworks(peers: readonly PeerFacts[]): FindingDraft[] {
  const clashes = new Map<string, { network: string; sentence: string; at: string[] }>();
  for (const { address, clashes: found } of peers) {
    for (const { network, vni, there } of found) {
      const sentence =
        there.name === network
          ? `network "${network}" has VNI ${vni} here and ${there.vni}`
          : `VNI ${vni} is network "${network}" here and "${there.name}"`;
      const known = clashes.get(sentence) ?? { network, sentence, at: [] };
      known.at.push(address);
      clashes.set(sentence, known);
    }
  }
  const byNetwork = new Map<string, string[]>();
  for (const { network, sentence, at } of clashes.values()) {
    const more = at.length > mostNamed ? ` and ${at.length - mostNamed} more` : '';
    const text = `${sentence} at ${at.slice(0, mostNamed).join(', ')}${more}`;
    byNetwork.set(network, [...(byNetwork.get(network) ?? []), text]);
  }
  return [...byNetwork].map(([network, texts]) =>
    finding('VNI_CLASH', `network ${network}`, texts.slice(0, mostNamed).join('; ')),
  );
}

function timeOf(milliseconds: number | null): string {
  return milliseconds === null ? 'weftd was started' : new Date(milliseconds).toISOString();
}

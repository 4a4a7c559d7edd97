/** Where this host has the MACs of both ends, and who has the address. */
import { withoutPrefix } from '../model/address.js';
import { isLinkLocal } from './port_steps.js';
import type { EntryFacts, NetworkFacts, PeerFacts, Snapshot } from './snapshot.js';
import { ago, type Facts, ok, type Step, trouble, unknown } from './step.js';

const twoMachines =
  'Two machines may have this MAC, or there is a loop between two ports: "weft events" shows where it moves.';

function entryFacts(entry: EntryFacts | null): Facts {
  if (entry === null) return { entry: 'none' };
  const { kind, label, declared, frozen, idle } = entry;
  return { entry: declared ? 'declared' : 'learned', where: `${kind} ${label}`, frozen, idle };
}

function origin({ declared, frozen, idle }: EntryFacts): string {
  return declared ? 'declared' : `learned, ${frozen ? 'frozen, ' : ''}last heard ${ago(idle)}`;
}

function frozenRemedy(network: NetworkFacts | null): string {
  const until = network === null ? '' : ` The freeze ends after at most ${network.freeze} s.`;
  return `${twoMachines}${until}`;
}

/** Where answers to `from` go, and whether its frames are taken at all. */
export function homeEntrySteps({ from, fromEntry, network }: Snapshot): Step[] {
  const { port, mac } = from;
  if (mac === null || network === null) return [];
  const facts = { mac, learnedAtPort: port.learned, ...entryFacts(fromEntry) };
  if (fromEntry === null) {
    if (port.learned >= network.limitPerPort) {
      const sentence = `${port.learned} MACs were learned from ${port.label}, which is the limit, so ${mac} is not learned, and answers to it are flooded`;
      const remedy =
        'Look at what sends from so many MACs; or raise fdb.limit_per_port, or run "weft fdb flush".';
      return [trouble('source-mac', sentence, remedy, { facts })];
    }
    const sentence = `${mac} of ${port.label} is not known yet: answers to it are flooded until it has sent a frame`;
    return [ok('source-mac', sentence, { facts })];
  }
  const { kind, id, label, declared, frozen } = fromEntry;
  const known = `${mac} of ${port.label} is ${origin(fromEntry)}`;
  if (kind === 'port' && id === port.id) return [ok('source-mac', known, { facts })];
  const there = `${kind} ${label}`;
  if (declared) {
    const sentence = `${mac} is declared at ${there}, so what ${port.label} sends from it is dropped as source_declared_elsewhere`;
    return [
      trouble(
        'source-mac',
        sentence,
        `Remove the entry ("weft fdb rm ${network.name} ${mac}"), or give ${port.label} another MAC.`,
        { facts },
      ),
    ];
  }
  const sentence = frozen
    ? `${mac} of ${port.label} is frozen at ${there}, because it moved too often: answers go there`
    : `${mac} of ${port.label} was last heard at ${there}: answers go there`;
  return [trouble('source-mac', sentence, frozen ? frozenRemedy(network) : twoMachines, { facts })];
}

/** ARP and neighbour discovery: they are flooded to everybody, and whoever has the address must answer. */
export function addressSteps(seen: Snapshot): Step[] {
  const { to, claims } = seen;
  const { address } = to;
  if (address === null || isLinkLocal(address) || apart(seen)) return [];
  const [claim] = claims;
  if (claim !== undefined) {
    const sentence = `${claim.address} is claimed by MAC ${claim.mac} at ${claim.where} too`;
    return [
      trouble('address', sentence, 'Two machines have one address: stop one, or give it another.', {
        facts: { address },
      }),
    ];
  }
  const stale = staleStep(seen, address);
  if (stale !== null) return [stale];
  if (to.port !== null) {
    const { label, link } = to.port;
    const has = link === null || link.addresses.some((one) => withoutPrefix(one) === address);
    if (has)
      return [
        ok('address', `${address} is that of ${label} here, which answers for it`, { facts: { address } }),
      ];
    const sentence = `${label} was given ${address}, and its link does not have it now: nobody answers for it`;
    return [
      trouble('address', sentence, 'Give the link its address back, or make the port again.', {
        facts: { address },
      }),
    ];
  }
  return [farAddressStep(seen, address)];
}

/** Who has an old answer to ARP sends to nobody until it asks again. */
function staleStep({ from, to, neighbour, peers }: Snapshot, address: string): Step | null {
  const owner = peers.find(({ account }) => account?.port?.address === address)?.account?.port;
  const mac = to.port === null ? owner?.mac : to.mac;
  if (neighbour === null || neighbour.mac === null || !mac || neighbour.mac === mac) return null;
  const sentence = `${from.port.label} has MAC ${neighbour.mac} for ${address} in its ARP or ND table, and it is at ${mac}`;
  const remedy = `Wait until it asks again, or run "ip neigh flush to ${address}" in its namespace.`;
  return trouble('address', sentence, remedy, { facts: { address, mac, neighbour: neighbour.mac } });
}

function farAddressStep({ peers, to, from, neighbour }: Snapshot, address: string): Step {
  const inUse = peers.filter(({ state }) => state !== 'self');
  const answered = inUse.filter(({ account }) => account !== null);
  const owners = answered.filter(({ account }) => account?.port?.address === address);
  const facts: Facts = { address, peers: inUse.length, answered: answered.length };
  const [owner, other] = owners;
  if (owner?.account?.port && other?.account?.port) {
    const sentence = `${address} is at two hosts: peer ${owner.address} (MAC ${owner.account.port.mac}) and peer ${other.address} (MAC ${other.account.port.mac})`;
    return trouble('address', sentence, 'Stop one of the two, or give it another address.', { facts });
  }
  if (owner?.account?.port) {
    return ok('address', `${address} is at a port of peer ${owner.address}, which answers for it`, {
      host: owner.address,
      facts: { ...facts, mac: owner.account.port.mac },
    });
  }
  const known = neighbour?.mac ?? null;
  if (known !== null) {
    const sentence = `${from.port.label} has MAC ${known} for ${address} in its ARP or ND table`;
    return ok('address', sentence, { facts: { ...facts, mac: known } });
  }
  if (inUse.length === 0) {
    const sentence = `${to.given} is at no port of this host, and there is no peer`;
    return trouble('address', sentence, 'Add the host of it: "weft peer add ADDRESS".', { facts });
  }
  if (answered.length === inUse.length) {
    const hosts = answered.length === 1 ? 'its peer' : `its ${answered.length} peers`;
    const sentence = `${address} is at no port of this host nor of ${hosts}: nobody answers for it`;
    return trouble('address', sentence, 'Check the address; start the container that has it.', { facts });
  }
  if (neighbour?.failed === true) {
    const sentence = `${from.port.label} asked for ${address} by ARP or ND, and nobody answered`;
    const remedy =
      'Check the address; start the container that has it, and look at the peers that are silent.';
    return trouble('address', sentence, remedy, { facts });
  }
  const silent = inUse.length - answered.length;
  const sentence = `${address} is at no port of this host${answered.length === 0 ? '' : ` nor of the ${answered.length} that answered`}, and ${silent === 1 ? 'one peer' : `${silent} peers`} did not say; ARP and ND are flooded to all`;
  // The entry, or the host that has it, says more; where there is neither, this stays open.
  return to.mac === null
    ? unknown('address', sentence, 'Ask on the host that should have it.', { facts })
    : ok('address', sentence, { facts });
}

/** One port, or two of different networks: no frame goes between them. */
function apart({ from, to }: Snapshot): boolean {
  return to.port !== null && (to.port.id === from.port.id || to.port.network !== from.port.network);
}

/** Where frames to the destination go. */
export function entrySteps(seen: Snapshot, peer: PeerFacts | null): Step[] {
  const { to, toEntry, network, peers } = seen;
  if (network === null || to.mac === null || apart(seen)) return [];
  const facts = { mac: to.mac, ...entryFacts(toEntry) };
  if (toEntry === null) {
    const others = peers.filter(({ state }) => state !== 'self').length;
    const ports = Math.max(0, network.ports - 1);
    const flooded = { ...facts, floodPorts: ports, floodPeers: others };
    if (ports + others === 0) {
      const sentence = `${to.mac} is not known, and network "${network.name}" has no other port and no peer: frames are dropped as no_destination`;
      return [
        trouble('fdb', sentence, 'Add the peer ("weft peer add ADDRESS") or the port.', { facts: flooded }),
      ];
    }
    const sentence = `${to.mac} is not known: frames are flooded to ${count(ports, 'port')} and ${count(others, 'peer')} until it answers`;
    return [ok('fdb', sentence, { facts: flooded })];
  }
  return [knownEntryStep(seen, to.mac, toEntry, peer, facts)];
}

function knownEntryStep(
  { to, peers, network, from }: Snapshot,
  mac: string,
  entry: EntryFacts,
  peer: PeerFacts | null,
  facts: Facts,
): Step {
  const { kind, id, label, declared, frozen } = entry;
  const known = `${mac} is at ${kind} ${label} (${origin(entry)})`;
  const owner = peers.find(({ account }) => account?.port?.mac === mac);
  const truth =
    to.port !== null
      ? { same: kind === 'port' && id === to.port.id, name: `port ${to.port.label}` }
      : owner !== undefined
        ? { same: kind === 'peer' && id === owner.id, name: `peer ${owner.address}` }
        : null;
  if (truth !== null && !truth.same) {
    if (declared) {
      const sentence = `${mac} is declared at ${kind} ${label}, and it is at ${truth.name}`;
      return trouble(
        'fdb',
        sentence,
        `Remove the entry: "weft fdb rm ${from.port.network} ${mac}"; where it is, is learned then.`,
        { facts },
      );
    }
    const sentence = frozen
      ? `${mac} is frozen at ${kind} ${label}, because it moved too often, and it is at ${truth.name}`
      : `${mac} was last heard at ${kind} ${label}, and it is at ${truth.name}`;
    return trouble('fdb', sentence, frozen ? frozenRemedy(network) : twoMachines, { facts });
  }
  if (truth === null && kind === 'port' && id === from.port.id) {
    const sentence = `${mac} is behind ${label} itself: frames that come from there to it are dropped as same_port`;
    return trouble('fdb', sentence, 'Look behind that port.', { facts });
  }
  if (kind === 'peer' && peer === null) {
    return trouble('fdb', `${known}, which is no peer of this host any more`, 'Run "weft fdb flush".', {
      facts,
    });
  }
  if (frozen && truth === null) {
    const sentence = `${mac} is frozen at ${kind} ${label}, because it moved too often`;
    return trouble('fdb', sentence, frozenRemedy(network), { facts });
  }
  return ok('fdb', known, { facts });
}

function count(value: number, noun: string): string {
  return `${value} ${noun}${value === 1 ? '' : 's'}`;
}

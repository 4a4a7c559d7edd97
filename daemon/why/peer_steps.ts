/** The way between two hosts: the underlay, the peer, what fits, and how it is sent. */
import { finding } from '../reconcile/findings.js';
import type { PeerFacts, Snapshot } from './snapshot.js';
import {
  ago,
  dropFacts,
  dropSentence,
  labelOf,
  listed,
  ok,
  recent,
  type Step,
  trafficFacts,
  trouble,
  unknown,
} from './step.js';

/** Seconds after which a peer from which nothing came is silent. */
export const silentAfter = 60;

/** Only where something is wrong with it. */
export function underlaySteps({ underlay }: Snapshot): Step[] {
  return underlay === null
    ? []
    : [unknown('underlay', underlay, finding('UNDERLAY_DEGRADED', '', '').remedy)];
}

/** Nothing comes from it. */
function isSilent({ account, hello, idle }: PeerFacts): boolean {
  return account === null && (hello.state === 'silent' || idle === null || idle >= silentAfter);
}

/** Where nobody knows behind which of several peers the destination is: those that it may be behind, and that say nothing. */
export function silentPeersSteps({ to, toEntry, peers }: Snapshot, next: PeerFacts | null): Step[] {
  if (to.port !== null || toEntry !== null || next !== null) return [];
  const inUse = peers.filter(({ state }) => state !== 'self');
  const silent = inUse.filter(isSilent);
  if (silent.length === 0) return [];
  const names = listed(silent.map(({ address }) => address));
  const facts = { peers: inUse.length, silent: silent.length, names };
  const remedy =
    'Look whether they are up and have this host as a peer: "weft ping ADDRESS" and "weft doctor" say more.';
  if (silent.length < inUse.length) {
    const sentence = `${labelOf(to)} may be behind a peer that is silent (${names})`;
    return [unknown('peers', sentence, remedy, { facts })];
  }
  const sentence = `all ${inUse.length} peers are silent (${names}), and where ${labelOf(to)} is, is not known here`;
  return [trouble('peers', sentence, remedy, { facts })];
}

export function peerSteps(_seen: Snapshot, peer: PeerFacts): Step[] {
  const { address, state, reason, idle, hello, carryChecksum, counters, drops, account, asked } = peer;
  const facts = {
    peer: address,
    state,
    idle,
    hello: hello.state,
    rtt: hello.rtt,
    carryChecksum,
    ...trafficFacts(counters),
    ...dropFacts(drops),
  };
  const because = reason === null ? '' : `: ${reason}`;
  if (state === 'self') {
    const sentence = `peer ${address} is this host itself`;
    return [trouble('peer', sentence, 'Run "weft fdb flush", or correct the entry.', { facts })];
  }
  if (state === 'unresolved' || state === 'failed') {
    const code = state === 'unresolved' ? 'PEER_UNRESOLVED' : 'PEER_FAILED';
    const sentence = `peer ${address} is ${state}${because}`;
    return [trouble('peer', sentence, finding(code, '', '').remedy, { facts })];
  }
  if (reason !== null)
    return [trouble('peer', `peer ${address}${because}`, finding('PEER_NO_ROUTE', '', '').remedy, { facts })];
  const heard = idle === null ? 'nothing ever came from it' : `last heard ${ago(idle)}`;
  const remedy =
    'Look whether its VTEP runs, has this host as its peer by the address that it sends from, and whether a firewall lets UDP pass both ways.';
  if (isSilent(peer)) {
    const why = hello.reason === null ? '' : `; ${hello.reason}`;
    const sentence = `peer ${address} is silent: ${heard}${why}${asked ? ', and it does not answer' : ''}`;
    return [trouble('peer', sentence, remedy, { facts })];
  }
  if (account === null && hello.reason !== null && hello.state !== 'foreign')
    return [trouble('peer', `peer ${address}, ${heard}: ${hello.reason}`, remedy, { facts })];
  const took = hello.rtt === null ? '' : `, ${hello.rtt} ms away`;
  const what = hello.state === 'foreign' ? ', no weft host' : '';
  return [ok('peer', `peer ${address}${what}, ${heard}${took}${dropSentence(recent(drops))}`, { facts })];
}

export function mtuSteps({ from, network }: Snapshot, { address, pathMtu, fits }: PeerFacts): Step[] {
  if (network === null) return [];
  const link = from.port.link?.mtu ?? null;
  const facts = { mtu: network.mtu, pathMtu, fits, linkMtu: link };
  if (fits === null || pathMtu === null) {
    const sentence = `the path MTU to ${address} is not known`;
    return [unknown('mtu', sentence, finding('PEER_NO_ROUTE', '', '').remedy, { facts })];
  }
  const path = `a path MTU of ${pathMtu} has room for IP packets of ${fits}`;
  if (fits < network.mtu) {
    const sentence = `${path}, and network "${network.name}" has an MTU of ${network.mtu}: larger packets do not arrive whole`;
    const code = network.declaredMtu === 'auto' ? 'MTU_NO_IPV6' : 'MTU_DOES_NOT_FIT';
    return [trouble('mtu', sentence, finding(code, '', '').remedy, { facts })];
  }
  if (link !== null && link > network.mtu) {
    const sentence = `the link of ${from.port.label} has an MTU of ${link}, and network "${network.name}" one of ${network.mtu}: larger packets do not arrive whole`;
    const remedy = 'Set the MTU of the link to that of the network.';
    return [trouble('mtu', sentence, remedy, { facts })];
  }
  return [ok('mtu', `${path}; the network has ${network.mtu}`, { facts })];
}

/** Only where one is off: frames flow without it, and cost more. */
export function offloadSteps({ from, to }: Snapshot, peer: PeerFacts | null): Step[] {
  const ports = [from.port, ...(to.port === null || to.port.id === from.port.id ? [] : [to.port])];
  const off = [
    ...ports.map(({ label, offloadDisabled }) => ({ where: `to port ${label}`, reason: offloadDisabled })),
    ...(peer === null ? [] : [{ where: `to peer ${peer.address}`, reason: peer.offloadDisabled }]),
  ].filter(({ reason }) => reason !== null);
  if (off.length === 0) return [];
  const list = off.map(({ where, reason }) => `${where} (${reason})`).join(' and ');
  const facts = Object.fromEntries(off.map(({ where, reason }) => [where, reason]));
  return [ok('offload', `bursts are not used ${list}; frames flow, with more CPU`, { facts })];
}

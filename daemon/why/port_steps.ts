/** The ports at both ends, the network that they are on, and what a guarded port may send. */
import { contains, familyOf, formatCidr, networkOf, parseCidr, withoutPrefix } from '../model/address.js';
import { finding } from '../reconcile/findings.js';
import type { PortFacts, Snapshot } from './snapshot.js';
import { dropFacts, dropSentence, labelOf, ok, recent, type Step, trafficFacts, trouble } from './step.js';

/** The remedy that the findings have for it. */
const remedyOf = (code: Parameters<typeof finding>[0]): string => finding(code, '', '').remedy;

/** The port where the walk begins. */
export function portSteps({ from: { port } }: Snapshot): Step[] {
  const { counters, drops } = port;
  const came = counters === null ? '' : `; ${counters.rxFrames} frames came from it`;
  return [stateStep('port', port, came, { ...trafficFacts(counters), ...dropFacts(drops) })];
}

/** The port where it ends, when that is on this host. */
export function targetSteps({ from, to: { port } }: Snapshot): Step[] {
  if (port === null || port.id === from.port.id) return [];
  const { counters, drops } = port;
  const got = counters === null ? '' : `; ${counters.txFrames} frames went to it`;
  return [stateStep('destination', port, got, { ...trafficFacts(counters), ...dropFacts(drops) })];
}

function stateStep(what: string, port: PortFacts, traffic: string, counted: Step['facts']): Step {
  const { label, state, reason, id, link, mac, drops } = port;
  const facts = { port: id, state, mac: link?.mac ?? mac, ...counted };
  const because = reason === null ? '' : `: ${reason}`;
  if (state === 'up')
    return ok(what, `${label} is up${because}${traffic}${dropSentence(recent(drops))}`, { facts });
  const codes = { down: 'PORT_DOWN', waiting: 'NETNS_GONE', failed: 'PORT_FAILED' } as const;
  const remedy = remedyOf(codes[state]).replace('IFNAME', port.ifname);
  return trouble(what, `port ${label} is ${state}${because}`, remedy, { facts });
}

export function networkSteps({ from, to, network }: Snapshot): Step[] {
  const name = from.port.network;
  if (network === null) {
    return [
      trouble('network', `network "${name}" of ${from.port.label} is gone`, remedyOf('PORT_NO_NETWORK')),
    ];
  }
  const facts = { network: name, vni: network.vni, mtu: network.mtu, ports: network.ports };
  if (!network.programmed) {
    const sentence = `the datapath does not have network "${name}"`;
    return [trouble('network', sentence, remedyOf('NETWORK_FAILED'), { facts })];
  }
  if (to.port !== null && to.port.network !== name) {
    const sentence = `${from.port.label} is on network "${name}" and ${to.port.label} on network "${to.port.network}", and nothing crosses from one network to another`;
    return [trouble('network', sentence, 'Attach both to one network.', { facts })];
  }
  if (to.port?.id === from.port.id) {
    const sentence = `${labelOf(from)} and ${labelOf(to)} are one port: what it sends to itself never leaves its namespace`;
    return [trouble('network', sentence, 'Name two different ends.', { facts })];
  }
  const there = `network "${name}" with VNI ${network.vni} and an MTU of ${network.mtu}`;
  return [onLinkProblem(from.port, to.address, facts) ?? ok('network', there, { facts })];
}

/** Who has no address of a subnet sends to a router what is meant for it. */
function onLinkProblem(port: PortFacts, address: string | null, facts: Step['facts']): Step | null {
  if (address === null || port.link === null || isLinkLocal(address)) return null;
  const own = port.link.addresses.filter((one) => familyOf(one) === familyOf(address));
  const version = `IPv${familyOf(address)}`;
  if (own.length === 0) {
    const sentence = `${port.label} has no ${version} address on its link`;
    return trouble('network', sentence, `Give it one of the subnet of ${address}.`, { facts });
  }
  if (own.some((one) => contains(subnetOf(one), address))) return null;
  const sentence = `${address} is in no subnet of ${port.label}, which has ${own.join(' and ')}: it sends to a router instead, if it has one`;
  return trouble('network', sentence, 'Check the addresses and prefixes at both ends.', { facts });
}

function subnetOf(address: string): string {
  const cidr = parseCidr(address);
  return cidr === null ? address : formatCidr(networkOf(cidr));
}

export function isLinkLocal(address: string): boolean {
  return contains('fe80::/10', address) || contains('169.254.0.0/16', address);
}

export function guardSteps({ from }: Snapshot): Step[] {
  const { guard, label, link, drops } = from.port;
  if (guard === null)
    return [ok('guard', `${label} may send from any address`, { facts: { spoof: 'allow' } })];
  const refused = drops.filter(({ reason }) => guardReasons.has(reason));
  const facts = {
    spoof: 'deny',
    mac: guard.mac,
    addresses: guard.addresses.join(', '),
    ...dropFacts(refused),
  };
  const mac = from.kind === 'mac' ? from.mac : (link?.mac ?? null);
  if (mac !== null && mac !== guard.mac) {
    const sentence = `${label} may only send from MAC ${guard.mac}, so what comes from ${mac} is dropped as spoofed_mac${dropSentence(refused)}`;
    return [trouble('guard', sentence, remedyOf('PORT_MAC_REFUSED'), { facts })];
  }
  const { address } = from;
  if (address !== null && !isLinkLocal(address) && !guard.addresses.includes(address)) {
    const own = guard.addresses.length === 0 ? 'no address' : `only ${guard.addresses.join(' and ')}`;
    const sentence = `${label} may send from ${own}, so what comes from ${address} is dropped as spoofed_address${dropSentence(refused)}`;
    return [trouble('guard', sentence, remedyOf('PORT_REFUSED'), { facts })];
  }
  const source = address ?? guard.mac;
  return [ok('guard', `${label} may send from ${source}${dropSentence(recent(refused))}`, { facts })];
}

const guardReasons: ReadonlySet<string> = new Set(['spoofed_mac', 'spoofed_address', 'rogue_service']);

/** Of the addresses of a port's link, or of the port while that is not seen: the one that it speaks to `other` from. */
export function sourceAddress(port: PortFacts, other: string | null): string | null {
  const own = port.link?.addresses ?? port.addresses;
  const near = other === null ? undefined : own.find((one) => contains(subnetOf(one), other));
  const same = own.find((one) => other === null || familyOf(one) === familyOf(other));
  const found = near ?? same;
  return found === undefined ? null : withoutPrefix(found);
}

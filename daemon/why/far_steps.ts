/** What the far host says: the network, both MACs, the port, and what it dropped. */
import { finding } from '../reconcile/findings.js';
import type { FarAccount, FarPlace, PeerFacts, Snapshot } from './snapshot.js';
import {
  ago,
  dropFacts,
  dropSentence,
  type Facts,
  labelOf,
  ok,
  recent,
  type Step,
  trouble,
  unknown,
} from './step.js';

/** A MAC that was heard behind a peer so lately shows that the way is open, at least back. */
const evidence = 60;

export function farSteps(seen: Snapshot, peer: PeerFacts): Step[] {
  const { account, address } = peer;
  if (account === null) return silentSteps(seen, peer);
  const network = networkStep(seen, address, account);
  if (network.state === 'trouble') return [network];
  return [
    network,
    targetStep(seen, address, account),
    ...backStep(seen, address, account),
    ...dropStep(address, account),
  ];
}

/** A VTEP of another make cannot be asked, and neither can an older weftd. */
function silentSteps({ toEntry, to }: Snapshot, { id, address, idle, asked, hello }: PeerFacts): Step[] {
  if (hello.state === 'silent' || idle === null || idle >= evidence) return [];
  const because = {
    alive: 'it is an older weft, or "underlay.explain" is off there',
    foreign: 'it is of another make',
    unknown: 'it is of another make, or an older weft',
  }[hello.state];
  const sentence = asked
    ? `peer ${address} does not answer such questions: ${because}`
    : `peer ${address} was not asked`;
  const heard =
    toEntry !== null &&
    toEntry.kind === 'peer' &&
    toEntry.id === id &&
    !toEntry.declared &&
    toEntry.idle < evidence;
  if (heard) {
    const more = `${sentence}; frames of ${labelOf(to)} come from there, the last ${ago(toEntry.idle)}`;
    return [ok('far', more, { facts: { answers: false } })];
  }
  return [
    unknown('far', sentence, `Look at the MAC table and the port of its host (${address}).`, {
      facts: { answers: false },
    }),
  ];
}

function networkStep({ network }: Snapshot, host: string, account: FarAccount): Step {
  const name = network?.name ?? '';
  const vni = network?.vni ?? 0;
  const facts: Facts = { network: account.network, vni: account.vni, mtu: account.mtu };
  const same = `Declare network "${name}" with the same vni on both hosts.`;
  if (account.network === 'none') {
    const other = account.vni === null ? '' : `, and network "${name}" has VNI ${account.vni} there`;
    const sentence = `peer ${host} has no network with VNI ${vni}${other}: it drops these frames as unknown_vni`;
    return trouble('far-network', sentence, same, { host, facts });
  }
  if (account.network === 'renamed') {
    const other = account.vni === null ? '' : `, and "${name}" has VNI ${account.vni}`;
    const sentence = `VNI ${vni} belongs to a network of another name at peer ${host}${other}`;
    return trouble('far-network', sentence, same, { host, facts });
  }
  if (network !== null && account.mtu !== null && account.mtu < network.mtu) {
    const sentence = `network "${name}" has an MTU of ${account.mtu} at peer ${host} and ${network.mtu} here: it drops larger packets as oversized`;
    return trouble('far-network', sentence, finding('NETWORK_MTU_DIFFERS', '', '').remedy, { host, facts });
  }
  return ok('far-network', `peer ${host} has network "${name}" with VNI ${vni} too`, { host, facts });
}

function placeFacts({ where, address, declared, frozen, idle }: FarPlace): Facts {
  return { where, at: address, declared, frozen, idle };
}

function thirdHost({ address }: FarPlace): string {
  return address === null ? 'another peer' : `peer ${address}`;
}

/** The port there, and where the far MAC table has it. */
function targetStep({ to }: Snapshot, host: string, { port, to: place }: FarAccount): Step {
  const label = labelOf(to);
  const facts: Facts = { ...placeFacts(place), state: port?.state ?? null, mac: port?.mac ?? to.mac };
  if (place.where === 'asker' || place.where === 'peer') {
    const third = place.where === 'asker' ? 'this host' : thirdHost(place);
    const held = place.frozen ? 'frozen' : place.declared ? 'declared' : 'known';
    const sentence = `peer ${host} has the MAC of ${label} ${held} at ${third}, and what a peer sent it sends to no peer`;
    const remedy = 'Two machines may have this MAC; "weft fdb flush" on that host makes it learn anew.';
    return trouble('far-fdb', sentence, remedy, { host, facts });
  }
  if (port === null && place.where === 'nowhere') {
    const sentence = `peer ${host} has no port with ${label}, and does not know its MAC: it floods these frames to its ports`;
    return unknown('far-fdb', sentence, 'Check the address; start the container that has it.', {
      host,
      facts,
    });
  }
  if (port === null)
    return ok(
      'far-port',
      `peer ${host} has the MAC of ${label} behind a port, last heard ${ago(place.idle)}`,
      { host, facts },
    );
  const drops = port.drop === null ? [] : [port.drop];
  const more = { ...facts, ...dropFacts(drops) };
  if (port.state !== 'up') {
    const sentence = `the port of ${label} at peer ${host} is ${port.state}`;
    const remedy = `Bring its link up; "weft port ls" on that host says more.`;
    return trouble('far-port', sentence, remedy, { host, facts: more });
  }
  const known =
    place.where === 'nowhere'
      ? 'its MAC is not learned yet'
      : place.declared
        ? 'its MAC is declared'
        : `its MAC was last heard ${ago(place.idle)}`;
  return ok(
    'far-port',
    `the port of ${label} at peer ${host} is up, ${known}${dropSentence(recent(drops))}`,
    {
      host,
      facts: more,
    },
  );
}

/** Answers come back only where the far host looks for the source here. */
function backStep({ from }: Snapshot, host: string, { from: place }: FarAccount): Step[] {
  const facts = placeFacts(place);
  const label = labelOf(from);
  if (place.where === 'nowhere')
    return [
      ok('far-return', `peer ${host} does not know the MAC of ${label} yet: answers are flooded`, {
        host,
        facts,
      }),
    ];
  if (place.where === 'asker')
    return [ok('far-return', `peer ${host} sends answers to ${label} here`, { host, facts })];
  const elsewhere = place.where === 'port' ? 'at a port of its own' : `at ${thirdHost(place)}`;
  const how = place.declared ? 'declared ' : place.frozen ? 'frozen ' : '';
  const sentence = `peer ${host} has the MAC of ${label} ${how}${elsewhere}: answers go there`;
  const remedy = 'Two machines may have this MAC; "weft fdb ls" on that host says more.';
  return [trouble('far-return', sentence, remedy, { host, facts })];
}

function dropStep(host: string, { drop }: FarAccount): Step[] {
  if (drop === null) return [];
  const old = recent([drop]).length === 0 ? ', and nothing since' : '';
  const sentence = `of what came from here, peer ${host} dropped ${drop.frames} as ${drop.reason}, last ${ago(drop.idle)}${old}`;
  return [ok('far-drops', sentence, { host, facts: dropFacts([drop]) })];
}

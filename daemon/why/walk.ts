/**
 * The way of a frame from one end to the other, place by place, and what is in its way. Pure: what was seen comes in as values. A walk goes
 * on behind the first trouble, because what is wrong further on is worth knowing too; it ends in a sentence about the first.
 */
import { farSteps } from './far_steps.js';
import { addressSteps, entrySteps, homeEntrySteps } from './mac_steps.js';
import { mtuSteps, offloadSteps, peerSteps, silentPeersSteps, underlaySteps } from './peer_steps.js';
import { guardSteps, networkSteps, portSteps, targetSteps } from './port_steps.js';
import type { PeerFacts, Snapshot } from './snapshot.js';
import { labelOf, ok, type Step, type StepState, type Way } from './step.js';

export function walk(seen: Snapshot): Way {
  const peer = nextPeer(seen);
  const steps = [
    ...backwardSteps(seen),
    ...portSteps(seen),
    ...networkSteps(seen),
    ...guardSteps(seen),
    ...homeEntrySteps(seen),
    ...silentPeersSteps(seen, peer),
    ...addressSteps(seen),
    ...entrySteps(seen, peer),
    ...targetSteps(seen),
    ...(seen.to.port === null ? underlaySteps(seen) : []),
    ...(peer === null ? [] : [...peerSteps(seen, peer), ...mtuSteps(seen, peer)]),
    ...offloadSteps(seen, peer),
    ...(peer === null ? [] : farSteps(seen, peer)),
  ];
  const state = worst(steps.map((step) => step.state));
  return { state, steps, ...conclude(seen, peer, steps) };
}

/** The peer that frames are sent to: the FDB decides. What it does not know, the hosts that answered may. */
export function nextPeer({ to, toEntry, peers }: Snapshot): PeerFacts | null {
  if (to.port !== null) return null;
  if (toEntry !== null) {
    return toEntry.kind === 'peer' ? (peers.find(({ id }) => id === toEntry.id) ?? null) : null;
  }
  const owners = peers.filter(({ account }) => account !== null && account.port !== null);
  if (owners.length > 0) return owners[0] ?? null;
  const inUse = peers.filter(({ state }) => state !== 'self');
  return inUse.length === 1 ? (inUse[0] ?? null) : null;
}

function backwardSteps({ from, to, backwards }: Snapshot): Step[] {
  if (!backwards) return [];
  const sentence = `${labelOf(to)} is not on this host, so this is the way back: from ${labelOf(from)} to ${labelOf(to)}. Run "weft why" on its host for the way here`;
  return [ok('direction', sentence, { facts: { backwards } })];
}

function worst(states: readonly StepState[]): StepState {
  if (states.includes('trouble')) return 'trouble';
  return states.includes('unknown') ? 'unknown' : 'ok';
}

function conclude(
  { from, to }: Snapshot,
  peer: PeerFacts | null,
  steps: readonly Step[],
): Pick<Way, 'conclusion' | 'remedy'> {
  const ends = `from ${labelOf(from)} to ${labelOf(to)}`;
  const inTheWay = steps.find(({ state }) => state === 'trouble');
  if (inTheWay !== undefined) {
    const where = inTheWay.host === null ? '' : `, at peer ${inTheWay.host}`;
    const conclusion = `What is in the way ${ends}${where}: ${inTheWay.sentence}.`;
    return { conclusion, remedy: inTheWay.remedy };
  }
  const by = peer === null ? '' : ` by peer ${peer.address}`;
  const way = `Frames go from ${labelOf(from)}${by} to ${labelOf(to)}`;
  const open = steps.find(({ state }) => state === 'unknown');
  if (open === undefined) return { conclusion: `${way}; nothing is in the way.`, remedy: null };
  return {
    conclusion: `${way}, as far as this host can tell; but ${open.sentence}.`,
    remedy: open.remedy,
  };
}

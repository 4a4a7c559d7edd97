/**
 * Failures that somebody else's move explains. A round decides by what it saw, and an engine or a guest may move, rename or delete a link
 * before the step that was meant for it: then the step has no object any more, which is no fault, and the next round decides anew. Pure.
 */
import type { Failure } from './carry_out.js';
import type { Actual, Desired, Step } from './plan.js';

/** Whether the link that the step was meant for is gone by now, or has another name; `actual` was seen after the step. */
export function isOvertaken(
  { step }: Failure,
  desired: Desired,
  actual: Pick<Actual, 'namespaces'>,
): boolean {
  const link = linkOfStep(step, desired);
  if (link === null) return false;
  const links = [...actual.namespaces.values()].flatMap((namespace) => namespace.links);
  return !links.some(({ ifname, alias }) => ifname === link.ifname && alias === link.alias);
}

/** The link that has to be there for a step; null when the step needs none, or somebody waits for its outcome. */
function linkOfStep(step: Step, desired: Desired): { ifname: string; alias: string | undefined } | null {
  switch (step.do) {
    case 'tag-link':
      return step;
    case 'set-mtu':
    case 'set-noqueue':
      return { ifname: step.ifname, alias: desired.ports.find(({ id }) => id === step.id)?.alias };
    case 'reattach-tap':
      // Of any other port it answers a request, which succeeds or fails in this round.
      return step.port.roams ? { ifname: step.ifname, alias: step.port.alias } : null;
    default:
      return null;
  }
}

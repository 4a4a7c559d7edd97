/**
 * Where the link of a Docker endpoint is. weftd makes it at home (in its own namespace), Docker moves it into the sandbox of the
 * container after Join and back after Leave, and may die in between without a word. So nothing is concluded from what Docker said
 * last: the link is looked for everywhere, and an endpoint is given up only when it can have no container any more. Pure.
 */
import type { EndpointRecord } from '../model/objects.js';
import type { Place } from './plan.js';

/** What was seen of the sandbox that Join named. */
export type SandboxSight =
  | { state: 'present'; cookie: string }
  | { state: 'absent' }
  /** The kernel could not tell just now. */
  | { state: 'unsure'; reason: string };

export interface Sight {
  /** Where a link with the alias of the port was seen; null: in no namespace that could be looked at. */
  link: { path: string | null; cookie: string } | null;
  /** null while the endpoint has joined none. */
  sandbox: SandboxSight | null;
  /** Cookie of our own namespace; null when its links could not be listed. */
  home: string | null;
  /** The datapath holds the TAP, and the kernel has not said that it is gone. */
  attached: boolean;
  /** The datapath's descriptor was opened inside the sandbox and keeps it alive. */
  pins: boolean;
  bootId: string;
  /** Milliseconds since the epoch. */
  now: number;
}

/** Join follows CreateEndpoint, and DeleteEndpoint follows Leave, within moments; an engine that takes longer is dead. */
const patience = 2 * 60_000;
/** A sandbox may be mounted a little after Join. */
const mountPatience = 60_000;

export function lodge(endpoint: EndpointRecord, sight: Sight): Place {
  const { link, sandbox, home, attached, pins, bootId, now } = sight;
  if (endpoint.bootId !== bootId)
    return { state: 'dead', reason: 'the host was started anew since Docker made it' };
  const waited = now - endpoint.since;
  const wasInside = endpoint.sandbox !== null && endpoint.sandbox.cookie !== null;
  if (link !== null) {
    const left = link.cookie === home && sandbox?.state !== 'unsure';
    // Leave comes before the link is moved back; so when it was in a sandbox that is gone, Leave came while weftd was away. So it did
    // when the container lives on without it; but while the link moves, an older list still shows it at home.
    const late = waited > patience;
    if (left && (sandbox?.state === 'present' ? wasInside && late : wasInside || late))
      return { state: 'dead', reason: 'Docker left it behind: it is in no container' };
    return { state: 'present', ...link };
  }
  if (sandbox?.state === 'unsure') return sandbox;
  if (home === null)
    return { state: 'unsure', reason: 'the links in the namespace of weftd cannot be listed' };
  if (sandbox === null) {
    if (attached) return { state: 'gone', reason: 'Docker is moving its link' };
    if (waited > patience) return { state: 'dead', reason: 'Docker left it behind: it is in no container' };
    if (endpoint.left === true) return { state: 'gone', reason: 'Docker is removing it' };
    return { state: 'present', path: null, cookie: home };
  }
  if (sandbox.state === 'present')
    return {
      state: 'gone',
      reason: attached
        ? waited > mountPatience
          ? 'its link is in a namespace that its container made'
          : 'Docker is moving its link'
        : 'its link was deleted in the container, or has neither its alias nor its MAC any more; restart it',
    };
  // A descriptor that was opened at home sees its namespace die, so while it is well, so is the container.
  if (attached && !pins) return { state: 'gone', reason: 'its sandbox cannot be seen from here' };
  if (wasInside || waited > mountPatience) return { state: 'dead', reason: 'its container is gone' };
  return { state: 'gone', reason: 'its sandbox is not there yet' };
}

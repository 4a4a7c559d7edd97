/** What the engine tells, by the names of the control plane. What each event means stands at {@link EngineEvent}. */
import type { CaptureCounts, CaptureEnd, EngineEvent } from './native.js';
import type { Registry, Target } from './registry.js';

/** Nothing more is given to the reader of a capture. */
export interface EndedCapture extends CaptureCounts {
  end: CaptureEnd;
}

/** What the engine tells of a peer, with its ID in the place of the handle. */
type OfPeer<T extends EngineEvent['type']> = Omit<Extract<EngineEvent, { type: T }>, 'peer'> & {
  peer: string;
};

/** What is known of a burst to a peer. */
export type OffloadReport = Omit<OfPeer<'offload-report'>, 'type'>;

/** A peer's answer to {@link Datapath.sendHello}. */
export type HelloAnswer = OfPeer<'hello-answer'>;

/** What became of a hello. */
export type HelloReport = HelloAnswer | OfPeer<'hello-failed'> | OfPeer<'hello-misplaced'>;

/** A query of a peer, or its reply to one of ours. */
export type QueryReport = OfPeer<'query' | 'reply'>;

export type DatapathEvent =
  | { type: 'mac-learned' | 'mac-moved' | 'mac-frozen'; network: string; mac: string; where: Target }
  | { type: 'port-gone'; port: string }
  | { type: 'port-error'; port: string; error: string }
  | { type: 'port-offload-disabled'; port: string; reason: string }
  | { type: 'peer-offload-disabled'; peer: string; reason: string }
  | { type: 'peer-too-big'; peer: string }
  | { type: 'stranger'; address: string }
  /**
   * A frame of ARP or ND claims an address of guarded port `port` for another MAC. It came from `where`; null is a host that is no
   * peer.
   */
  | {
      type: 'address-conflict';
      network: string;
      port: string;
      address: string;
      mac: string;
      where: Target | null;
    }
  | ({ type: 'offload-report' } & OffloadReport)
  | HelloReport
  | QueryReport
  | ({ type: 'capture-ended' } & EndedCapture)
  | { type: 'events-lost'; count: number };

/** null when what it is about was removed meanwhile. */
export function namedEvent(event: EngineEvent, known: Registry): DatapathEvent | null {
  switch (event.type) {
    case 'mac-learned':
    case 'mac-moved':
    case 'mac-frozen': {
      const place = known.place(event);
      return place === null ? null : { type: event.type, ...place };
    }
    case 'port-gone':
    case 'port-error':
    case 'port-offload-disabled': {
      const port = known.ports.name(event.port);
      return port === undefined ? null : { ...event, port };
    }
    case 'peer-offload-disabled':
    case 'peer-too-big':
    case 'offload-report':
    case 'hello-answer':
    case 'hello-failed':
    case 'hello-misplaced':
    case 'query':
    case 'reply': {
      const peer = known.peers.name(event.peer);
      return peer === undefined ? null : { ...event, peer };
    }
    case 'address-conflict': {
      const network = known.networks.name(event.network);
      const port = known.ports.name(event.port);
      if (network === undefined || port === undefined) return null;
      return { ...event, network, port, where: known.target(event.where) };
    }
    default:
      return event;
  }
}

/**
 * Which peers are weft hosts that take unfinished checksums. Each says so whenever it answers a hello (hellos.ts), because another VTEP may
 * take its place at any time: what it says holds for half a minute, and at most until its options change. The engine lets go by its own
 * clock, so that this holds also while nobody here gets to run.
 */
import type { Logger } from 'pino';
import type { Datapath } from '../datapath/datapath.js';
import type { HelloAnswer } from '../datapath/events.js';

export interface PeerFeaturesParts {
  datapath: Pick<Datapath, 'peerOptions' | 'carriesChecksum' | 'sendUnfinished'>;
  log: Logger;
  /** Milliseconds; never goes back. */
  now?: () => number;
}

/** Seconds. */
const holdsFor = 30;

export class PeerFeatures {
  /** Until when peers take unfinished checksums. */
  private readonly until = new Map<string, number>();
  private readonly now: () => number;

  constructor(private readonly parts: PeerFeaturesParts) {
    this.now = parts.now ?? (() => performance.now());
  }

  /** It takes them: that is lost when it is not asked in time. */
  takesUnfinished(peer: string): boolean {
    return (this.until.get(peer) ?? 0) > this.now();
  }

  answered({ peer, takesUnfinished }: HelloAnswer): void {
    const { datapath, log } = this.parts;
    // Without an outer checksum nothing would protect what an inner one does not.
    const asked = datapath.carriesChecksum && datapath.peerOptions(peer)?.zeroChecksum === false;
    const before = this.takesUnfinished(peer);
    const now = asked && takesUnfinished;
    if (now) this.until.set(peer, this.now() + holdsFor * 1000);
    else this.until.delete(peer);
    if (now || before) datapath.sendUnfinished(peer, now ? holdsFor : 0);
    if (before !== now)
      log.debug({ peer, takesUnfinished: now }, 'a peer said whether it takes unfinished checksums');
  }

  /** Of a peer that is not there any more. */
  forget(peers: ReadonlyMap<string, unknown>): void {
    for (const id of this.until.keys()) if (!peers.has(id)) this.until.delete(id);
  }
}

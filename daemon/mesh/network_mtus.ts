/**
 * How large packets may be on the networks of other weft hosts. A host drops what is larger than its own network, and two ends of one path
 * need not believe the same of it, so a network with `mtu: auto` takes the least of what its hosts say.
 *
 * Each says what it computed by itself, not what it took from others: so it rises again where the reason is gone.
 */
import type { HelloAnswer } from '../datapath/events.js';
import { type OwnMtus, readMtuPage, writeMtuPage } from './mtu_page.js';
import { readQuestion, writeQuestion } from './network_digest.js';
import { largestText, type Queries, topics } from './queries.js';

export interface LeastMtu {
  /** ID of a peer. */
  peer: string;
  mtu: number;
}

export interface NetworkMtusParts {
  queries: Pick<Queries, 'ask' | 'answer'>;
  /** null while it is not known yet. */
  own: () => OwnMtus | null;
  /** What another host says has changed. */
  onChange: () => void;
  /** Milliseconds; never goes back. */
  now?: () => number;
}

/** Pages of one list. Of networks behind the last, a host that declares the MTU of so many says nothing. */
const mostPages = 4;
/** Milliseconds between two questions to a peer, and for each peer that there is. */
const usualPause = 5000;
const pauseForEachPeer = 200;
/** Questions without a reply, of a peer that answers hellos, after which what it said is over; and the pause from then on. */
const mostUnanswered = 10;
const longPause = 300_000;

interface Told extends OwnMtus {
  /** The last VNI that it could tell of. */
  until: number;
}

interface Known {
  address: string;
  told: Told | null;
  /** When it may be asked again. */
  due: number;
  asking: boolean;
  unanswered: number;
}

export class NetworkMtus {
  private readonly known = new Map<string, Known>();
  private readonly leasts = new Map<number, LeastMtu | null>();
  private readonly now: () => number;

  constructor(private readonly parts: NetworkMtusParts) {
    this.now = parts.now ?? (() => performance.now());
    parts.queries.answer(topics.mtus, (text, _peer, room) => {
      const after = readQuestion(text);
      const own = parts.own();
      return after === null || own === null ? null : writeMtuPage(own, after, room);
    });
  }

  /** Of what the peers computed by themselves for a network; null where none says anything. */
  least(vni: number): LeastMtu | null {
    const before = this.leasts.get(vni);
    if (before !== undefined) return before;
    let least: LeastMtu | null = null;
    for (const [peer, { told }] of this.known) {
      const mtu = told === null || vni > told.until ? null : (told.declared.get(vni) ?? told.auto);
      if (mtu !== null && (least === null || mtu < least.mtu)) least = { peer, mtu };
    }
    this.leasts.set(vni, least);
    return least;
  }

  /** Who answers may be asked. What a host said before it fell silent holds, as it stays programmed. */
  answered({ peer, self }: HelloAnswer): void {
    const known = this.known.get(peer);
    if (self === null || known === undefined || known.asking || this.now() < known.due) return;
    known.asking = true;
    void this.fetch(peer).then((told) => this.take(peer, known, told));
  }

  /** The peer is asked when it answers next. */
  askSoon(peer: string): void {
    const known = this.known.get(peer);
    if (known !== undefined) known.due = 0;
  }

  /** What was said by peers that are not there any more, or have another address, is over. */
  follow(peers: ReadonlyMap<string, { address: string }>): void {
    for (const [id, known] of this.known)
      if (peers.get(id)?.address !== known.address) {
        this.known.delete(id);
        if (known.told !== null) this.changed();
      }
    for (const [id, { address }] of peers)
      if (!this.known.has(id))
        this.known.set(id, { address, told: null, due: 0, asking: false, unanswered: 0 });
  }

  private take(peer: string, known: Known, told: Told | null): void {
    known.asking = false;
    if (this.known.get(peer) !== known) return;
    known.unanswered = told === null ? known.unanswered + 1 : 0;
    const lost = known.unanswered >= mostUnanswered;
    known.due = this.now() + (lost ? longPause : Math.max(usualPause, this.known.size * pauseForEachPeer));
    const next = told ?? (lost ? null : known.told);
    const same = isSame(known.told, next);
    known.told = next;
    if (!same) this.changed();
  }

  private changed(): void {
    this.leasts.clear();
    this.parts.onChange();
  }

  private async fetch(peer: string): Promise<Told | null> {
    const declared = new Map<number, number>();
    let last = 0;
    let auto = 0;
    for (let page = 0; page < mostPages; page++) {
      const text = writeQuestion(last);
      const reply = await this.parts.queries.ask(peer, { topic: topics.mtus, text, room: largestText });
      const read = reply === null ? null : readMtuPage(reply);
      if (read === null) return null;
      auto = read.auto;
      for (const [vni, mtu] of read.declared) {
        if (vni <= last) return null;
        declared.set(vni, mtu);
        last = vni;
      }
      if (!read.more || read.declared.size === 0) return { auto, declared, until: Number.POSITIVE_INFINITY };
    }
    return { auto, declared, until: last };
  }
}

function isSame(one: Told | null, other: Told | null): boolean {
  if (one === null || other === null) return one === other;
  return (
    one.auto === other.auto &&
    one.until === other.until &&
    one.declared.size === other.declared.size &&
    [...one.declared].every(([vni, mtu]) => other.declared.get(vni) === mtu)
  );
}

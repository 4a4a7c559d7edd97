/**
 * Networks that do not mean the same on two hosts: one VNI with two names, or one name with two VNIs. Two hosts need not have the same
 * networks, so where the digest in a peer's hello is not our own its list is asked for, once for each digest.
 */
import type { HelloAnswer } from '../datapath/events.js';
import {
  digestOf,
  type NamedVni,
  readPage,
  readQuestion,
  writePage,
  writeQuestion,
} from './network_digest.js';
import { largestText, type Queries, topics } from './queries.js';

export interface NetworkClash {
  /** The network of this host. */
  network: string;
  vni: number;
  /** What it is there: the other name of the VNI, or the other VNI of the name. */
  there: NamedVni;
}

export interface NetworkClashesParts {
  queries: Pick<Queries, 'ask' | 'answer'>;
  /** Those of this host: the same array while they are the same. */
  networks: () => readonly NamedVni[];
  /** Milliseconds; never goes back. */
  now?: () => number;
}

/** Pages of one list: more than all VNIs of a host need. */
const mostPages = 128;
/** Milliseconds until a list that did not come is asked for again. */
const retry = 30_000;

/** The networks of this host, ready to be compared with those of a thousand others. */
interface Own {
  networks: readonly NamedVni[];
  digest: bigint;
  byName: ReadonlyMap<string, NamedVni>;
  byVni: ReadonlyMap<number, NamedVni>;
}

interface Known {
  theirs: bigint;
  list: readonly NamedVni[] | null;
  askedAt: number;
}

export class NetworkClashes {
  private readonly known = new Map<string, Known>();
  /** Peers whose list is under way. One that says another digest in each hello is asked one question at a time all the same. */
  private readonly fetching = new Set<string>();
  private readonly now: () => number;
  private lastOwn: Own | null = null;

  constructor(private readonly parts: NetworkClashesParts) {
    this.now = parts.now ?? (() => performance.now());
    parts.queries.answer(topics.networks, (text, _peer, room) => {
      const after = readQuestion(text);
      return after === null ? null : writePage(parts.networks(), after, room);
    });
  }

  /** What was found of a peer, with the networks that there are now. */
  of(peer: string): NetworkClash[] {
    return compare(this.own, this.known.get(peer)?.list ?? []);
  }

  /** Of the networks of this host. */
  get digest(): bigint {
    return this.own.digest;
  }

  answered({ peer, self }: HelloAnswer): void {
    if (self === null) {
      this.known.delete(peer);
      return;
    }
    const known = this.known.get(peer);
    if (this.digest === self.networks) {
      this.known.delete(peer);
      return;
    }
    // Its list holds while its digest is the same, whatever changes here.
    if (known?.theirs === self.networks && (known.list !== null || this.now() - known.askedAt < retry))
      return;
    if (this.fetching.has(peer)) return;
    const next: Known = { theirs: self.networks, list: null, askedAt: this.now() };
    this.known.set(peer, next);
    this.fetching.add(peer);
    void this.fetch(peer).then((list) => {
      next.list = list;
      this.fetching.delete(peer);
    });
  }

  /** Of a peer that is not there any more. */
  forget(peers: ReadonlyMap<string, unknown>): void {
    for (const id of this.known.keys()) if (!peers.has(id)) this.known.delete(id);
  }

  private get own(): Own {
    const networks = this.parts.networks();
    if (this.lastOwn?.networks !== networks)
      this.lastOwn = {
        networks,
        digest: digestOf(networks),
        byName: new Map(networks.map((one) => [one.name, one])),
        byVni: new Map(networks.map((one) => [one.vni, one])),
      };
    return this.lastOwn;
  }

  private async fetch(peer: string): Promise<NamedVni[] | null> {
    const all: NamedVni[] = [];
    for (let page = 0; page < mostPages; page++) {
      const text = writeQuestion(all.at(-1)?.vni ?? 0);
      const reply = await this.parts.queries.ask(peer, { topic: topics.networks, text, room: largestText });
      const read = reply === null ? null : readPage(reply);
      if (read === null || (read.networks[0]?.vni ?? Number.POSITIVE_INFINITY) <= (all.at(-1)?.vni ?? 0))
        return null;
      all.push(...read.networks);
      if (!read.more || read.networks.length === 0) return all;
    }
    return all;
  }
}

function compare({ byName, byVni }: Own, theirs: readonly NamedVni[]): NetworkClash[] {
  return theirs.flatMap((there) => {
    const named = byName.get(there.name);
    const numbered = byVni.get(there.vni);
    return [
      ...(named !== undefined && named.vni !== there.vni ? [named] : []),
      ...(numbered !== undefined && numbered.name !== there.name ? [numbered] : []),
    ].map(({ name, vni }) => ({ network: name, vni, there }));
  });
}

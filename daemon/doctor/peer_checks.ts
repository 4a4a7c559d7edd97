/** The way to the peers: whether each can be reached, and how large packets arrive there. */
import { pingSizes } from '../api/limits.js';
import type { Ping } from '../api/schema.js';
import type { ApiClient } from '../cli/client.js';
import type { Examinable, PathAnswer } from '../datapath/kernel.js';
import {
  asRoot,
  bounded,
  type Check,
  complaintsOr,
  error,
  ok,
  skipped,
  type Verdict,
  warning,
} from './check.js';
import type { Target } from './facts.js';

/** Of one call of the addon. */
const mostAtOnce = 256;
const leastBytes = 96;
/** Milliseconds for an answer to come back, also from another continent. */
const patience = 1000;
const rounds = 3;
/** Of a search, in which every second size is too large and has no answer. */
const ofSearch = { rounds: 2, patience: patience / 2 };

/** Probes that are not answered are repeated, so that a lost packet is no finding. */
function probe(
  native: Examinable,
  wanted: readonly { target: Target; echo: boolean; bytes: number }[],
  often: { rounds: number; patience: number } = { rounds, patience },
): PathAnswer[] {
  const answers: PathAnswer[] = [];
  for (let start = 0; start < wanted.length; start += mostAtOnce) {
    let open = wanted
      .slice(start, start + mostAtOnce)
      .map((one, index) => ({ ...one, index: start + index }));
    for (let round = 0; round < often.rounds && open.length > 0; round++) {
      const probes = open.map(({ target: { address, port }, echo, bytes }) => ({
        address,
        port: echo ? null : port,
        bytes,
      }));
      const told = native.probePaths(probes, often.patience);
      for (const [at, { index }] of open.entries()) answers[index] = told[at] ?? silence;
      open = open.filter(
        ({ index, echo }) => echo && answers[index] !== undefined && isSilent(answers[index]),
      );
    }
  }
  return answers;
}

const silence: PathAnswer = { answered: false, error: null, from: null, mtu: null };

function isSilent({ answered, error: told }: PathAnswer): boolean {
  return !answered && told === null;
}

export const peersReachable: Check = {
  name: 'peers',
  looksAt:
    'Every peer can be reached: it resolves, there is a route, no firewall of this host and no router refuses, its UDP port is open, and something comes from it.',
  ofNetwork: true,
  examine(facts) {
    const { native, targets, daemon } = facts;
    if ('problem' in native) return [skipped('the addon cannot be loaded')];
    const unresolved =
      daemon.state === 'answers' ? daemon.peers.filter(({ state }) => state === 'unresolved') : [];
    const names = unresolved.map(({ address, reason }) =>
      error(
        `${address} does not resolve: ${reason ?? 'no address'}`,
        `Check the name and the resolver: "getent ahosts ${address}".`,
      ),
    );
    if (targets.length === 0) return complaintsOr(names, 'there are none');
    const own = new Set(facts.machine.addresses().map(({ address }) => address));
    const datagrams = probe(
      native,
      targets.map((target) => ({ target, echo: false, bytes: leastBytes })),
    );
    const echoes = probe(
      native,
      targets.map((target) => ({ target, echo: true, bytes: leastBytes })),
    );
    const complaints = targets.flatMap((target, index) =>
      reach(target, datagrams[index] ?? silence, echoes[index] ?? silence, own),
    );
    return complaintsOr(
      bounded([...names, ...complaints]),
      `${targets.length === 1 ? 'the peer' : `all ${targets.length}`} can be reached`,
    );
  },
};

function reach(
  { name, address, port, peer }: Target,
  datagram: PathAnswer,
  echo: PathAnswer,
  own: ReadonlySet<string>,
): Verdict[] {
  const who = name === address ? name : `${name} (${address})`;
  const { error: told, from } = datagram;
  const iptables = address.includes(':') ? 'ip6tables' : 'iptables';
  if (from === null && (told === 'EPERM' || told === 'EACCES')) {
    const remedy = `Let UDP port ${port} out: "nft list ruleset" or "${iptables}-save" shows the rule; "${iptables} -I OUTPUT -p udp --dport ${port} -j ACCEPT" lets it through.`;
    return [
      error(`a firewall of this host refuses what is sent to ${who}, UDP port ${port} (${told})`, remedy),
    ];
  }
  if (told === 'ECONNREFUSED' && from !== null && own.has(from)) {
    const remedy = `Let UDP port ${port} out: "nft list ruleset" or "${iptables}-save" shows the rule that rejects it.`;
    return [error(`a firewall of this host rejects what is sent to ${who}, UDP port ${port}`, remedy)];
  }
  if (told === 'ECONNREFUSED') {
    const by = from === null || from === address ? 'it' : from;
    const remedy = `Start weftd there ("systemctl start weftd"), or a firewall there rejects it: let UDP port ${port} in. "weft peer ls" shows the port that is used for it.`;
    return [error(`nobody takes datagrams on UDP port ${port} of ${who}: ${by} says so`, remedy)];
  }
  if (told !== null && told !== 'EMSGSIZE') {
    const here = from === null || own.has(from);
    const by = here ? 'this host' : `router ${from}`;
    const remedy = here
      ? `Check the route and the neighbour: "ip route get ${address}", "ip neigh show ${address}".`
      : `Ask whom ${from} belongs to; "traceroute -n ${address}" shows the way.`;
    return [error(`${who} cannot be reached: ${by} says ${told}`, remedy)];
  }
  if (peer !== null && peer.state !== 'silent') return [];
  if (echo.answered) {
    if (peer === null) return [];
    const remedy = `See there that weftd runs and has this host as a peer ("weft peer ls"), and let UDP port ${port} in on both hosts: "weft doctor" there tells more. A peer of another make that has nothing to send is silent too.`;
    return [
      warning(`${who} answers pings, but nothing came from its UDP port ${port} ${since(peer.idle)}`, remedy),
    ];
  }
  if (peer === null && mayNotPing(echo)) return [];
  const remedy = `Is it switched on? "ping ${address}" and "ip neigh show ${address}" tell more; a firewall may drop pings and UDP port ${port} alike.`;
  return [
    warning(
      `nothing is heard from ${who}: ${mayNotPing(echo) ? 'pings are not allowed here' : 'no answer to pings'}${peer === null ? '' : `, and nothing from its UDP port ${since(peer.idle)}`}`,
      remedy,
    ),
  ];
}

/** Without a group in net.ipv4.ping_group_range, and without CAP_NET_RAW. */
function mayNotPing({ error: told, from }: PathAnswer): boolean {
  return from === null && (told === 'EPERM' || told === 'EACCES');
}

function since(idle: number | null): string {
  return idle === null ? 'yet' : `for ${Math.round(idle)} s`;
}

export function pathMtuCheck(api: Pick<ApiClient, 'post'>): Check {
  return {
    name: 'path-mtu',
    looksAt:
      'Packets as large as the kernel takes the path to each peer for arrive there, tried by echoes that may not be fragmented, and by hellos at a weft host that answers no echoes.',
    ofNetwork: true,
    async examine({ native, targets }) {
      if ('problem' in native) return [skipped('the addon cannot be loaded')];
      const routed = targets.flatMap((target): Routed[] => {
        try {
          return [{ target, mtu: native.pathMtu(target.address) }];
        } catch {
          return [];
        }
      });
      if (routed.length === 0)
        return [skipped(targets.length === 0 ? 'there are no peers' : 'there is a route to no peer')];
      const small = probe(
        native,
        routed.map(({ target }) => ({ target, echo: true, bytes: leastBytes })),
      );
      const heard = byEcho(
        native,
        routed.filter((_, index) => small[index]?.answered),
      );
      const mute = routed.filter((_, index) => !small[index]?.answered);
      const greeted = await byHello(api, mute);
      const told = [...heard, ...greeted];
      if (told.length === 0) {
        const refused = small.find(mayNotPing);
        const silent = `no peer answers pings, such as ${mute[0]?.target.name}: "weft peer ls" shows what the kernel knows`;
        return refused === undefined
          ? [skipped(silent)]
          : [skipped(`this user may not send pings (${refused.error})`, asRoot)];
      }
      const holes = told.filter(({ fits, mtu, by }) => fits < mtu && by === 'nobody');
      if (holes.length > 0) return bounded(holes.map(blackHole));
      const least = told.reduce((one, other) => (other.fits < one.fits ? other : one));
      const narrow = least.by === 'nobody' ? '' : ` (told by ${least.by}; weftd follows)`;
      const unheard = mute.length - greeted.length;
      const rest = unheard === 0 ? '' : `; ${unheard} of ${routed.length} answer neither pings nor hellos`;
      const where = told.length === 1 ? least.target.name : 'every peer, at least';
      return [ok(`${least.fits} bytes arrive at ${where}${narrow}${rest}`)];
    },
  };
}

interface Routed {
  target: Target;
  /** Bytes of IP that the kernel believes in. */
  mtu: number;
}

interface Measured extends Routed {
  fits: number;
  /** Who told of a narrow place. */
  by: string;
}

function byEcho(native: Examinable, heard: readonly Routed[]): Measured[] {
  const large = probe(
    native,
    heard.map(({ target, mtu }) => ({ target, echo: true, bytes: mtu })),
  );
  const isLost = (index: number): boolean => large[index] !== undefined && isSilent(large[index]);
  const carried = search(
    native,
    heard.filter((_, index) => isLost(index)),
  );
  return heard.map((one, index) => {
    if (isLost(index)) return { ...one, fits: carried.shift() ?? leastBytes, by: 'nobody' };
    const { error: told, mtu, from } = large[index] ?? silence;
    if (told !== 'EMSGSIZE') return { ...one, fits: one.mtu, by: 'nobody' };
    return { ...one, fits: mtu ?? one.mtu, by: from ?? 'this kernel' };
  });
}

/** Weft hosts that are asked one after the other. */
const mostGreeted = 16;

/** Of those that answer hellos. weftd has found out by itself what arrives there when a full one does not. */
async function byHello(api: Pick<ApiClient, 'post'>, mute: readonly Routed[]): Promise<Measured[]> {
  const alive = mute.filter(({ target: { peer } }) => peer?.hello?.state === 'alive').slice(0, mostGreeted);
  const measured: Measured[] = [];
  for (const { target, mtu } of alive) {
    const size = Math.max(pingSizes.min, Math.min(pingSizes.max, mtu));
    let arrives = false;
    for (let round = 0; round < rounds && !arrives; round++) {
      const path = `/v1/peers/${encodeURIComponent(target.peer?.id ?? '')}/ping`;
      arrives = (await api.post<Ping>(path, { size, timeout: patience / 1000 })).answered;
    }
    const known = target.peer?.pathMtu ?? null;
    const fits = arrives ? mtu : Math.min(mtu - 1, known ?? mtu);
    measured.push({ target, mtu, fits, by: 'nobody' });
  }
  return measured;
}

/** Halves what lies between a size that arrives and one that does not, for all at once. */
function search(native: Examinable, lost: readonly Routed[]): number[] {
  const ranges = lost.map(({ target, mtu }) => ({ target, arrives: leastBytes, vanishes: mtu }));
  for (;;) {
    const open = ranges.filter(({ arrives, vanishes }) => vanishes - arrives > 1);
    if (open.length === 0) return ranges.map(({ arrives }) => arrives);
    const middles = open.map(({ target, arrives, vanishes }) => ({
      target,
      echo: true,
      bytes: Math.floor((arrives + vanishes) / 2),
    }));
    const answers = probe(native, middles, ofSearch);
    for (const [index, range] of open.entries()) {
      const middle = middles[index]?.bytes ?? range.arrives;
      if (answers[index]?.answered) range.arrives = middle;
      else range.vanishes = middle;
    }
  }
}

function blackHole({ target: { name, address, peer }, mtu, fits: carried }: Measured): Verdict {
  const mend = 'Have whoever runs the way let ICMP "fragmentation needed" through, or carry larger packets';
  const found = `packets of more than ${carried} bytes vanish on the way to ${name} without a word, and the kernel believes in ${mtu}`;
  if (peer !== null && peer.pathMtu !== null && peer.pathMtu <= carried)
    return warning(
      `${found}; weft has found it out and sends none`,
      `${mend}: "tracepath -n ${address}" shows the way.`,
    );
  return error(
    `${found}: pings pass, large transfers hang`,
    `${mend}. Until then tell the kernel: "ip route add ${address} via GATEWAY dev IFNAME mtu lock ${carried}" ("ip route get ${address}" names both; where it names no gateway, leave "via" out); weftd follows at once.`,
  );
}

/**
 * How large a datagram may be to arrive at a peer, found out by hellos that are padded. Only small ones that pass while large ones do not say
 * something about the path; where nothing passes, the peer is away.
 */
import type { Reply } from './hellos.js';

/** Sends one hello in an IP packet of so many bytes, or in the smallest one for null. */
export type AskSize = (bytes: number | null) => Promise<Reply>;

export type PathResult =
  /** The largest packet, in bytes of IP, that arrives: at most what was asked about. */
  | { known: true; bytes: number }
  /** The peer does not answer, or the kernel did not send. */
  | { known: false };

const unknown: PathResult = { known: false };
/** So often a packet must be lost, each time while a small one passes, before it counts as too large. */
const attempts = 3;
/** Sizes that are tried at once. */
const width = 7;

/** `least` is what every path takes (RFC 791, RFC 8200). `most` is what the kernel takes. Never rejects. */
export async function searchPath(ask: AskSize, least: number, most: number): Promise<PathResult> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const whole = await ask(most);
    if (whole.outcome === 'answered') return { known: true, bytes: most };
    if (whole.outcome === 'failed') return unknown;
    if ((await ask(null)).outcome !== 'answered') return unknown;
  }
  let low = least;
  let high = most;
  while (high - low > 1) {
    const sizes = spread(low, high);
    const passed = await passing(ask, sizes);
    if (passed === null) return unknown;
    const largest = Math.max(low, ...passed);
    high = Math.min(high, ...sizes.filter((size) => size > largest));
    low = largest;
  }
  // What was lost in the last step may have been lost by chance, or the peer went away meanwhile.
  return (await ask(null)).outcome === 'answered' ? { known: true, bytes: low } : unknown;
}

/** Sizes between two, as far from each other as they can be. */
function spread(low: number, high: number): number[] {
  const count = Math.min(width, high - low - 1);
  return Array.from(
    { length: count },
    (_, index) => low + Math.ceil(((index + 1) * (high - low)) / (count + 1)),
  );
}

/** Those of which one arrives; null when the kernel does not send one of them. What is lost is sent again, once. */
async function passing(ask: AskSize, sizes: readonly number[]): Promise<number[] | null> {
  const passed = new Set<number>();
  for (let attempt = 0; attempt < 2; attempt++) {
    const largest = Math.max(0, ...passed);
    const open = sizes.filter((size) => size > largest);
    const replies = await Promise.all(open.map(async (size) => ({ size, reply: await ask(size) })));
    if (replies.some(({ reply }) => reply.outcome === 'failed')) return null;
    for (const { size, reply } of replies) if (reply.outcome === 'answered') passed.add(size);
  }
  return [...passed];
}

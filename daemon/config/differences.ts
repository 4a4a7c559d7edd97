/** What one configuration says differently from another, in sentences. */
import { isDeepStrictEqual } from 'node:util';
import { formatPath } from './path.js';
import type { Config, PeerConfig } from './schema.js';

const needRestart = ['docker', 'log.format', 'underlay.source_ports', 'workers'];

interface Difference {
  path: string;
  sentence: string;
}

/** `peersByHand`: addresses of the peers that the API made, which are peers also while the file does not name them. */
export function configDifferences(before: Config, after: Config, peersByHand: ReadonlySet<string>): string[] {
  const { peers: peersBefore, ...restBefore } = before;
  const { peers: peersAfter, ...restAfter } = after;
  const peers = comparePeers(peersBefore, peersAfter, peersByHand);
  return [...compare(restBefore, restAfter, []), ...peers].map(({ path, sentence }) =>
    needsRestart(path) ? `${sentence}: takes effect when weftd is started again` : sentence,
  );
}

/** Only what a running weftd does not take over. */
export function restartDifferences(before: Config, after: Config): string[] {
  return compare(before, after, [])
    .filter(({ path }) => needsRestart(path))
    .map(({ sentence }) => sentence);
}

function needsRestart(path: string): boolean {
  return needRestart.some((key) => path === key || path.startsWith(`${key}.`));
}

function compare(before: unknown, after: unknown, path: string[]): Difference[] {
  if (isDeepStrictEqual(before, after)) return [];
  const name = formatPath(path);
  if (path[0] === 'networks' && path.length === 2) {
    const what = `network "${path[1]}"`;
    const sentence =
      before === undefined
        ? `${what} was added`
        : after === undefined
          ? `${what} was removed`
          : `${what} was changed: ${changes(before, after)}`;
    return [{ path: name, sentence }];
  }
  if (isMapping(before) && isMapping(after)) {
    return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((key) =>
      compare(before[key], after[key], [...path, key]),
    );
  }
  return [
    { path: name, sentence: `${name} changed from ${JSON.stringify(before)} to ${JSON.stringify(after)}` },
  ];
}

function comparePeers(
  before: readonly PeerConfig[],
  after: readonly PeerConfig[],
  byHand: ReadonlySet<string>,
): Difference[] {
  const byAddress = (peers: readonly PeerConfig[]) => new Map(peers.map((peer) => [peer.address, peer]));
  const [old, now] = [byAddress(before), byAddress(after)];
  return [...new Set([...old.keys(), ...now.keys()])]
    .filter((address) => !isDeepStrictEqual(old.get(address), now.get(address)))
    .map((address) => ({ path: 'peers', sentence: `peer ${address} ${happened(address)}` }));

  function happened(address: string): string {
    if (!old.has(address))
      return byHand.has(address) ? 'is of the file now, not of the API any more' : 'was added';
    if (!now.has(address))
      return byHand.has(address) ? 'is not of the file any more; that of the API is in force' : 'was removed';
    return `was changed: ${changes(old.get(address), now.get(address))}`;
  }
}

/** `mtu from "auto" to 1400`, for each key. What the file leaves to a default is `unset`. */
function changes(before: unknown, after: unknown): string {
  const [old, now] = [before, after] as Record<string, unknown>[];
  const text = (value: unknown) => JSON.stringify(value ?? undefined) ?? 'unset';
  return [...new Set([...Object.keys(old ?? {}), ...Object.keys(now ?? {})])]
    .filter((key) => !isDeepStrictEqual(old?.[key], now?.[key]))
    .map((key) => `${key} from ${text(old?.[key])} to ${text(now?.[key])}`)
    .join(', ');
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

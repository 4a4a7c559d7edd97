/** The first thing that a weftd does after a restart: it goes on forwarding as its predecessor did. All else can wait. */
import { Datapath } from '../datapath/datapath.js';
import type { Native } from '../datapath/native.js';
import { Kept } from './kept.js';
import type { PassedFd } from './listen_fds.js';
import { type SavedProgram, takeProgram } from './program.js';

export interface TakenOver {
  datapath: Datapath;
  kept: Kept;
  /** Milliseconds of this process until it forwarded. */
  after: number;
}

export interface Problem {
  name: string;
  reason: string;
}

/** null when there is nothing to go on with; all that came back is closed then, when `problems` says so. */
export function takeOver(
  native: Native,
  passed: readonly PassedFd[],
  path: string | null,
  problems: Problem[],
): TakenOver | null {
  const saved = path === null ? null : takeProgram(path);
  if (saved === null || saved.underlay === null) return null;
  if (!passed.some(({ name }) => Kept.isReceiver(name))) return null;
  const kept = new Kept(native, passed);
  let datapath: Datapath | null = null;
  try {
    datapath = new Datapath(native, saved.options, () => undefined, kept);
    goOn(native, datapath, kept, saved);
    return { datapath, kept, after: performance.now() };
  } catch (error) {
    datapath?.stop();
    kept.report((name, reason) => problems.push({ name, reason }));
    kept.abandon(`the former program cannot be gone on with: ${(error as Error).message}`);
    return null;
  }
}

function goOn(native: Native, datapath: Datapath, kept: Kept, saved: SavedProgram): void {
  for (const port of saved.underlay?.ports ?? [])
    if (!native.lock(`vtep-${port}`)) throw new Error(`another weftd has UDP port ${port}`);
  kept.offerReceivers(datapath);
  datapath.restore(saved, (id) => kept.takePort(id, { alias: saved.aliasPrefix + id }));
  datapath.start();
}

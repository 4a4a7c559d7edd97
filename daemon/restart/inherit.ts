/** What a weftd gets from systemd and from the weftd before it, taken before anything else is loaded. */
import { loadNative } from '../datapath/load.js';
import { type PassedFd, takeListenFds } from './listen_fds.js';
import { programPath } from './program.js';
import { type Problem, type TakenOver, takeOver } from './take_over.js';
import { takeWatchdog } from './watchdog.js';

export interface Inheritance {
  /** What systemd handed over: the plugin's socket, and what a former weftd has put into the fd store. */
  passed: readonly PassedFd[];
  /** Where the program is kept for the next weftd; null: nowhere. */
  programPath: string | null;
  /** The datapath as the former weftd left it, which forwards already. Nothing of `passed` but the plugin's socket is to be used then. */
  takenOver: TakenOver | null;
  problems: readonly Problem[];
  /** Milliseconds after which systemd takes a weftd that does not speak for dead; null when it does not watch. */
  watchdogLimit: number | null;
}

export const nothing: Inheritance = {
  passed: [],
  programPath: null,
  takenOver: null,
  problems: [],
  watchdogLimit: null,
};

export function inherit(env: NodeJS.ProcessEnv): Inheritance {
  const passed = takeListenFds(env);
  const watchdogLimit = takeWatchdog(env);
  const path = programPath(env);
  const problems: Problem[] = [];
  // Without a runtime directory there is no systemd; the addon is loaded where its absence is explained.
  const takenOver =
    path === null || passed.length === 0 ? null : takeOver(loadNative(), passed, path, problems);
  // What was refused is closed.
  const rest =
    problems.length > 0 && takenOver === null ? passed.filter(({ name }) => name === 'docker') : passed;
  return { passed: rest, programPath: path, takenOver, problems, watchdogLimit };
}

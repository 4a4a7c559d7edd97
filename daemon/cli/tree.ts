/** All commands. `completion` is yargs's own and stands in parser.ts. */
import type { Command, Group } from './command.js';
import { capture } from './commands/capture.js';
import { config } from './commands/config.js';
import { doctor } from './commands/doctor.js';
import { drops } from './commands/drops.js';
import { events } from './commands/events.js';
import { fdb } from './commands/fdb.js';
import { network } from './commands/network.js';
import { peer } from './commands/peer.js';
import { ping } from './commands/ping.js';
import { pool } from './commands/pool.js';
import { port } from './commands/port.js';
import { ps } from './commands/ps.js';
import { reload } from './commands/reload.js';
import { report } from './commands/report.js';
import { state } from './commands/state.js';
import { status } from './commands/status.js';
import { version } from './commands/version.js';
import { wait } from './commands/wait.js';
import { why } from './commands/why.js';

export const commandTree: readonly (Command | Group)[] = [
  status,
  ps,
  network,
  port,
  peer,
  ping,
  pool,
  fdb,
  drops,
  why,
  events,
  capture,
  config,
  state,
  reload,
  doctor,
  report,
  wait,
  version,
];

export function isGroup(entry: Command | Group): entry is Group {
  return 'commands' in entry;
}

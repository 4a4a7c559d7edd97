/**
 * A weftd that refuses to start answers those who wait on a socket that systemd holds by an end. Otherwise they would wait on, and systemd
 * would start weftd again for them, at once, whatever its unit says of restarts.
 */
import { createServer } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import type { PassedFd } from './listen_fds.js';

/** Name of the descriptor that Docker connects to. */
const waitedOn = 'docker';
/** Milliseconds; more than it takes to accept all that wait. */
const patience = 100;

export async function turnAway(passed: readonly PassedFd[]): Promise<void> {
  const fd = passed.find(({ name }) => name === waitedOn)?.fd;
  if (fd === undefined) return;
  const server = createServer((socket) => socket.destroy());
  // One that was closed already has nobody waiting here.
  server.on('error', () => undefined);
  server.listen({ fd });
  await setTimeout(patience);
  server.close();
}

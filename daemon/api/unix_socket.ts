/** Unix sockets as files: bound without a moment in which others may use them, and never taken from a process that answers. */
import { chmodSync, chownSync, mkdirSync, statSync, unlinkSync } from 'node:fs';
import { connect, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { errnoOf } from '../datapath/kernel.js';
import { WeftError } from '../errors.js';

/** sun_path has 108 bytes, the last of them zero; Node would cut what is longer. */
const longestPath = 107;

/** PID of the process at the other end of a connected descriptor; null when it cannot be told. */
export type PeerPid = (fd: number) => number | null;

/** The descriptor of a socket. Node has no public way to it; null when the private one is gone. */
export function descriptorOf(socket: unknown): number | null {
  const fd = (socket as { _handle?: { fd?: unknown } } | null | undefined)?._handle?.fd;
  return typeof fd === 'number' && fd >= 0 ? fd : null;
}

/**
 * Makes `server` listen on `path`, mode 0660, owner root, group `gid`. Makes its directory, and replaces a stale socket file. On failure
 * the server is closed, and it throws WEFT_SOCKET_TAKEN (with `pid` where that can be told) when a process answers there, or WEFT_LISTEN.
 */
export async function listenOnPath(
  server: Server,
  path: string,
  gid: number,
  peerPid: PeerPid = () => null,
): Promise<void> {
  try {
    const bytes = Buffer.byteLength(path);
    if (bytes > longestPath) {
      const reason = `the path of a socket has at most ${longestPath} bytes, this one has ${bytes}`;
      throw new WeftError('WEFT_LISTEN', { address: path, reason });
    }
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    await removeStale(path, peerPid);
    await bind(server, path);
    chownSync(path, 0, gid);
    chmodSync(path, 0o660);
  } catch (cause) {
    server.close();
    if (cause instanceof WeftError) throw cause;
    if (errnoOf(cause) === 'EADDRINUSE')
      throw new WeftError('WEFT_SOCKET_TAKEN', { socket: path }, { cause });
    const reason = errnoOf(cause) ?? (cause as Error).message;
    throw new WeftError('WEFT_LISTEN', { address: path, reason }, { cause });
  }
}

async function removeStale(path: string, peerPid: PeerPid): Promise<void> {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isSocket())
    throw new WeftError('WEFT_LISTEN', { address: path, reason: 'a file that is no socket is there' });
  const answering = await new Promise<{ pid: number | null } | null>((resolve, reject) => {
    const socket: Socket = connect(path);
    socket.once('connect', () => {
      const fd = descriptorOf(socket);
      resolve({ pid: fd === null ? null : peerPid(fd) });
      socket.destroy();
    });
    socket.once('error', (error) => {
      const errno = errnoOf(error);
      if (errno === 'ECONNREFUSED' || errno === 'ENOENT') resolve(null);
      // The queue of connections is full: somebody listens, and does not answer.
      else if (errno === 'EAGAIN') resolve({ pid: null });
      else reject(error);
    });
  });
  if (answering !== null)
    throw new WeftError('WEFT_SOCKET_TAKEN', {
      socket: path,
      ...(answering.pid === null ? {} : { pid: answering.pid }),
    });
  try {
    unlinkSync(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

/** The socket is never open to others, not even between bind and chmod. */
function bind(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const before = process.umask(0o177);
    try {
      server.once('error', reject);
      server.listen(path, () => {
        server.off('error', reject);
        resolve();
      });
    } finally {
      process.umask(before);
    }
  });
}

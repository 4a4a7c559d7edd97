/** Serves the API on a unix socket that root and the group "weft" may use. */
import { chmodSync, chownSync, mkdirSync, readFileSync, statSync, unlinkSync } from 'node:fs';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { createAdaptorServer, type HttpBindings } from '@hono/node-server';
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { Kernel } from '../datapath/kernel.js';
import { errnoOf } from '../datapath/kernel.js';
import { WeftError } from '../errors.js';

const group = 'weft';
/** A client that does not finish its request in this time is cut off. */
const requestTimeout = 30_000;
const mostConnections = 256;
/** sun_path has 108 bytes, the last of them zero; Node would cut what is longer. */
const longestPath = 107;

export class ApiServer {
  private server: Server | null = null;

  constructor(
    private readonly app: OpenAPIHono<{ Bindings: HttpBindings }>,
    private readonly path: string,
  ) {}

  /** Replaces a stale socket file. Throws WEFT_SOCKET_TAKEN when another weftd answers there, or WEFT_LISTEN. */
  async listen(): Promise<void> {
    const bytes = Buffer.byteLength(this.path);
    if (bytes > longestPath) {
      const reason = `the path of a socket has at most ${longestPath} bytes, this one has ${bytes}`;
      throw new WeftError('WEFT_LISTEN', { address: this.path, reason });
    }
    const server = createAdaptorServer({ fetch: this.app.fetch }) as Server;
    server.requestTimeout = requestTimeout;
    server.maxConnections = mostConnections;
    try {
      mkdirSync(dirname(this.path), { recursive: true, mode: 0o755 });
      await removeStale(this.path);
      await bind(server, this.path);
      chownSync(this.path, 0, groupId() ?? 0);
      chmodSync(this.path, 0o660);
    } catch (cause) {
      server.close();
      if (cause instanceof WeftError) throw cause;
      if (errnoOf(cause) === 'EADDRINUSE')
        throw new WeftError('WEFT_SOCKET_TAKEN', { socket: this.path }, { cause });
      throw new WeftError(
        'WEFT_LISTEN',
        { address: this.path, reason: errnoOf(cause) ?? (cause as Error).message },
        { cause },
      );
    }
    this.server = server;
  }

  /** Stops listening and cuts the connections, event streams included. */
  async close(): Promise<void> {
    const { server } = this;
    if (server === null) return;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }
}

/** Finds the process at the other end of a request's connection. */
export function callerFinder(
  kernel: Pick<Kernel, 'peerCredentials'>,
): (bindings: HttpBindings | undefined) => number | null {
  return (bindings) => {
    // Node has no public way to the descriptor of a socket; without it, namespaces are resolved as weftd sees them.
    const socket = bindings?.incoming?.socket as { _handle?: { fd?: unknown } } | undefined;
    const fd = socket?._handle?.fd;
    if (typeof fd !== 'number' || fd < 0) return null;
    try {
      const { pid } = kernel.peerCredentials(fd);
      return pid > 0 ? pid : null;
    } catch {
      return null;
    }
  };
}

async function removeStale(path: string): Promise<void> {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isSocket())
    throw new WeftError('WEFT_LISTEN', { address: path, reason: 'a file that is no socket is there' });
  const answers = await new Promise<boolean>((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error) => (errnoOf(error) === 'ECONNREFUSED' ? resolve(false) : reject(error)));
  });
  if (answers) throw new WeftError('WEFT_SOCKET_TAKEN', { socket: path });
  unlinkSync(path);
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

function groupId(): number | null {
  try {
    const line = readFileSync('/etc/group', 'utf8')
      .split('\n')
      .find((one) => one.startsWith(`${group}:`));
    return line === undefined ? null : Number(line.split(':')[2]);
  } catch {
    return null;
  }
}

/** Serves the API on a unix socket that root and the group "weft" may use. */
import { readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { createAdaptorServer, type HttpBindings } from '@hono/node-server';
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { Kernel } from '../datapath/kernel.js';
import { descriptorOf, listenOnPath } from './unix_socket.js';

const group = 'weft';
/** A client that does not finish its request in this time is cut off. */
const requestTimeout = 30_000;
const mostConnections = 256;

export class ApiServer {
  private server: Server | null = null;

  constructor(
    private readonly app: OpenAPIHono<{ Bindings: HttpBindings }>,
    private readonly path: string,
  ) {}

  /** Replaces a stale socket file. Throws WEFT_SOCKET_TAKEN when another weftd answers there, or WEFT_LISTEN. */
  async listen(): Promise<void> {
    const server = createAdaptorServer({ fetch: this.app.fetch }) as Server;
    server.requestTimeout = requestTimeout;
    server.maxConnections = mostConnections;
    await listenOnPath(server, this.path, groupId() ?? 0);
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
    // Without it, namespaces are resolved as weftd sees them.
    const fd = descriptorOf(bindings?.incoming?.socket);
    if (fd === null) return null;
    try {
      const { pid } = kernel.peerCredentials(fd);
      return pid > 0 ? pid : null;
    } catch {
      return null;
    }
  };
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

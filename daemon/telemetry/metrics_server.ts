/** /metrics and /healthz on TCP. */
import { createServer, type Server } from 'node:http';
import type { Registry } from 'prom-client';
import { errnoOf } from '../datapath/kernel.js';
import { WeftError } from '../errors.js';
import { parsePeerAddress } from '../model/address.js';
import type { HealthMonitor } from './health.js';

export class MetricsServer {
  private readonly server: Server;

  constructor(registry: Registry, health: HealthMonitor) {
    this.server = createServer((request, response) => {
      const answer = (status: number, type: string, body: string) => {
        response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(body);
      };
      const path = request.url?.split('?')[0];
      if (request.method !== 'GET' && request.method !== 'HEAD')
        return answer(405, 'text/plain', 'GET only\n');
      if (path === '/healthz') {
        const { status, reasons } = health.health();
        return answer(
          status === 'failing' ? 503 : 200,
          'application/json',
          `${JSON.stringify({ status, reasons })}\n`,
        );
      }
      if (path !== '/metrics') return answer(404, 'text/plain', 'see /metrics and /healthz\n');
      registry.metrics().then(
        (text) => answer(200, registry.contentType, text),
        (error: Error) => answer(500, 'text/plain', `${error.message}\n`),
      );
    });
    this.server.requestTimeout = 10_000;
    this.server.maxConnections = 32;
  }

  /** `listen` is `address:port`. Throws WEFT_LISTEN. */
  async listen(listen: string): Promise<void> {
    const split = listen.lastIndexOf(':');
    const host = listen.slice(0, split).replace(/^\[|\]$/g, '');
    const name = parsePeerAddress(listen)?.address ?? host;
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', (cause) => {
        reject(
          new WeftError(
            'WEFT_LISTEN',
            { address: listen, reason: errnoOf(cause) ?? cause.message },
            { cause },
          ),
        );
      });
      this.server.listen({ host: name, port: Number(listen.slice(split + 1)) }, resolve);
    });
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }
}

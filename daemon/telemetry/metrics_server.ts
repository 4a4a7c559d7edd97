/** /metrics and /healthz on TCP. Whoever asks, and however slowly it reads, is given little of the daemon. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { errnoOf } from '../datapath/kernel.js';
import { parsePeerAddress } from '../model/address.js';
import { type FindingDraft, finding } from '../reconcile/findings.js';
import type { HealthMonitor } from './health.js';
import { contentType } from './metrics/exposition.js';
import type { Metrics } from './metrics/metrics.js';

export interface MetricsServerParts {
  metrics: Pick<Metrics, 'text'>;
  health: Pick<HealthMonitor, 'health'>;
  log: Logger;
  /** Called when {@link MetricsServer.findings} are others. */
  onChange(): void;
}

/** Milliseconds. */
export interface ServerLimits {
  /** In which a request must have come in. */
  receipt: number;
  /** In which its answer must have been taken. */
  answer: number;
  /** Between attempts to listen. */
  retry: number;
}

const usual: ServerLimits = { receipt: 5_000, answer: 10_000, retry: 2_000 };
/** All of those that read slowly share the text that they are sent. */
const mostConnections = 32;

export class MetricsServer {
  private server: Server | null = null;
  private address: string | null = null;
  /** Why it does not listen though it should. */
  private reason: string | null = null;
  private retry: NodeJS.Timeout | null = null;

  constructor(
    private readonly parts: MetricsServerParts,
    private readonly limits: ServerLimits = usual,
  ) {}

  /**
   * From now on listens on `address:port`, and nowhere else; null: nowhere. Never rejects: what is in the way is a finding, and tried
   * again.
   */
  async use(listen: string | null): Promise<void> {
    if (listen === this.address) return;
    this.address = listen;
    await this.stop();
    if (this.address === listen) await this.tryToListen();
  }

  findings(): FindingDraft[] {
    if (this.reason === null) return [];
    return [
      finding('METRICS_LISTEN', 'metrics', `${this.address ?? ''} cannot be listened on (${this.reason})`),
    ];
  }

  async close(): Promise<void> {
    await this.use(null);
  }

  private async stop(): Promise<void> {
    const { server } = this;
    if (this.retry !== null) clearTimeout(this.retry);
    this.retry = null;
    this.server = null;
    this.tell(null);
    if (server === null) return;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }

  private async tryToListen(): Promise<void> {
    const listen = this.address;
    if (listen === null) return;
    const server = createServer({ connectionsCheckingInterval: 1_000 }, (request, response) =>
      this.serve(request, response),
    );
    server.headersTimeout = this.limits.receipt;
    server.requestTimeout = this.limits.receipt;
    server.maxConnections = mostConnections;
    const refused = await listenOn(server, listen);
    // Another address was asked for meanwhile.
    if (this.address !== listen) {
      server.close();
      return;
    }
    this.tell(refused);
    if (refused === null) {
      this.server = server;
      return;
    }
    this.retry = setTimeout(() => void this.tryToListen(), this.limits.retry);
    this.retry.unref();
  }

  private tell(reason: string | null): void {
    if (reason === this.reason) return;
    this.reason = reason;
    this.parts.onChange();
  }

  private serve(request: IncomingMessage, response: ServerResponse): void {
    const deadline = setTimeout(() => request.socket.destroy(), this.limits.answer);
    response.once('close', () => clearTimeout(deadline));
    this.answerTo(request).then(
      ({ status, type, body }) => {
        // A scraper comes again in seconds at the soonest; until then its place is for others.
        response
          .writeHead(status, {
            'content-type': type,
            'content-length': Buffer.byteLength(body),
            'cache-control': 'no-store',
            connection: 'close',
          })
          .end(body);
      },
      (error: unknown) => {
        this.parts.log.error({ err: error }, 'the metrics could not be read');
        response.writeHead(500, { connection: 'close' }).end();
      },
    );
  }

  private async answerTo({ method, url }: IncomingMessage): Promise<Answer> {
    if (method !== 'GET' && method !== 'HEAD') return { status: 405, type: 'text/plain', body: 'GET only\n' };
    switch (url?.split('?')[0]) {
      case '/metrics':
        return { status: 200, type: contentType, body: await this.parts.metrics.text() };
      case '/healthz': {
        const { status, reasons } = this.parts.health.health();
        const body = `${JSON.stringify({ status, reasons })}\n`;
        return { status: status === 'failing' ? 503 : 200, type: 'application/json', body };
      }
      default:
        return { status: 404, type: 'text/plain', body: 'see /metrics and /healthz\n' };
    }
  }
}

interface Answer {
  status: number;
  type: string;
  body: string | Buffer;
}

/** Why it was refused; null when it listens. `listen` is `address:port`. */
function listenOn(server: Server, listen: string): Promise<string | null> {
  const split = listen.lastIndexOf(':');
  const host = parsePeerAddress(listen)?.address ?? listen.slice(0, split).replace(/^\[|\]$/g, '');
  return new Promise((resolve) => {
    server.once('error', (cause) => resolve(errnoOf(cause) ?? cause.message));
    server.listen({ host, port: Number(listen.slice(split + 1)) }, () => resolve(null));
  });
}

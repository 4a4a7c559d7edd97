/** The REST API: each route translates, calls the intent or a view, and answers. Its OpenAPI comes from schema.ts. */

import type { HttpBindings } from '@hono/node-server';
import { OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { matchedRoutes } from 'hono/route';
import type { Logger } from 'pino';
import { WeftError } from '../errors.js';
import type { EntryIntent } from '../intent/entries.js';
import type { NetworkIntent } from '../intent/networks.js';
import type { PeerIntent } from '../intent/peers.js';
import type { PortIntent } from '../intent/ports.js';
import type { ReloadIntent } from '../intent/reload.js';
import type { Ipam } from '../ipam/ipam.js';
import type { Mesh } from '../mesh/mesh.js';
import type { OffloadChecks } from '../mesh/offload_checks.js';
import type { Owner } from '../model/objects.js';
import type { Catalog } from '../state/catalog.js';
import type { Captures } from '../telemetry/captures.js';
import type { EventBus } from '../telemetry/events.js';
import type { HealthMonitor } from '../telemetry/health.js';
import { secondsSince } from '../telemetry/histogram.js';
import type { RequestMeter } from '../telemetry/meters.js';
import type { Why } from '../why/why.js';
import { streamCapture } from './capture_stream.js';
import { streamEvents } from './event_stream.js';
import * as routes from './routes.js';
import type { Identity, Views } from './views.js';

export interface ApiParts {
  views: Views;
  catalog: Catalog;
  networks: NetworkIntent;
  ports: PortIntent;
  peers: PeerIntent;
  offloadChecks: Pick<OffloadChecks, 'check'>;
  mesh: Pick<Mesh, 'ping' | 'checkPath'>;
  entries: EntryIntent;
  why: Pick<Why, 'ask'>;
  pools: Pick<Ipam, 'removePool'>;
  captures: Captures;
  reload: ReloadIntent;
  events: EventBus;
  health: HealthMonitor;
  meter: Pick<RequestMeter, 'request'>;
  identity: Identity;
  log: Logger;
  /** PID at the other end of the connection that carries the request; null when it cannot be told. */
  callerOf(bindings: HttpBindings | undefined): number | null;
  /** Requests that come before the first round of the reconciler wait for it. */
  ready: Promise<void>;
}

type Env = { Bindings: HttpBindings };

/** Bytes of a request body. */
const largestBody = 256 * 1024;

/** Seconds that the answer to a hello may take. */
const usualTimeout = 1;

const owner: Owner = { kind: 'api', ref: 'weft' };

export function createApp(parts: ApiParts): OpenAPIHono<Env> {
  const app = new OpenAPIHono<Env>({
    defaultHook: (result) => {
      if (result.success) return;
      const [issue] = result.error.issues;
      const field = issue?.path.join('.') || 'the request';
      throw new WeftError('WEFT_INVALID', { field, reason: issue?.message ?? 'is not valid' });
    },
  });
  app.use(async (c, next) => {
    const began = performance.now();
    await next();
    const { method, route } = routeOf(c);
    parts.meter.request({ method, route, status: c.res.status }, secondsSince(began));
  });
  app.use(async (c, next) => {
    await parts.ready;
    await next();
    const { method, path } = c.req;
    // A ping changes nothing, and comes every second.
    if (method !== 'GET' && c.res.ok && !path.endsWith('/ping'))
      parts.log.info({ method, path, pid: parts.callerOf(c.env) ?? undefined }, 'changed through the API');
  });
  app.use(
    bodyLimit({
      maxSize: largestBody,
      onError: () => {
        throw new WeftError('WEFT_TOO_LARGE', { limit: largestBody });
      },
    }),
  );
  app.notFound((c) => {
    const { method, path } = c.req;
    const allowed = methodsOf(app, path).join(', ');
    if (allowed === '') return answer(c, new WeftError('WEFT_NO_SUCH_ROUTE', { method, path }));
    c.header('allow', allowed);
    return answer(c, new WeftError('WEFT_NO_SUCH_METHOD', { method, path, allowed }));
  });
  app.onError((error, c) => answer(c, toWeftError(error, c.req.header('content-type'), parts.log)));

  addHost(app, parts);
  addObjects(app, parts);
  addFdb(app, parts);
  addCaptures(app, parts);
  app.doc31('/v1/openapi.json', {
    openapi: '3.1.0',
    info: {
      title: 'weft',
      version: parts.identity.version,
      description: 'The API of weftd, on its unix socket.',
    },
  });
  return app;
}

function addHost(app: OpenAPIHono<Env>, parts: ApiParts): void {
  const { views, identity } = parts;
  app.openapi(routes.status, (c) => c.json(views.status(), 200));
  app.openapi(routes.health, (c) => {
    const health = parts.health.health();
    return health.status === 'failing' ? c.json(health, 503) : c.json(health, 200);
  });
  app.openapi(routes.version, (c) =>
    c.json(
      {
        version: identity.version,
        node: process.version,
        kernel: identity.probe.kernel,
        native: identity.nativeVersion,
      },
      200,
    ),
  );
  app.openapi(routes.drops, (c) => c.json(views.drops(), 200));
  app.openapi(routes.events, (c) => streamEvents(c, parts.events) as never);
  app.openapi(routes.reload, async (c) => c.json({ changed: await parts.reload.reload() }, 200));
}

function addObjects(app: OpenAPIHono<Env>, parts: ApiParts): void {
  const { views, catalog } = parts;
  app.openapi(routes.listNetworks, (c) => c.json(views.networks(), 200));
  app.openapi(routes.createNetwork, async (c) =>
    c.json(views.network(await parts.networks.create(c.req.valid('json'), owner)), 201),
  );
  app.openapi(routes.getNetwork, (c) =>
    c.json(views.network(views.networkNamed(c.req.valid('param').name)), 200),
  );
  app.openapi(routes.deleteNetwork, async (c) => {
    await parts.networks.remove(c.req.valid('param').name, owner, c.req.valid('query').force === 'true');
    return c.body(null, 204);
  });

  app.openapi(routes.listPorts, (c) => c.json(views.ports(), 200));
  app.openapi(routes.createPort, async (c) => {
    const port = await parts.ports.add(c.req.valid('json'), parts.callerOf(c.env), owner);
    return c.json(views.port(port), 201);
  });
  app.openapi(routes.getPort, (c) => c.json(views.port(catalog.port(c.req.valid('param').ref)), 200));
  app.openapi(routes.changePort, async (c) =>
    c.json(views.port(await parts.ports.change(c.req.valid('param').ref, c.req.valid('json'), owner)), 200),
  );
  app.openapi(routes.deletePort, async (c) => {
    await parts.ports.remove(c.req.valid('param').ref, owner);
    return c.body(null, 204);
  });

  app.openapi(routes.listContainers, (c) => c.json(views.containers(), 200));
  app.openapi(routes.listPools, (c) => c.json(views.pools(), 200));
  app.openapi(routes.deletePool, async (c) => {
    await parts.pools.removePool(c.req.valid('param').ref, c.req.valid('query').force === 'true');
    return c.body(null, 204);
  });

  app.openapi(routes.listPeers, (c) => c.json(views.peers(), 200));
  app.openapi(routes.createPeer, async (c) =>
    c.json(views.peer(await parts.peers.add(c.req.valid('json'), owner)), 201),
  );
  app.openapi(routes.getPeer, (c) => c.json(views.peer(catalog.peer(c.req.valid('param').ref)), 200));
  app.openapi(routes.checkPeer, async (c) => {
    const peer = catalog.peer(c.req.valid('param').ref);
    await Promise.all([parts.offloadChecks.check(peer.id), parts.mesh.checkPath(peer.id)]);
    return c.json(views.peer(peer), 200);
  });
  app.openapi(routes.pingPeer, async (c) => {
    const { id } = catalog.peer(c.req.valid('param').ref);
    const { size, timeout = usualTimeout } = c.req.valid('json');
    const padded = size === undefined ? {} : { bytes: views.helloBytes(id, size) };
    const reply = await parts.mesh.ping(id, { ...padded, patience: timeout * 1000 });
    const rtt = reply.outcome === 'answered' ? reply.microseconds / 1000 : null;
    const error = reply.outcome === 'failed' ? reply.error : null;
    return c.json({ answered: reply.outcome === 'answered', rtt, error }, 200);
  });
  app.openapi(routes.deletePeer, async (c) => {
    await parts.peers.remove(c.req.valid('param').ref, owner);
    return c.body(null, 204);
  });
}

function addFdb(app: OpenAPIHono<Env>, { views, entries, why }: ApiParts): void {
  app.openapi(routes.why, async (c) => {
    const { source, destination, network } = c.req.valid('query');
    return c.json(await why.ask(source, destination, network ?? null), 200);
  });
  app.openapi(routes.listFdb, (c) => {
    const { network, limit } = c.req.valid('query');
    const { entries: found, more } = views.fdb(network ?? null, limit);
    if (more) c.header(routes.moreHeader, 'true');
    return c.json(found, 200);
  });
  app.openapi(routes.addEntry, async (c) =>
    c.json(views.entry(await entries.add(c.req.valid('json'), owner)), 201),
  );
  app.openapi(routes.deleteEntry, async (c) => {
    const { network, mac } = c.req.valid('query');
    await entries.remove(network, mac, owner);
    return c.body(null, 204);
  });
  app.openapi(routes.flushFdb, (c) => {
    entries.flush(c.req.valid('json').network ?? null);
    return c.body(null, 204);
  });
}

function addCaptures(app: OpenAPIHono<Env>, { captures, callerOf }: ApiParts): void {
  app.openapi(routes.listCaptures, (c) => c.json(captures.list(), 200));
  app.openapi(
    routes.createCapture,
    (c) => streamCapture(c.env, captures, c.req.valid('json'), callerOf(c.env)) as never,
  );
  app.openapi(routes.deleteCapture, (c) => {
    captures.end(c.req.valid('param').id);
    return c.body(null, 204);
  });
}

function answer(c: Context, error: WeftError): Response {
  return c.json(error.toBody(), error.http as 400);
}

/** The route that answered, as the table has it; `other` when there is none. */
function routeOf(c: Context): { method: string; route: string } {
  const found = matchedRoutes(c).find(({ method }) => method !== 'ALL');
  return found === undefined
    ? { method: 'other', route: 'other' }
    : { method: found.method, route: found.path };
}

/** What a path can be asked with. */
function methodsOf(app: OpenAPIHono<Env>, path: string): string[] {
  return ['GET', 'POST', 'PATCH', 'DELETE'].filter((method) =>
    app.router.match(method, path)[0].some(([[, route]]) => route.method === method),
  );
}

function toWeftError(error: Error, contentType: string | undefined, log: Logger): WeftError {
  if (error instanceof WeftError) return error;
  // hono throws these for a body that is no JSON or comes in another content type.
  const status = 'status' in error && typeof error.status === 'number' ? error.status : 500;
  if (status < 500 && !contentType?.startsWith('application/json')) return new WeftError('WEFT_CONTENT_TYPE');
  if (status < 500) return new WeftError('WEFT_INVALID', { field: 'the request', reason: error.message });
  log.error({ err: error }, 'a request failed by a defect');
  return new WeftError('WEFT_INTERNAL', { reason: error.message });
}

/** The routes as OpenAPI describes them: paths, parameters, answers. */
import { createRoute, z } from '@hono/zod-openapi';
import * as schema from './schema.js';

function json<T extends z.ZodType>(description: string, of: T) {
  return { description, content: { 'application/json': { schema: of } } };
}

const failures = {
  400: json('The request is not valid', schema.ErrorSchema),
  404: json('There is no such object', schema.ErrorSchema),
  405: json('The path has other methods', schema.ErrorSchema),
  409: json('It conflicts with another object', schema.ErrorSchema),
  413: json('The request is too large', schema.ErrorSchema),
  415: json('The body is not declared as JSON', schema.ErrorSchema),
  500: json('The kernel refused, or weft has a defect', schema.ErrorSchema),
  503: json('The daemon is stopping', schema.ErrorSchema),
};

function body<T extends z.ZodType>(of: T) {
  return { body: { required: true, content: { 'application/json': { schema: of } } } };
}

const removed = { 204: { description: 'Removed' }, ...failures };
const nameParam = { params: z.object({ name: z.string() }) };
const refParam = { params: z.object({ ref: z.string() }) };

function read<P extends string, T extends z.ZodType>(path: P, summary: string, of: T) {
  return createRoute({ method: 'get', path, summary, responses: { 200: json(summary, of), ...failures } });
}

export const status = read('/v1/status', 'The daemon at a glance', schema.StatusSchema);
export const version = read('/v1/version', 'Versions', schema.VersionSchema);
export const drops = read('/v1/drops', 'Drop counters, one for each reason', z.array(schema.DropSchema));

export const health = createRoute({
  method: 'get',
  path: '/v1/health',
  summary: 'Whether the daemon does its work',
  responses: { 200: json('ok or degraded', schema.HealthSchema), 503: json('failing', schema.HealthSchema) },
});

export const events = createRoute({
  method: 'get',
  path: '/v1/events',
  summary: 'What happens from now on, one JSON object a line; an empty line every 15 s when nothing does',
  responses: {
    200: { description: 'Events', content: { 'application/x-ndjson': { schema: schema.EventSchema } } },
    ...failures,
  },
});

export const reload = createRoute({
  method: 'post',
  path: '/v1/reload',
  summary: 'Read the configuration file again and apply the difference',
  responses: { 200: json('What changed', schema.ReloadSchema), ...failures },
});

export const listNetworks = read('/v1/networks', 'All networks', z.array(schema.NetworkSchema));
export const createNetwork = createRoute({
  method: 'post',
  path: '/v1/networks',
  summary: 'Create a network',
  request: body(schema.NetworkCreateSchema),
  responses: { 201: json('The network', schema.NetworkSchema), ...failures },
});
export const getNetwork = createRoute({
  method: 'get',
  path: '/v1/networks/{name}',
  summary: 'One network',
  request: nameParam,
  responses: { 200: json('The network', schema.NetworkSchema), ...failures },
});
export const deleteNetwork = createRoute({
  method: 'delete',
  path: '/v1/networks/{name}',
  summary: 'Remove a network; with force, its ports too',
  request: { ...nameParam, query: z.object({ force: z.enum(['true', 'false']).optional() }) },
  responses: removed,
});

export const listPorts = read('/v1/ports', 'All ports', z.array(schema.PortSchema));
export const createPort = createRoute({
  method: 'post',
  path: '/v1/ports',
  summary: 'Make a TAP in a namespace and add it to a network',
  request: body(schema.PortCreateSchema),
  responses: { 201: json('The port', schema.PortSchema), ...failures },
});
export const getPort = createRoute({
  method: 'get',
  path: '/v1/ports/{ref}',
  summary: 'One port, by ID, name, IFNAME while it is unique, or IFNAME@NETNS',
  request: refParam,
  responses: { 200: json('The port', schema.PortSchema), ...failures },
});
export const changePort = createRoute({
  method: 'patch',
  path: '/v1/ports/{ref}',
  summary: 'Change a port while it is in use; its next frame is judged by it',
  request: { ...refParam, ...body(schema.PortChangeSchema) },
  responses: { 200: json('The port', schema.PortSchema), ...failures },
});
export const deletePort = createRoute({
  method: 'delete',
  path: '/v1/ports/{ref}',
  summary: 'Remove a port and its link',
  request: refParam,
  responses: removed,
});

export const listContainers = read(
  '/v1/containers',
  'Containers of this host, one for each network that they are on',
  z.array(schema.ContainerSchema),
);
export const listPools = read(
  '/v1/pools',
  'Subnets that container engines have addresses from, and who has which address',
  z.array(schema.PoolSchema),
);
export const deletePool = createRoute({
  method: 'delete',
  path: '/v1/pools/{ref}',
  summary:
    'Remove a pool that no network and no port has, by ID, or by subnet while one pool has it; with force, also one with addresses that no port has',
  request: { ...refParam, query: z.object({ force: z.enum(['true', 'false']).optional() }) },
  responses: removed,
});

export const listPeers = read('/v1/peers', 'All peers', z.array(schema.PeerSchema));
export const createPeer = createRoute({
  method: 'post',
  path: '/v1/peers',
  summary: 'Add a peer',
  request: body(schema.PeerCreateSchema),
  responses: { 201: json('The peer', schema.PeerSchema), ...failures },
});
export const getPeer = createRoute({
  method: 'get',
  path: '/v1/peers/{ref}',
  summary: 'One peer, by ID, address, or address:port',
  request: refParam,
  responses: { 200: json('The peer', schema.PeerSchema), ...failures },
});
export const checkPeer = createRoute({
  method: 'post',
  path: '/v1/peers/{ref}/check',
  summary:
    'Check now whether bursts sent by UDP_SEGMENT arrive at the peer as they were sent, and how large a datagram may be',
  request: refParam,
  responses: {
    200: json('The peer, with the results in offloadCheck and pathMtu', schema.PeerSchema),
    ...failures,
  },
});
export const pingPeer = createRoute({
  method: 'post',
  path: '/v1/peers/{ref}/ping',
  summary: 'Send the peer one hello, and wait for its answer',
  request: { ...refParam, ...body(schema.PingRequestSchema) },
  responses: { 200: json('What came of it', schema.PingSchema), ...failures },
});
export const deletePeer = createRoute({
  method: 'delete',
  path: '/v1/peers/{ref}',
  summary: 'Remove a peer',
  request: refParam,
  responses: removed,
});

export const why = createRoute({
  method: 'get',
  path: '/v1/why',
  summary: 'The way of a frame from one end to the other, and what is in its way',
  request: {
    query: z.object({
      source: z.string().min(1).openapi({ description: 'Address, MAC, or name of a port or container' }),
      destination: z.string().min(1),
      network: z.string().optional().openapi({ description: 'Where both are on several' }),
    }),
  },
  responses: { 200: json('The way', schema.WhySchema), ...failures },
});

/** FDB entries that an answer has at most when the request does not say. */
export const usualEntries = 10_000;
/** A header of answers that were cut: there are more than the limit. */
export const moreHeader = 'weft-more';

export const listFdb = createRoute({
  method: 'get',
  path: '/v1/fdb',
  summary: `FDB entries of one network, or of all; ${usualEntries} at most, or as many as "limit" says. The header "${moreHeader}: true" says that there are more`,
  request: {
    query: z.object({
      network: z.string().optional(),
      limit: z.coerce.number().int().min(1).max(1_000_000).default(usualEntries),
    }),
  },
  responses: { 200: json('The entries', z.array(schema.FdbEntrySchema)), ...failures },
});
export const addEntry = createRoute({
  method: 'post',
  path: '/v1/fdb',
  summary: 'Declare where a MAC is',
  request: body(schema.FdbAddSchema),
  responses: { 201: json('The entry', schema.FdbEntrySchema), ...failures },
});
export const deleteEntry = createRoute({
  method: 'delete',
  path: '/v1/fdb',
  summary: 'Remove a declared entry',
  request: { query: z.object({ network: z.string(), mac: z.string() }) },
  responses: removed,
});
export const flushFdb = createRoute({
  method: 'post',
  path: '/v1/fdb/flush',
  summary: 'Forget what was learned; declared entries stay',
  request: body(z.strictObject({ network: z.string().optional() })),
  responses: { 204: { description: 'Flushed' }, ...failures },
});

export const listCaptures = read('/v1/captures', 'Captures that run', z.array(schema.CaptureSchema));
/** A header of the answer: the ID of the capture, by which it can be ended. */
export const captureHeader = 'weft-capture';
export const createCapture = createRoute({
  method: 'post',
  path: '/v1/captures',
  summary: `Capture frames from now on, as pcapng, until a limit is reached, the capture is deleted, or the connection ends; the connection serves nothing else any more. The header "${captureHeader}" is its ID. A file that does not end with interface statistics was cut off`,
  request: body(schema.CaptureCreateSchema),
  responses: {
    200: {
      description: 'The file',
      content: { 'application/x-pcapng': { schema: z.string().openapi({ format: 'binary' }) } },
    },
    ...failures,
  },
});
export const deleteCapture = createRoute({
  method: 'delete',
  path: '/v1/captures/{id}',
  summary: 'End a capture; what was captured is still sent',
  request: { params: z.object({ id: z.string() }) },
  responses: removed,
});

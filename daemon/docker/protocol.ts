/**
 * The messages of Docker's network and IPAM plugin protocol (libnetwork's drivers/remote/api and ipams/remote/api). Requests are read
 * with tolerance: Go sends null for what is empty, engines leave fields out, and later ones add some.
 */
import { z } from 'zod';
import { WeftError } from '../errors.js';

export const addressSpaces = {
  LocalDefaultAddressSpace: 'weft-local',
  GlobalDefaultAddressSpace: 'weft-global',
} as const;

/** Keys of options that Docker sets itself. */
export const labels = {
  generic: 'com.docker.network.generic',
  internal: 'com.docker.network.internal',
  endpointMac: 'com.docker.network.endpoint.macaddress',
  endpointName: 'com.docker.network.endpoint.name',
  requestType: 'RequestAddressType',
  gateway: 'com.docker.network.gateway',
} as const;

/** Docker's identifiers are hex; a swarm's are not, and a plugin on a socket is not used there. */
const id = z
  .string({ error: 'is missing' })
  .regex(/^[0-9a-f]{1,128}$/, { error: 'is no ID of 1-128 hex digits' });
const text = z
  .string()
  .max(1024, { error: 'has more than 1024 characters' })
  .nullish()
  .transform((value) => value ?? '');
const flag = z
  .boolean()
  .nullish()
  .transform((value) => value ?? false);

function mapOf<T extends z.ZodType>(value: T) {
  return z
    .record(z.string(), value)
    .nullish()
    .transform((given) => given ?? {});
}

function listOf<T extends z.ZodType>(value: T) {
  return z
    .array(value)
    .max(64, { error: 'has more than 64 entries' })
    .nullish()
    .transform((given) => given ?? []);
}

/** Users write text only; clients of the API of Docker may write numbers too. */
const optionValue = z.union([z.string(), z.number(), z.boolean()]).transform(String);
const optionValues = mapOf(optionValue);
const options = mapOf(z.unknown());

const pool = z.object({ AddressSpace: text, Pool: text, Gateway: text, AuxAddresses: mapOf(text) });
const noInterface = { Address: '', AddressIPv6: '', MacAddress: '' };

const endpoint = z.object({ NetworkID: id, EndpointID: id });

export const requests = {
  nothing: z.unknown(),
  createNetwork: z.object({
    NetworkID: id,
    Options: options,
    IPv4Data: listOf(pool),
    IPv6Data: listOf(pool),
  }),
  network: z.object({ NetworkID: id }),
  gatewayCheck: z.object({ Options: options }),
  createEndpoint: endpoint.extend({
    Interface: z
      .object({ Address: text, AddressIPv6: text, MacAddress: text })
      .nullish()
      .transform((given) => given ?? noInterface),
    Options: options,
  }),
  endpoint,
  join: endpoint.extend({ SandboxKey: text, Options: options }),
  requestPool: z.object({ AddressSpace: text, Pool: text, SubPool: text, Options: optionValues, V6: flag }),
  pool: z.object({ PoolID: text }),
  requestAddress: z.object({ PoolID: text, Address: text, Options: options }),
  releaseAddress: z.object({ PoolID: text, Address: text }),
} as const;

export type Request<K extends keyof typeof requests> = z.output<(typeof requests)[K]>;
export type PoolData = z.output<typeof pool>;

/** The options that the user wrote behind -o. */
export function genericOptions(
  method: string,
  given: Readonly<Record<string, unknown>>,
): Record<string, string> {
  return read(method, optionValues, given[labels.generic] ?? null);
}

/** Throws WEFT_DOCKER_REQUEST. */
export function read<S extends z.ZodType>(method: string, schema: S, body: unknown): z.output<S> {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw invalid(method, `${issue?.path.join('.') || 'the body'}: ${issue?.message ?? 'is not valid'}`);
}

export function invalid(method: string, reason: string): WeftError {
  return new WeftError('WEFT_DOCKER_REQUEST', { method, reason });
}

/** What answers one URL. */
export interface Method {
  /** Without a body it can do nothing; Docker sends an empty one when it repeats a request that had one. */
  readonly needsBody: boolean;
  /** Answered before weftd is ready. */
  readonly always: boolean;
  /** Checks the body at once. Throws WEFT_DOCKER_REQUEST and WEFT_DOCKER_OPTION. */
  prepare(body: unknown): Call;
}

/** One request that was found valid. */
export interface Call {
  run(): Promise<object>;
  /** Called when {@link run} succeeded after Docker was told that it failed, and Docker will not undo it itself. */
  undo(answer: object): Promise<void>;
}

/** A constant answer. */
export function constant(answer: object): Method {
  const call: Call = { run: () => Promise.resolve(answer), undo: () => Promise.resolve() };
  return { needsBody: false, always: true, prepare: () => call };
}

export function method<K extends keyof typeof requests, A extends object>(
  name: string,
  schema: K,
  run: (request: Request<K>) => Promise<A> | A,
  undo: (request: Request<K>, answer: A) => Promise<void> = () => Promise.resolve(),
): Method {
  return {
    needsBody: schema !== 'nothing',
    always: false,
    prepare: (body) => {
      const request = read(name, requests[schema], body) as Request<K>;
      return {
        run: async () => await run(request),
        undo: (answer) => undo(request, answer as A),
      };
    },
  };
}

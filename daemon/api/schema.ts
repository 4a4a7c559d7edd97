/**
 * What the REST API takes and gives. OpenAPI, the daemon's checks, and the CLI's types all come from here; `--json` prints these
 * shapes unchanged. Fields are only ever added.
 */
import { z } from '@hono/zod-openapi';
import { captureLimits, pingSizes } from './limits.js';

export const origins = ['file', 'api', 'docker', 'cni'] as const;

/** Who made an object, and who alone may change it. */
export const OwnerSchema = z.object({ kind: z.enum(origins), ref: z.string() }).openapi('Owner');

export const FindingSchema = z
  .object({
    code: z.string().openapi({ example: 'NETNS_GONE' }),
    severity: z.enum(['info', 'warning', 'error']),
    object: z.string().openapi({ description: 'What it is about', example: 'port p-7f3a' }),
    message: z.string(),
    remedy: z.string(),
    since: z.iso.datetime(),
  })
  .openapi('Finding');

export const NetworkSchema = z
  .object({
    name: z.string(),
    vni: z.number().int(),
    subnets: z.array(z.string()),
    mtu: z.object({
      declared: z.union([z.number().int(), z.literal('auto')]),
      effective: z.number().int().openapi({ description: 'Bytes of IP' }),
    }),
    vlan: z.enum(['drop', 'pass']),
    owner: OwnerSchema,
    ports: z.number().int(),
    fdb: z.object({ learned: z.number().int(), declared: z.number().int() }),
    engines: z
      .array(
        z.object({
          engine: z.literal('docker'),
          id: z.string(),
          name: z.string().nullable().openapi({ description: 'null while the engine has not told it' }),
          subnets: z.array(z.string()),
          internal: z.boolean(),
        }),
      )
      .openapi({ description: 'Networks of container engines that are on this one' }),
  })
  .openapi('Network');

export const NetworkCreateSchema = z
  .strictObject({
    name: z.string(),
    vni: z.number().int().optional(),
    subnets: z.array(z.string()).optional(),
    mtu: z.union([z.number().int(), z.literal('auto')]).optional(),
    vlan: z.enum(['drop', 'pass']).optional(),
  })
  .openapi('NetworkCreate');

export const CountersSchema = z
  .object({
    rxFrames: z.number(),
    rxBytes: z.number(),
    rxSuperFrames: z.number(),
    txFrames: z.number(),
    txBytes: z.number(),
    txSuperFrames: z.number(),
    rxDropped: z.number(),
    txDropped: z.number(),
  })
  .openapi('Counters', {
    description: 'Wire frames: a super-frame counts its segments. rx is what weft received from there.',
  });

const spoof = z.enum(['allow', 'deny']);

export const PortSchema = z
  .object({
    id: z.string().openapi({ example: 'p-7f3a9c21' }),
    name: z.string().nullable(),
    network: z.string(),
    ifname: z.string(),
    netns: z
      .string()
      .nullable()
      .openapi({ description: 'Name, path, or PID as given; null is the namespace of weftd' }),
    mac: z.string(),
    addresses: z.array(z.string()),
    mtu: z.number().int(),
    attach: z.literal('tap'),
    owner: OwnerSchema,
    state: z.enum(['up', 'down', 'waiting', 'failed']),
    reason: z.string().nullable().openapi({ description: 'Why the state is not up' }),
    offloadDisabled: z
      .string()
      .nullable()
      .openapi({ description: 'Which super-frames the kernel refuses for this port, and how' }),
    counters: CountersSchema.nullable(),
    spoof: spoof.openapi({
      description:
        'deny: frames with a source MAC or address that is not its own are dropped, and so is what only routers and DHCP servers send',
    }),
    refused: z
      .object({ spoofedMac: z.number(), spoofedAddress: z.number(), rogueService: z.number() })
      .nullable()
      .openapi({
        description:
          'Frames that were dropped because of spoof: deny, by reason; they are in counters.rxDropped',
      }),
    container: z.string().nullable().openapi({ description: 'Name of the container, where it is known' }),
  })
  .openapi('Port');

/** A container of this host on one network: an endpoint of its engine. A container on two networks is there twice. */
export const ContainerSchema = z
  .object({
    engine: z.literal('docker'),
    id: z.string().nullable().openapi({ description: 'ID of the container; null while it is not known' }),
    name: z.string().nullable(),
    image: z.string().nullable(),
    labels: z.record(z.string(), z.string()),
    aliases: z.array(z.string()),
    network: z.string().openapi({ description: 'The network of weft' }),
    engineNetwork: z.object({ id: z.string(), name: z.string().nullable() }),
    endpoint: z.string(),
    addresses: z.array(z.string()),
    mac: z.string(),
    port: z.string(),
    ifname: z
      .string()
      .openapi({ description: 'As the link is called now, in the container once it is there' }),
    state: z.enum(['up', 'down', 'waiting', 'failed']),
    reason: z.string().nullable(),
    counters: CountersSchema.nullable(),
  })
  .openapi('Container');

/** A subnet that an engine has addresses from. */
export const PoolSchema = z
  .object({
    id: z.string(),
    scope: z.string().openapi({ description: 'Name of the network, or the subnet where none was named' }),
    subnet: z.string(),
    range: z
      .string()
      .openapi({ description: 'FIRST-LAST: what this host gives from without being asked for' }),
    size: z.string().openapi({ description: 'Addresses in the range, as a decimal number' }),
    used: z.number().int().openapi({ description: 'Of the range' }),
    leases: z.array(
      z.object({
        address: z.string(),
        kind: z.enum(['endpoint', 'gateway', 'auxiliary']),
        name: z.string().nullable(),
        port: z.string().nullable(),
        since: z.iso.datetime(),
      }),
    ),
  })
  .openapi('Pool');

export const PortCreateSchema = z
  .strictObject({
    network: z.string(),
    ifname: z.string().optional(),
    netns: z
      .string()
      .optional()
      .openapi({ description: 'A name in /run/netns, an absolute path, or a PID, as the caller sees them' }),
    name: z.string().optional(),
    mac: z.string().optional(),
    addresses: z.array(z.string()).optional(),
    spoof: spoof.optional().openapi({ description: 'Default: allow' }),
  })
  .openapi('PortCreate');

export const PortChangeSchema = z
  .strictObject({ spoof })
  .openapi('PortChange', { description: 'What can be changed of a port while it is in use' });

export const PeerSchema = z
  .object({
    id: z.string(),
    address: z.string().openapi({ description: 'As given: a numeric address or a name' }),
    endpoint: z
      .string()
      .nullable()
      .openapi({ description: 'The numeric address in use; null while the name does not resolve' }),
    port: z.number().int(),
    checksum: z.enum(['full', 'zero']),
    offload: z.enum(['auto', 'off']),
    owner: OwnerSchema,
    state: z.enum(['active', 'silent', 'unresolved', 'self', 'failed']).openapi({
      description:
        'silent: programmed, but it does not answer hellos any more, or, where it never did, no datagram came from it in the last minute',
    }),
    reason: z.string().nullable(),
    hello: z
      .object({
        state: z.enum(['alive', 'silent', 'foreign', 'unknown']).openapi({
          description:
            'alive: it answers hellos. silent: it did, and does not any more. foreign: it never did, and sends VXLAN. unknown: none of that yet',
        }),
        since: z.iso.datetime().nullable(),
        rtt: z.number().nullable().openapi({ description: 'Milliseconds, smoothed' }),
        jitter: z.number().nullable().openapi({ description: 'Milliseconds by which round trips differ' }),
        answeredAt: z.iso.datetime().nullable(),
        unanswered: z.number().int().openapi({ description: 'Hellos since the last answer' }),
        host: z.string().nullable().openapi({ description: 'Its host ID' }),
        version: z.string().nullable(),
        seenAs: z.string().nullable().openapi({ description: 'The address of this host that it sees' }),
        reason: z.string().nullable().openapi({ description: 'Why it is not alive, where that can be told' }),
      })
      .openapi({ description: 'What weft hosts say to each other; only a weftd answers' }),
    pathMtu: z.number().int().nullable().openapi({
      description: 'Bytes of IP that arrive there, as far as is known',
    }),
    routeMtu: z.number().int().nullable().openapi({ description: 'Bytes of IP that the kernel knows of' }),
    pathCheckedAt: z.iso
      .datetime()
      .nullable()
      .openapi({ description: 'When datagrams of that size were tried last' }),
    offloadDisabled: z
      .string()
      .nullable()
      .openapi({ description: 'Why UDP_SEGMENT is not used towards this peer' }),
    offloadCheck: z
      .object({
        state: z.enum(['passed', 'failed', 'no-answer', 'pending', 'off']),
        at: z.iso.datetime().nullable().openapi({ description: 'When this was found out' }),
        detail: z.string().nullable(),
      })
      .openapi({
        description:
          'Whether bursts sent by UDP_SEGMENT arrive there as they were sent. Only weft hosts answer; no-answer leaves the offload on',
      }),
    carryChecksum: z.boolean().openapi({
      description:
        'Whether inner TCP and UDP checksums that guests left unfinished go to it unfinished: it is weft, and said in the last half minute that it takes them',
    }),
    idle: z.number().nullable().openapi({ description: 'Seconds since its last datagram' }),
    counters: CountersSchema.nullable(),
  })
  .openapi('Peer');

export const PingSchema = z
  .object({
    answered: z.boolean(),
    rtt: z.number().nullable().openapi({ description: 'Milliseconds' }),
    error: z
      .string()
      .nullable()
      .openapi({ description: 'Why the question could not be sent: the name of an errno' }),
  })
  .openapi('Ping');

export const PingRequestSchema = z
  .strictObject({
    size: z
      .number()
      .int()
      .min(pingSizes.min)
      .max(pingSizes.max)
      .optional()
      .openapi({ description: 'Bytes of the IP packet; default: the smallest' }),
    timeout: z
      .number()
      .min(0.01)
      .max(20)
      .optional()
      .openapi({ description: 'Seconds that the answer may take; default: 1' }),
  })
  .openapi('PingRequest');

export const PeerCreateSchema = z
  .strictObject({
    address: z.string(),
    port: z.number().int().optional(),
    checksum: z.enum(['full', 'zero']).optional(),
    offload: z.enum(['auto', 'off']).optional(),
  })
  .openapi('PeerCreate');

export const FdbEntrySchema = z
  .object({
    network: z.string(),
    mac: z.string(),
    kind: z.enum(['port', 'peer']),
    where: z.string().openapi({ description: 'Port ID or peer ID' }),
    label: z.string().openapi({
      description: 'The same for a person: IFNAME@NETNS or name of the port, address of the peer',
    }),
    type: z.enum(['learned', 'static']),
    frozen: z.boolean(),
    idle: z.number(),
  })
  .openapi('FdbEntry');

export const FdbAddSchema = z
  .strictObject({
    network: z.string(),
    mac: z.string(),
    port: z.string().optional(),
    peer: z.string().optional(),
  })
  .openapi('FdbAdd');

export const DropSchema = z
  .object({
    reason: z.string(),
    stage: z.enum(['ingress', 'egress']),
    fault: z.enum(['guest', 'peer', 'host', 'us']),
    count: z.number(),
    sentence: z.string(),
  })
  .openapi('Drop');

export const StatusSchema = z
  .object({
    version: z.string(),
    host: z.object({ id: z.string(), name: z.string() }),
    pid: z.number().int(),
    startedAt: z.iso.datetime(),
    config: z.string().nullable().openapi({ description: 'The file in use; null when there is none' }),
    stateDir: z.string().openapi({ description: 'Absolute path of the state directory' }),
    kernel: z.string(),
    underlay: z.object({
      addresses: z.array(z.string()),
      port: z.number().int(),
      state: z.enum(['up', 'degraded']),
      reason: z.string().nullable(),
    }),
    offloads: z
      .object({
        tso: z.string(),
        uso: z.string(),
        coalesceTcp: z.string(),
        coalesceUdp: z.string(),
        udpGso: z.string(),
        udpGro: z.string(),
        carryChecksum: z.string(),
      })
      .openapi({
        description: '"on", "off (configured)", or "off: " and what the kernel did when it was tried',
      }),
    networks: z.number().int(),
    ports: z.object({ total: z.number().int(), up: z.number().int() }),
    peers: z.object({
      total: z.number().int(),
      active: z.number().int(),
      alive: z.number().int().openapi({ description: 'weft hosts that answer hellos' }),
      silent: z.number().int().openapi({ description: 'weft hosts that do not answer any more' }),
      foreign: z.number().int().openapi({ description: 'VTEPs of another make' }),
    }),
    fdb: z.object({ learned: z.number(), declared: z.number() }),
    frames: z.object({
      received: z.number(),
      unicast: z.number(),
      flooded: z.number(),
      consumed: z.number(),
      dropped: z.number(),
      queued: z.number(),
      sent: z.number(),
      droppedEgress: z.number(),
    }),
    pathMtu: z.object({ answered: z.number(), unanswered: z.number() }).openapi({
      description:
        'Frames too big for a peer whose sender was told by ICMP what fits, and of those allowed to be told, those that the limit of 100 a second for a port kept back',
    }),
    docker: z.object({
      socket: z
        .string()
        .nullable()
        .openapi({ description: 'Where Docker finds the plugin; null when it is off' }),
      state: z.enum(['off', 'listening', 'failed']),
      reason: z.string().nullable(),
      activated: z.iso.datetime().nullable().openapi({
        description: 'When Docker asked for the plugin last; null when it has not since weftd was started',
      }),
      engine: z
        .string()
        .nullable()
        .openapi({ description: 'Version of Docker; null while its API cannot be asked' }),
      api: z.string().nullable().openapi({ description: 'Why the API cannot be asked; null when it can' }),
      networks: z.number().int(),
      endpoints: z.number().int(),
    }),
    findings: z.array(FindingSchema),
  })
  .openapi('Status');

const WhyEndSchema = z.object({
  given: z.string(),
  label: z.string(),
  port: z.string().nullable().openapi({ description: 'ID of the port of this host' }),
  address: z.string().nullable(),
  mac: z.string().nullable(),
});

const whyState = z.enum(['ok', 'trouble', 'unknown']);

/** The way of a frame from one end to the other. */
export const WhySchema = z
  .object({
    source: WhyEndSchema,
    destination: WhyEndSchema,
    network: z.string(),
    backwards: z.boolean().openapi({
      description:
        'The source is not on this host, the destination is: the steps are those of the way back, from the destination to the source',
    }),
    state: whyState.openapi({
      description: 'trouble: something is in the way. unknown: nothing is, as far as this host can tell',
    }),
    steps: z.array(
      z.object({
        what: z.string().openapi({ example: 'guard' }),
        host: z.string().nullable().openapi({ description: 'Peer that said so; null is this host' }),
        state: whyState,
        sentence: z.string(),
        remedy: z.string().nullable(),
        facts: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
      }),
    ),
    conclusion: z.string(),
    remedy: z.string().nullable(),
  })
  .openapi('Why');

const captureKinds = ['port', 'peer', 'network'] as const;
const captureDirections = ['in', 'out', 'inout'] as const;
const uint = (bits: number) =>
  z
    .number()
    .int()
    .min(0)
    .max(2 ** bits - 1);

export const CaptureSchema = z
  .object({
    id: z.string().openapi({ example: 'c-1' }),
    target: z.object({
      kind: z.enum(captureKinds),
      id: z.string().openapi({ description: 'ID of the port or peer, or name of the network' }),
      label: z.string().openapi({ description: 'The same for a person', example: 'port eth0@c1' }),
    }),
    direction: z.enum(captureDirections),
    filter: z.string().nullable(),
    pid: z.number().int().nullable().openapi({ description: 'Of the process that reads it' }),
    since: z.iso.datetime(),
    frames: z.number().openapi({ description: 'Given to the reader' }),
    bytes: z.number(),
    lost: z.number().openapi({ description: 'Frames that had no room, because the reader was slow' }),
  })
  .openapi('Capture');

export const CaptureCreateSchema = z
  .strictObject({
    target: z.string().openapi({ description: 'A port, a peer or a network, as in other requests' }),
    kind: z.enum(captureKinds).optional().openapi({ description: 'Which of them, where several fit' }),
    direction: z
      .enum(captureDirections)
      .optional()
      .openapi({ description: 'in: what weft receives from there; default: inout' }),
    snaplen: z
      .number()
      .int()
      .min(captureLimits.leastKept)
      .max(captureLimits.mostKept)
      .optional()
      .openapi({ description: 'Bytes of a frame' }),
    filter: z
      .strictObject({
        text: z.string().max(4096),
        program: z
          .array(z.tuple([uint(16), uint(8), uint(8), uint(32)]))
          .min(1)
          .max(captureLimits.instructions)
          .openapi({ description: 'Classic BPF for Ethernet frames: code, jt, jf, k' }),
      })
      .optional(),
    frames: z.number().int().min(1).optional().openapi({ description: 'End after so many' }),
    bytes: z.number().int().min(1).optional().openapi({ description: 'End before the file is larger' }),
    seconds: z.number().positive().max(4_000_000).optional(),
  })
  .openapi('CaptureCreate');

/** One line of GET /v1/events (newline-delimited JSON). */
export const EventSchema = z
  .object({
    time: z.iso.datetime(),
    type: z.string().openapi({ example: 'mac-learned' }),
    object: z.string(),
    message: z.string(),
  })
  .openapi('Event');

export const ReloadSchema = z
  .object({
    changed: z.array(z.string()).openapi({ description: 'One sentence for each change that was made' }),
  })
  .openapi('Reload');

export const VersionSchema = z
  .object({ version: z.string(), node: z.string(), kernel: z.string(), native: z.string() })
  .openapi('Version');

export const HealthSchema = z
  .object({ status: z.enum(['ok', 'degraded', 'failing']), reasons: z.array(z.string()) })
  .openapi('Health');

export const ErrorSchema = z
  .object({
    code: z.string(),
    message: z.string(),
    remedy: z.string(),
    details: z.record(z.string(), z.union([z.string(), z.number()])),
  })
  .openapi('Error');

export type Owner = z.infer<typeof OwnerSchema>;
export type Finding = z.infer<typeof FindingSchema>;
export type Network = z.infer<typeof NetworkSchema>;
export type NetworkCreate = z.infer<typeof NetworkCreateSchema>;
export type Port = z.infer<typeof PortSchema>;
export type Container = z.infer<typeof ContainerSchema>;
export type Pool = z.infer<typeof PoolSchema>;
export type PortCreate = z.infer<typeof PortCreateSchema>;
export type PortChange = z.infer<typeof PortChangeSchema>;
export type Peer = z.infer<typeof PeerSchema>;
export type Ping = z.infer<typeof PingSchema>;
export type PingRequest = z.infer<typeof PingRequestSchema>;
export type PeerCreate = z.infer<typeof PeerCreateSchema>;
export type FdbEntry = z.infer<typeof FdbEntrySchema>;
export type FdbAdd = z.infer<typeof FdbAddSchema>;
export type Drop = z.infer<typeof DropSchema>;
export type Status = z.infer<typeof StatusSchema>;
export type Why = z.infer<typeof WhySchema>;
export type Capture = z.infer<typeof CaptureSchema>;
export type CaptureCreate = z.infer<typeof CaptureCreateSchema>;
export type WeftEvent = z.infer<typeof EventSchema>;
export type Reload = z.infer<typeof ReloadSchema>;
export type Version = z.infer<typeof VersionSchema>;
export type Health = z.infer<typeof HealthSchema>;

/**
 * The configuration file, key by key. Every check of one value is here, and so are the defaults and the descriptions that the JSON
 * Schema shows; what needs two values at once is in rules.ts.
 */
import { hostname } from 'node:os';
import { z } from 'zod';
import {
  familyOf,
  isHostAddress,
  parseAddress,
  parsePeerAddress,
  parseSubnet,
  peerAddressProblem,
} from '../model/address.js';
import { firstNamedVni, helloVni } from '../model/identity.js';
import { maxMtu, minMtu } from '../model/mtu.js';
import { isHostName, networkNameProblem } from '../model/names.js';
import { nearest } from '../model/suggestion.js';
import { durationProblem, parseDuration } from './duration.js';
import { mostMistakes } from './mistakes.js';

/** A string that `read` turns into a value, or refuses with a sentence. */
function text<T>(expected: string, read: (value: string) => { value: T } | { problem: string }) {
  return z.string({ error: expected }).transform((input, context) => {
    const result = read(input);
    if ('value' in result) return result.value;
    context.addIssue({ code: 'custom', message: result.problem });
    return z.NEVER;
  });
}

function whole(min: number, max: number, what: string) {
  const error = `expected ${what}, a whole number ${min}-${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
}

function oneOf<const T extends readonly string[]>(...values: T) {
  return z.enum(values, { error: `expected ${values.join(' or ')}` });
}

/** A line for each unknown key, of which nobody reads more than the first ones. */
function unknownKeys(unknown: readonly string[], known: readonly string[]): string {
  return unknown
    .slice(0, mostMistakes)
    .map((key) => {
      const near = nearest(key, known);
      const hint = near === null ? `the keys here are ${known.join(', ')}` : `did you mean "${near}"?`;
      return `there is no such key; ${hint}`;
    })
    .join('\n');
}

function mapping<T extends z.core.$ZodLooseShape>(what: string, shape: T) {
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code === 'invalid_type') return `expected ${what}, a mapping of keys to values`;
      return issue.code === 'unrecognized_keys' ? unknownKeys(issue.keys, Object.keys(shape)) : undefined;
    },
  });
}

const udpPort = whole(1, 65535, 'a UDP port');
const offload = oneOf('auto', 'off');

const duration = z
  .union([z.string(), z.number()], { error: 'expected a duration such as 300s, 5m or 1h' })
  .transform((input, context) => {
    const problem = durationProblem(input);
    if (problem !== null) context.addIssue({ code: 'custom', message: problem });
    return typeof input === 'string' ? (parseDuration(input) ?? 0) : 0;
  });

const ownAddress = text('expected an IPv4 or IPv6 address as a string', (value) => {
  const address = parseAddress(value);
  return address !== null && isHostAddress(address)
    ? { value: address }
    : { problem: 'expected the numeric IPv4 or IPv6 address of this host' };
});

const peerRule = 'expected address[:port], such as 10.0.0.2, "[fd00::2]:8472" or host3.example:4789';

const peerText = text(peerRule, (value) => {
  const parsed = parsePeerAddress(value);
  return parsed === null
    ? { problem: peerAddressProblem(value) ?? peerRule }
    : { value: { address: parsed.address, port: parsed.port } };
});

export const peerObject = mapping('a peer', {
  address: text('expected an address or a host name', (value) => {
    const parsed = parsePeerAddress(value);
    if (parsed !== null && parsed.port === null) return { value: parsed.address };
    const expected = 'expected an address or a host name without a port (that is the key "port")';
    return { problem: (parsed === null ? peerAddressProblem(value) : null) ?? expected };
  }).meta({ description: 'Numeric address or host name; a name is resolved again every 30 s.' }),
  port: udpPort.optional().meta({ description: 'UDP port of the peer; default: underlay.port.' }),
  checksum: oneOf('full', 'zero').optional().meta({
    description:
      'zero: send with UDP checksum zero. Implies offload: off. For peers that drop unfinished checksums.',
  }),
  offload: offload.optional().meta({ description: 'off: never use UDP_SEGMENT towards this peer.' }),
});

export interface PeerConfig {
  address: string;
  port: number | null;
  checksum: 'full' | 'zero';
  offload: 'auto' | 'off';
}

const plainPeer = { port: null, checksum: 'full', offload: 'auto' } as const;

/** A union would report neither branch well, so the branch is chosen by the type of the value. */
const peer = z
  .union([z.string(), z.looseObject({})], { error: `${peerRule}, or a mapping with the key "address"` })
  .transform((input, context): PeerConfig => {
    const result = typeof input === 'string' ? peerText.safeParse(input) : peerObject.safeParse(input);
    if (result.success) {
      const { address, ...rest } = result.data;
      const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
      return { ...plainPeer, ...given, address };
    }
    for (const issue of result.error.issues) context.issues.push({ ...issue, input } as z.core.$ZodRawIssue);
    return z.NEVER;
  })
  .meta({ description: 'address[:port], or a mapping.' });

const moves = {
  count: whole(1, 1000, 'a number of moves').meta({
    description: 'Moves of one MAC within the window that freeze it.',
  }),
  window: duration.meta({ description: 'The window that moves are counted in.' }),
  freeze: duration.meta({ description: 'How long a MAC that moves too often keeps its place.' }),
};

const fdbKeys = {
  age: duration.meta({ description: 'A learned MAC is forgotten this long after its last frame.' }),
  limit: whole(1, 1_000_000, 'a number of MACs').meta({
    description: 'MACs that one network holds at most.',
  }),
  limit_per_port: whole(1, 1_000_000, 'a number of MACs').meta({
    description: 'MACs that are learned from one port at most.',
  }),
};

const subnet = text('expected a subnet such as 10.42.0.0/24 as a string', (value) => {
  const parsed = parseSubnet(value);
  return 'subnet' in parsed ? { value: parsed.subnet } : parsed;
});

const ipam = mapping('ipam', {
  share: z
    .nullable(
      mapping('a share', {
        of: whole(1, 4096, 'the number of shares').meta({
          description: 'How many equal shares each subnet is cut into.',
        }),
        index: whole(0, 4095, 'the index of the share').meta({
          description: 'The share that this host owns, from 0.',
        }),
      }),
    )
    .default(null)
    .meta({
      description:
        'Static mesh: the part of every subnet that this host gives addresses from without being asked for one.',
    }),
});

const socketPath = text('expected the absolute path of a socket, or off', (value) =>
  value === 'off' || /^\/[^\0]{1,106}$/.test(value)
    ? { value }
    : { problem: 'expected the absolute path of a socket of at most 107 bytes, or off' },
);

const network = mapping('a network', {
  vni: whole(1, helloVni - 1, 'a VNI')
    .optional()
    .meta({
      description: `The same on every host. Default: computed from the name (${firstNamedVni}-${helloVni - 1}).`,
    }),
  subnets: z
    .array(subnet, { error: 'expected a list of subnets' })
    .max(16, { error: 'expected at most 16 subnets' })
    .default([])
    .meta({ description: 'IPv4 and IPv6 subnets; used for checks, and by IPAM.' }),
  mtu: z
    .union([z.literal('auto'), whole(minMtu, maxMtu, 'auto or an MTU')], {
      error: `expected auto or an MTU, a whole number ${minMtu}-${maxMtu}`,
    })
    .default('auto')
    .meta({ description: 'Bytes of IP; auto follows the paths to the peers.' }),
  vlan: oneOf('drop', 'pass')
    .default('drop')
    .meta({ description: 'What happens to frames with a VLAN tag.' }),
  fdb: mapping('fdb', {
    age: fdbKeys.age.optional(),
    limit: fdbKeys.limit.optional(),
    limit_per_port: fdbKeys.limit_per_port.optional(),
    moves: mapping('moves', {
      count: moves.count.optional(),
      window: moves.window.optional(),
      freeze: moves.freeze.optional(),
    }).optional(),
  })
    .optional()
    .meta({ description: 'What differs from the section fdb of the host.' }),
  ipam: ipam.optional().meta({ description: 'What differs from the section ipam of the host.' }),
});

const listen = text('expected address:port, such as 127.0.0.1:9478, or off', (value) => {
  const parsed =
    value === 'off' ? null : parsePeerAddress(value.replace(/^(0\.0\.0\.0|\[::\]):/, '192.0.2.1:'));
  return value === 'off' || (parsed !== null && parsed.port !== null)
    ? { value }
    : { problem: 'expected address:port, such as 127.0.0.1:9478 or "[::1]:9478", or off' };
});

export const ConfigSchema = mapping('the configuration', {
  host: mapping('host', {
    name: text('expected a host name', (value) =>
      isHostName(value) ? { value } : { problem: 'expected a host name of letters, digits, "-" and "."' },
    )
      .default(() => (isHostName(hostname()) ? hostname() : 'localhost'))
      .meta({
        description: 'For people; the identity of the host is minted at first start. Default: the hostname.',
      }),
  }).prefault({}),
  underlay: mapping('underlay', {
    addresses: z
      .array(ownAddress, { error: 'expected a list of addresses' })
      .default([])
      .refine((all) => new Set(all.map(familyOf)).size === all.length, {
        error: 'expected one address of each family at most',
      })
      .meta({
        description:
          'Own addresses to send from, one of each family at most. Default: what the kernel chooses for each peer. Those that are ' +
          'absent are waited for.',
      }),
    port: udpPort
      .default(4789)
      .meta({ description: 'UDP port for VXLAN; weftd also receives on every port that a peer names.' }),
    source_ports: whole(1, 64, 'a number of source ports').default(4).meta({
      description:
        'UDP ports that VXLAN is sent from; flows are spread over them, and with them over the paths of the underlay. Takes effect when weftd is started again.',
    }),
    accept: oneOf('peers', 'any')
      .default('peers')
      .meta({ description: 'any: deliver datagrams from strangers too (never learned from).' }),
    explain: oneOf('on', 'off').default('on').meta({
      description:
        'Whether peers that are weft hosts get an answer when "weft why" asks there: whether this host has a network of that VNI, a port with that address or MAC, and what it dropped. off: say nothing.',
    }),
    offloads: mapping('offloads', {
      tso: offload
        .default('auto')
        .meta({ description: 'TCP super-frames on ports, in both directions (TSO of the TAP).' }),
      uso: offload
        .default('auto')
        .meta({ description: 'UDP super-frames on ports, in both directions (USO of the TAP, Linux 6.2).' }),
      coalesce_tcp: offload.default('auto').meta({
        description: 'TCP super-frames to ports: joined from what arrives, or passed on from another port.',
      }),
      coalesce_udp: offload.default('auto').meta({
        description: 'UDP super-frames to ports: joined from what arrives, or passed on from another port.',
      }),
      udp_gso: offload.default('auto').meta({ description: 'UDP_SEGMENT on the VXLAN socket.' }),
      udp_gro: offload.default('auto').meta({ description: 'UDP_GRO on the VXLAN socket.' }),
      carry_checksum: offload.default('auto').meta({
        description:
          'Inner TCP and UDP checksums that a guest left unfinished travel so to peers that are weft and say that they take them.',
      }),
    })
      .prefault({})
      .meta({ description: 'Kill switches: auto uses an offload where the kernel has it.' }),
  }).prefault({}),
  peers: z
    .array(peer, { error: 'expected a list of peers' })
    .max(4096, { error: 'expected at most 4096 peers' })
    .default([])
    .meta({ description: "The other hosts. A host's own address is ignored, so that one file fits all." }),
  networks: z
    .record(
      text('expected a network name', (value) => {
        const problem = networkNameProblem(value);
        return problem === null ? { value } : { problem };
      }),
      network,
      { error: 'expected a mapping of network names to their settings' },
    )
    .default({})
    .meta({ description: 'The networks of this host, by name.' }),
  ipam: ipam.prefault({}),
  fdb: mapping('fdb', {
    age: fdbKeys.age.prefault('300s'),
    limit: fdbKeys.limit.default(65536),
    limit_per_port: fdbKeys.limit_per_port.default(1024),
    moves: mapping('moves', {
      count: moves.count.default(5),
      window: moves.window.prefault('180s'),
      freeze: moves.freeze.prefault('60s'),
    }).prefault({}),
  })
    .prefault({})
    .meta({ description: 'Defaults of all networks.' }),
  docker: mapping('docker', {
    plugin: socketPath
      .default('/run/docker/plugins/weft.sock')
      .meta({ description: 'Socket of the network and IPAM plugin for Docker, or off.' }),
    api: socketPath.default('/var/run/docker.sock').meta({
      description: 'Socket of Docker, only to learn the names of containers and networks, or off.',
    }),
  }).prefault({}),
  workers: z
    .union([z.literal('auto'), z.literal(1)], {
      error: 'expected auto or 1: this version of weft has one worker',
    })
    .default(1)
    .meta({ description: 'Threads that forward frames: auto or 1 (this version has one).' }),
  busy_poll: oneOf('auto', 'off').default('auto').meta({
    description:
      'auto: while frames come less than 0.1 ms apart, and few bytes at a time, look for the next one with CPU time that nobody else wants instead of sleeping.',
  }),
  metrics: mapping('metrics', {
    listen: listen
      .prefault('127.0.0.1:9478')
      .meta({ description: 'address:port of /metrics and /healthz, or off.' }),
    objects: whole(0, 100_000, 'a number of objects').default(1000).meta({
      description:
        'Ports, peers, networks and pools, of each kind so many, that have time series of their own; counts over all of them are always there.',
    }),
  }).prefault({}),
  log: mapping('log', {
    level: oneOf('debug', 'info', 'warn', 'error')
      .default('info')
      .meta({ description: 'The least severe messages that are written.' }),
    format: oneOf('auto', 'json', 'pretty')
      .default('auto')
      .meta({ description: 'auto: pretty on a terminal, JSON elsewhere.' }),
  }).prefault({}),
});

export type Config = z.output<typeof ConfigSchema>;
export type NetworkConfig = Config['networks'][string];

/**
 * The table of all errors that weft reports. API, CLI and logs print from it, so that one mistake reads the same everywhere:
 *
 *     weft: port "web" is already on network "blue" (WEFT_PORT_EXISTS). Remove it with "weft port rm web", or choose another name.
 */

interface ErrorKind {
  /** HTTP status of the API. */
  readonly http: number;
  /** Exit status of the CLI: 1 failed, 2 usage, 3 daemon not reachable, 4 not found, 5 conflict. */
  readonly exit: 1 | 2 | 3 | 4 | 5;
  /** One sentence without its full stop; `{name}` is filled from the details. */
  readonly sentence: string;
  /** What the reader can do about it, as sentences. */
  readonly remedy: string;
}

const table = {
  WEFT_USAGE: { http: 400, exit: 2, sentence: '{reason}', remedy: 'See "weft --help".' },
  WEFT_INVALID: {
    http: 400,
    exit: 2,
    sentence: '{field}: {reason}',
    remedy: 'Correct the value and try again.',
  },
  WEFT_CONFIG: {
    http: 400,
    exit: 2,
    sentence: 'the configuration is not valid: {reason}',
    remedy: 'Correct the file; "weft config check FILE" checks it. The running configuration stays in force.',
  },
  WEFT_CONFIG_UNREADABLE: {
    http: 400,
    exit: 1,
    sentence: 'cannot read {file}: {reason}',
    remedy: 'Check that the file exists and that weftd may read it.',
  },
  WEFT_UNREACHABLE: {
    http: 503,
    exit: 3,
    sentence: 'no weftd answers on {socket}: {reason}',
    remedy:
      'Start it with "weftd" or "systemctl start weftd", or name its socket with --socket or WEFT_SOCKET.',
  },
  WEFT_STOPPING: {
    http: 503,
    exit: 3,
    sentence: 'weftd is stopping',
    remedy: 'Try again when it runs again.',
  },
  WEFT_SOCKET_DENIED: {
    http: 403,
    exit: 3,
    sentence: 'permission denied on {socket}',
    remedy: 'Run as root, or join the group "weft" (which is equivalent to root on this host).',
  },
  WEFT_NETWORK_NOT_FOUND: {
    http: 404,
    exit: 4,
    sentence: 'there is no network "{name}"',
    remedy: '"weft network ls" lists the networks; "weft network create {name}" makes one.',
  },
  WEFT_NETWORK_EXISTS: {
    http: 409,
    exit: 5,
    sentence: 'network "{name}" exists already',
    remedy: 'Choose another name, or remove it with "weft network rm {name}".',
  },
  WEFT_VNI_IN_USE: {
    http: 409,
    exit: 5,
    sentence: 'VNI {vni} belongs to network "{other}" already',
    remedy: 'Give the network another VNI (--vni; with Docker, "-o weft.vni=N"), the same one on every host.',
  },
  WEFT_NETWORK_HAS_PORTS: {
    http: 409,
    exit: 5,
    sentence: 'network "{name}" still has {count} port(s)',
    remedy: 'Remove them first, or use --force to remove them with the network.',
  },
  WEFT_NETWORK_OF_ENGINE: {
    http: 409,
    exit: 5,
    sentence: 'network "{name}" is used by {count} network(s) of Docker',
    remedy:
      'Remove them first by "docker network rm" ("weft network inspect {name}" names them), or use --force.',
  },
  WEFT_PORT_NOT_FOUND: {
    http: 404,
    exit: 4,
    sentence: 'there is no port "{name}"',
    remedy: '"weft port ls" lists the ports.',
  },
  WEFT_PORT_AMBIGUOUS: {
    http: 409,
    exit: 5,
    sentence: '"{name}" fits more than one port: {matches}',
    remedy: 'Use the ID, the --name, or IFNAME@NETNS.',
  },
  WEFT_PORT_EXISTS: {
    http: 409,
    exit: 5,
    sentence: 'port "{name}" is already on network "{network}"',
    remedy: 'Remove it with "weft port rm {name}", or choose another name.',
  },
  WEFT_ADDRESS_IN_USE: {
    http: 409,
    exit: 5,
    sentence: 'address {address} belongs to {holder} on network "{network}" already',
    remedy: 'Choose another address.',
  },
  WEFT_MAC_IN_USE: {
    http: 409,
    exit: 5,
    sentence: 'MAC {mac} belongs to port "{port}" on network "{network}" already',
    remedy: 'Choose another MAC, or leave it away (--mac; with Docker, --mac-address) to have one made.',
  },
  WEFT_LINK_EXISTS: {
    http: 409,
    exit: 5,
    sentence: 'a link "{ifname}" exists already in {netns}',
    remedy: 'Choose another IFNAME, or remove the link.',
  },
  WEFT_NETNS_NOT_FOUND: {
    http: 404,
    exit: 4,
    sentence: 'there is no network namespace {netns}: {reason}',
    remedy: 'Give --netns the name of one in /run/netns ("ip netns ls"), a path, or the PID of a process.',
  },
  WEFT_PEER_NOT_FOUND: {
    http: 404,
    exit: 4,
    sentence: 'there is no peer "{name}"',
    remedy: '"weft peer ls" lists the peers.',
  },
  WEFT_PEER_EXISTS: {
    http: 409,
    exit: 5,
    sentence: 'peer {address} exists already',
    remedy:
      'One peer has one address. To change its port, checksum or offload, remove it with "weft peer rm {address}" and add it again; one of the configuration file is changed there.',
  },
  WEFT_FDB_NOT_FOUND: {
    http: 404,
    exit: 4,
    sentence: 'network "{network}" has no FDB entry for {mac}',
    remedy: '"weft fdb ls {network}" lists the entries.',
  },
  WEFT_FDB_EXISTS: {
    http: 409,
    exit: 5,
    sentence: '{mac} is declared at {where} already',
    remedy: 'Remove that entry first with "weft fdb rm {network} {mac}".',
  },
  WEFT_IPAM_NO_SHARE: {
    http: 409,
    exit: 5,
    sentence: 'this host has peers, but no share of the subnets to give addresses from',
    remedy:
      'Give each host its own in /etc/weft/weft.yaml, such as "ipam: { share: { of: 16, index: 3 } }" (of the same everywhere, index from 0 different on each host), and run "weft reload".',
  },
  WEFT_IPAM_EXHAUSTED: {
    http: 409,
    exit: 5,
    sentence: 'no address is left in {range} of subnet {subnet}: {count} are in use on this host',
    remedy:
      'Remove containers, or use a larger subnet, --ip-range or ipam.share; "weft pool ls" shows what is in use.',
  },
  WEFT_IPAM_ADDRESS_TAKEN: {
    http: 409,
    exit: 5,
    sentence: 'address {address} of subnet {subnet} is taken: it is {holder}',
    remedy: 'Choose another address (--ip, --ip6), or leave it away to be given a free one.',
  },
  WEFT_IPAM_ADDRESS_OUTSIDE: {
    http: 400,
    exit: 2,
    sentence: 'address {address} cannot be used: {reason}',
    remedy: 'Choose one between the first and the last address of the subnet {subnet}.',
  },
  WEFT_IPAM_POOL_INVALID: {
    http: 400,
    exit: 2,
    sentence: 'the subnet {subnet} cannot be used: {reason}',
    remedy: '{advice}',
  },
  WEFT_IPAM_POOL_NOT_FOUND: {
    http: 404,
    exit: 4,
    sentence: 'there is no pool "{pool}"',
    remedy: 'Remove the network and create it again; "weft pool ls" lists the pools.',
  },
  WEFT_POOL_NOT_FOUND: {
    http: 404,
    exit: 4,
    sentence: 'there is no pool "{pool}"',
    remedy: '"weft pool ls" lists the pools.',
  },
  WEFT_POOL_AMBIGUOUS: {
    http: 409,
    exit: 5,
    sentence: 'several pools have the subnet {pool}: {matches}',
    remedy: 'Use the ID of one of them.',
  },
  WEFT_POOL_OF_ENGINE: {
    http: 409,
    exit: 5,
    sentence: 'pool "{pool}" is used by {count} network(s) of Docker (on {networks})',
    remedy: 'Remove them by "docker network rm", which ends the pool too.',
  },
  WEFT_POOL_HAS_PORTS: {
    http: 409,
    exit: 5,
    sentence: 'pool "{pool}" has addresses of {count} port(s), such as {port}',
    remedy: 'Remove their containers first; "weft pool inspect {pool}" shows who has which address.',
  },
  WEFT_POOL_HAS_ADDRESSES: {
    http: 409,
    exit: 5,
    sentence:
      'pool "{pool}" has {count} address(es) that no port has; containers on a network of another driver may',
    remedy:
      'Remove that network of Docker, or use --force when there is none: addresses that containers still have are given again.',
  },
  WEFT_IPAM_NO_DEFAULT_POOL: {
    http: 409,
    exit: 5,
    sentence: 'all default subnets are in use or overlap a route of this host',
    remedy: 'Name one, the same on every host: "docker network create --subnet 10.32.0.0/16 ...".',
  },
  WEFT_IPAM_LIMIT: {
    http: 409,
    exit: 5,
    sentence: '{where} has {limit} {what} already, which is the limit',
    remedy: 'Remove networks or containers that are not needed; "weft pool ls" shows what is in use.',
  },
  WEFT_FOREIGN_POOL: {
    http: 409,
    exit: 5,
    sentence:
      'the subnet {subnet} comes from another IPAM driver, which gives the same addresses on every host',
    remedy:
      'Add "--ipam-driver weft"; or, when its addresses never overlap between hosts, "-o weft.allow-foreign-ipam=true".',
  },
  WEFT_DOCKER_OPTION: {
    http: 400,
    exit: 2,
    sentence: 'option {option}: {reason}',
    remedy: '{advice}',
  },
  WEFT_DOCKER_REQUEST: {
    http: 400,
    exit: 2,
    sentence: 'the request {method} is not valid: {reason}',
    remedy: 'A container engine sends these; its version and that of weft may not fit together.',
  },
  WEFT_DOCKER_INTERRUPTED: {
    http: 503,
    exit: 1,
    sentence: 'the connection of Docker broke at {method}, and Docker asked again with an empty body',
    remedy:
      'Repeat the command of Docker. When weftd was not restarted, its log says why the connection broke.',
  },
  WEFT_DOCKER_SLOW: {
    http: 503,
    exit: 1,
    sentence: 'weftd did not finish {method} within {seconds} s',
    remedy: 'Try again; "weft status" and the log of weftd say what holds it up.',
  },
  WEFT_ENGINE_NETWORK_NOT_FOUND: {
    http: 404,
    exit: 4,
    sentence: 'weft does not know the Docker network {id}',
    remedy:
      'It was made before the state of weftd was lost. Remove it with "docker network rm" and create it again.',
  },
  WEFT_ENGINE_NETWORK_LOST: {
    http: 409,
    exit: 5,
    sentence: 'network "{name}", which this Docker network is on, is declared no more',
    remedy:
      'Declare it again in the configuration file, as on the other hosts, and run "weft reload"; or remove the network with "docker network rm".',
  },
  WEFT_ENDPOINT_NOT_FOUND: {
    http: 404,
    exit: 4,
    sentence: 'weft does not know the Docker endpoint {id}',
    remedy: 'Start the container again: "docker restart".',
  },
  WEFT_STARTING: {
    http: 503,
    exit: 3,
    sentence: 'weftd is starting',
    remedy: 'Try again in a second; "weft status" and the log of weftd say what it waits for.',
  },
  WEFT_NOT_OWNER: {
    http: 409,
    exit: 5,
    sentence: '{object} comes from {origin} and can only be changed there',
    remedy: '{advice}',
  },
  WEFT_PERMISSION: {
    http: 403,
    exit: 1,
    sentence: 'not permitted: {action}',
    remedy:
      'weftd needs CAP_NET_ADMIN, and CAP_SYS_ADMIN for ports in other network namespaces: run it as root or by its systemd unit.',
  },
  WEFT_VTEP_PORT_TAKEN: {
    http: 409,
    exit: 5,
    sentence: 'UDP port {port} is taken by {holder}',
    remedy:
      'Stop that program (a second weftd, a vxlan device, Open vSwitch), or choose another underlay.port on every host.',
  },
  WEFT_STATE_LOCKED: {
    http: 409,
    exit: 5,
    sentence: 'the state directory {dir} is in use by another weftd (PID {pid})',
    remedy: 'Stop it, or give this one another --state-dir.',
  },
  WEFT_STATE_UNUSABLE: {
    http: 500,
    exit: 1,
    sentence: 'the state directory {dir} cannot be used: {reason}',
    remedy: 'Check its owner, its permissions, and the space left on its file system.',
  },
  WEFT_STATE_DAMAGED: {
    http: 500,
    exit: 1,
    sentence: 'the state in {dir} is damaged: {reason}',
    remedy:
      'Put a copy of the directory back, or move it away and start weftd again: it then begins anew with what the configuration file declares. Networks of Docker are to be removed and created again.',
  },
  WEFT_SOCKET_TAKEN: {
    http: 409,
    exit: 5,
    sentence: 'another weftd listens on {socket}',
    remedy: 'Stop it, or give this one another --socket.',
  },
  WEFT_LISTEN: {
    http: 500,
    exit: 1,
    sentence: 'cannot listen on {address}: {reason}',
    remedy: 'Choose another address, or stop the program that uses it.',
  },
  WEFT_NO_TUN: {
    http: 500,
    exit: 1,
    sentence: '/dev/net/tun cannot be used: {reason}',
    remedy:
      'Load the module with "modprobe tun"; in a container, pass --device /dev/net/tun and --cap-add NET_ADMIN.',
  },
  WEFT_KERNEL_TOO_OLD: {
    http: 500,
    exit: 1,
    sentence: 'Linux {kernel} is too old: weft needs {needed} or later',
    remedy: 'Use a newer kernel.',
  },
  WEFT_ADDON: {
    http: 500,
    exit: 1,
    sentence: 'the native addon cannot be loaded: {reason}',
    remedy: 'Build it with "npm run build".',
  },
  WEFT_KERNEL: {
    http: 500,
    exit: 1,
    sentence: 'the kernel refused {action}: {reason}',
    remedy: 'See the log of weftd for what led to it.',
  },
  WEFT_TOO_LARGE: {
    http: 413,
    exit: 1,
    sentence: 'the request is larger than {limit} bytes',
    remedy: 'Send less.',
  },
  WEFT_NO_SUCH_ROUTE: {
    http: 404,
    exit: 1,
    sentence: 'the API has no {method} {path}',
    remedy: 'GET /v1/openapi.json describes it; the CLI and the daemon may be of different versions.',
  },
  WEFT_NO_SUCH_METHOD: {
    http: 405,
    exit: 1,
    sentence: 'the API has no {method} {path}, only {allowed}',
    remedy: 'GET /v1/openapi.json describes it.',
  },
  WEFT_CONTENT_TYPE: {
    http: 415,
    exit: 1,
    sentence: 'the body is not declared as JSON',
    remedy: 'Send "content-type: application/json".',
  },
  WEFT_INTERNAL: {
    http: 500,
    exit: 1,
    sentence: 'weft has a defect: {reason}',
    remedy: 'Please report it with the log of weftd.',
  },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof table;
export const errorTable: Readonly<Record<ErrorCode, ErrorKind>> = table;

export type ErrorDetails = Readonly<Record<string, string | number>>;

/** What API and CLI print with --json. */
export interface ErrorBody {
  code: ErrorCode;
  message: string;
  remedy: string;
  details: ErrorDetails;
}

/** An error that a person can act on. Everything else that is thrown is a defect of weft and shows as WEFT_INTERNAL. */
export class WeftError extends Error {
  override readonly name = 'WeftError';
  readonly code: ErrorCode;
  readonly details: ErrorDetails;
  readonly remedy: string;

  constructor(code: ErrorCode, details: ErrorDetails = {}, options?: ErrorOptions) {
    super(fill(table[code].sentence, details), options);
    this.code = code;
    this.details = details;
    this.remedy = fill(table[code].remedy, details);
  }

  get http(): number {
    return table[this.code].http;
  }

  get exit(): number {
    return table[this.code].exit;
  }

  toBody(): ErrorBody {
    return { code: this.code, message: this.message, remedy: this.remedy, details: this.details };
  }

  /** `sentence (CODE). Remedy`, as the CLI prints it behind "weft: ". */
  toText(): string {
    return `${this.message} (${this.code}). ${this.remedy}`;
  }
}

function fill(template: string, details: ErrorDetails): string {
  return template.replace(/\{(\w+)\}/g, (whole, key: string) => String(details[key] ?? whole));
}

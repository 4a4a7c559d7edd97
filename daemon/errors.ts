/**
 * The table of all errors that weft reports. API, CLI and logs print from it, so that one mistake reads the same everywhere:
 *
 *     weft: port "web" is already on network "blue" (WEFT_PORT_EXISTS). Remove it with "weft port rm web", or choose another name.
 */

interface ErrorKind {
  /** HTTP status of the API. */
  readonly http: number;
  /**
   * Exit status: 1 failed, 2 usage, 3 daemon not reachable, 4 not found, 5 conflict, 6 nothing to be tried again before somebody has
   * done what the remedy says. systemd does not start a weftd again that ended with 2, 5 or 6.
   */
  readonly exit: 1 | 2 | 3 | 4 | 5 | 6;
  /** One sentence without its full stop; `{name}` is filled from the details. */
  readonly sentence: string;
  /** What the reader can do about it, as sentences. */
  readonly remedy: string;
}

const table = {
  WEFT_USAGE: { http: 400, exit: 2, sentence: '{reason}', remedy: 'See "{command} --help".' },
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
  WEFT_WHY_ELSEWHERE: {
    http: 404,
    exit: 4,
    sentence: 'neither "{source}" nor "{destination}" is at a port of this host{where}',
    remedy: 'Ask on the host of one of them; "weft port ls" and "weft ps" list what is here.',
  },
  WEFT_WHY_UNKNOWN: {
    http: 404,
    exit: 4,
    sentence: 'there is no port or container named "{name}" here or at the peers that answered{silent}',
    remedy:
      'Check the name, or give the address instead; "weft port ls" and "weft ps" list what is on a host.',
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
  WEFT_NETNS_DENIED: {
    http: 403,
    exit: 6,
    sentence: 'the kernel does not let weftd see network namespace {netns} ({errno})',
    remedy:
      'Without CAP_SYS_PTRACE over it, also root is not shown the namespaces of a process that is of another user namespace, cannot be dumped or has more capabilities. Run weftd by its systemd unit or as root of the host; or give the namespace a name ("ip netns attach NAME PID") and attach that.',
  },
  WEFT_PEER_NOT_FOUND: {
    http: 404,
    exit: 4,
    sentence: 'there is no peer "{name}"',
    remedy: '"weft peer ls" lists the peers.',
  },
  WEFT_PEER_NO_ANSWER: {
    http: 503,
    exit: 1,
    sentence: 'peer {peer} answered none of {sent} hello(s)',
    remedy:
      'Only a weftd answers, and only a host that it has as its peer: see "weft peer inspect {peer}" here and there, and whether UDP to the VXLAN port passes.',
  },
  WEFT_WAITED: {
    http: 503,
    exit: 1,
    sentence: 'waited {seconds} s: {reason}',
    remedy: '"weft status" and the log of weftd say more; --timeout waits longer.',
  },
  WEFT_PEER_EXISTS: {
    http: 409,
    exit: 5,
    sentence: 'peer {address} exists already',
    remedy:
      'One peer has one address. To change its port, checksum or offload, remove it with "weft peer rm {address}" and add it again; one of the configuration file is changed there.',
  },
  WEFT_CAPTURE_TARGET: {
    http: 404,
    exit: 4,
    sentence: 'there is no port, network or peer "{name}"',
    remedy: '"weft port ls", "weft network ls" and "weft peer ls" list them.',
  },
  WEFT_CAPTURE_AMBIGUOUS: {
    http: 409,
    exit: 5,
    sentence: '"{name}" is a {kinds}',
    remedy: 'Say which with --kind, such as "--kind {kind}".',
  },
  WEFT_CAPTURE_INACTIVE: {
    http: 409,
    exit: 5,
    sentence: 'nothing passes {object}, because it is not in use',
    remedy: '"weft status" and "weft port ls" say why.',
  },
  WEFT_CAPTURE_LIMIT: {
    http: 409,
    exit: 5,
    sentence: '{limit} captures run already, which is the limit',
    remedy: 'End one of them: GET /v1/captures tells which processes read them.',
  },
  WEFT_CAPTURE_NOT_FOUND: {
    http: 404,
    exit: 4,
    sentence: 'there is no capture "{id}"',
    remedy: 'It may have ended already.',
  },
  WEFT_CAPTURE_CONNECTION: {
    http: 500,
    exit: 1,
    sentence: 'weftd cannot write frames to this connection',
    remedy: 'Use the unix socket of weftd, and the Node.js that weft was built for.',
  },
  WEFT_CAPTURE_NO_LIBPCAP: {
    http: 500,
    exit: 1,
    sentence: 'a filter needs libpcap, which this machine does not have',
    remedy:
      'Install it ("apt install libpcap0.8", "dnf install libpcap"), or capture without a filter and filter the file.',
  },
  WEFT_CAPTURE_FILTER: {
    http: 400,
    exit: 2,
    sentence: 'the filter "{filter}" cannot be used: {reason}',
    remedy: 'pcap-filter(7) describes the language; quote what the shell would take for itself.',
  },
  WEFT_CAPTURE_TERMINAL: {
    http: 400,
    exit: 2,
    sentence: 'frames are not for a terminal, and neither tcpdump nor tshark is there to print them',
    remedy: 'Install one of them ("apt install tcpdump"), or write a file with -w FILE.pcapng.',
  },
  WEFT_CAPTURE_NO_CAP: {
    http: 500,
    exit: 1,
    sentence: 'the optional package "cap", which captures on interfaces, is not built here',
    remedy:
      'Use "tcpdump -i {interface} -w FILE udp port 4789"; or build it in the directory of weft: "apt install libpcap-dev", "npm rebuild cap".',
  },
  WEFT_CAPTURE_INTERFACE: {
    http: 500,
    exit: 1,
    sentence: 'cannot capture on {interface}: {reason}',
    remedy: 'Check its name with "ip link"; capturing needs root.',
  },
  WEFT_CAPTURE_OUTPUT: {
    http: 500,
    exit: 1,
    sentence: 'cannot write to {file}: {reason}',
    remedy: 'Check its directory, its permissions, and the space left on its file system.',
  },
  WEFT_CAPTURE_FILE: {
    http: 409,
    exit: 5,
    sentence: '{file} holds something that is no capture, and is left as it is',
    remedy: 'Name another file with --write, or remove it.',
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
    exit: 6,
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
    remedy:
      'Check its owner, its permissions, the space left on its file system ("df"), whether that is mounted read-only, and its disk ("dmesg").',
  },
  WEFT_STATE_DAMAGED: {
    http: 500,
    exit: 6,
    sentence: 'the state in {dir} is damaged: {reason}',
    remedy:
      'Put a backup back with "weft state restore FILE". Without one, move the directory away and start weftd again: it then begins anew with what the configuration file declares, and networks of Docker are to be removed and created again. Check the disk.',
  },
  WEFT_STATE_ABSENT: {
    http: 404,
    exit: 4,
    sentence: 'there is no state in {dir}',
    remedy:
      'Where weftd uses another directory, name it with --state-dir DIR; weftd makes the state when it is started for the first time.',
  },
  WEFT_BACKUP_UNUSABLE: {
    http: 500,
    exit: 1,
    sentence: 'the file {file} cannot be used: {reason}',
    remedy:
      'Check its name and its permissions; when it is to be written, also its directory and the space left on its file system ("df").',
  },
  WEFT_BACKUP_DAMAGED: {
    http: 500,
    exit: 6,
    sentence: '{file} is no backup, or a damaged one: {reason}',
    remedy:
      'Use another backup; "weft state check FILE" says whether one is whole. The state of weftd stays as it is.',
  },
  WEFT_STATE_NEWER: {
    http: 500,
    exit: 6,
    sentence:
      'the state in {dir} was written by weft {version} in a newer form (schema {schema}; this is weft {own}, which reads up to {known})',
    remedy:
      'Install weft {version} or later again. To go on with this version, {back}; what was changed since is lost then.',
  },
  WEFT_STATE_FOREIGN: {
    http: 409,
    exit: 6,
    sentence: 'the state in {dir} belongs to another machine, "{machine}" (host ID {host})',
    remedy:
      'When this machine takes the place of that one, run "weft state adopt". When it is a copy of it, move the directory away: two hosts with one ID and the same addresses disturb each other.',
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
    exit: 6,
    sentence: '/dev/net/tun cannot be used: {reason}',
    remedy:
      'Load the module with "modprobe tun"; in a container, pass --device /dev/net/tun and --cap-add NET_ADMIN.',
  },
  WEFT_KERNEL_TOO_OLD: {
    http: 500,
    exit: 6,
    sentence: 'Linux {kernel} is too old: weft needs {needed} or later',
    remedy: 'Use a newer kernel.',
  },
  WEFT_ADDON: {
    http: 500,
    exit: 6,
    sentence: 'the native addon cannot be loaded: {reason}',
    remedy: 'Install weft again; in a checkout, build it with "npm run build".',
  },
  WEFT_KERNEL: {
    http: 500,
    exit: 1,
    sentence: 'the kernel refused {action}: {reason}',
    remedy: 'See the log of weftd for what led to it.',
  },
  WEFT_BACKUP_EXISTS: {
    http: 409,
    exit: 5,
    sentence: '{file} exists already',
    remedy: 'Name another file, or have it replaced with --force.',
  },
  WEFT_REPORT_EXISTS: {
    http: 409,
    exit: 5,
    sentence: '{file} exists already',
    remedy: 'Name another file with --output, or remove it.',
  },
  WEFT_REPORT_FAILED: {
    http: 500,
    exit: 1,
    sentence: 'the report cannot be written to {file}: {reason}',
    remedy: 'Name another place with --output. It needs the program "tar".',
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

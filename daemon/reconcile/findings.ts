/** What is not as it should be, in sentences for a person: the one source of status, doctor, health, and metrics. */
import type { Finding } from '../api/schema.js';

export type FindingDraft = Omit<Finding, 'since'>;

type Kind = Pick<FindingDraft, 'severity' | 'remedy'>;

const kinds = {
  CONFIG_REFUSED: {
    severity: 'warning',
    remedy:
      'Correct the file ("weft config check FILE" checks it), and run "weft reload". The former configuration stays in force.',
  },
  CONFIG_NEEDS_RESTART: {
    severity: 'info',
    remedy: 'Start weftd again; it takes over its ports. Until then what it was started with stays in force.',
  },
  UNDERLAY_DEGRADED: {
    severity: 'warning',
    remedy: 'weftd follows: bring the address up, or correct underlay.addresses.',
  },
  UNDERLAY_FAILED: {
    severity: 'error',
    remedy: 'weftd tries again every 2 s; free the UDP port, or see the log.',
  },
  UNDERLAY_PORT_FAILED: {
    severity: 'warning',
    remedy:
      'Stop the program that has the port (a vxlan device: "ip -d link show type vxlan"), or let these peers use the port of weftd; weftd tries again every 2 s.',
  },
  PEER_UNRESOLVED: {
    severity: 'warning',
    remedy: 'weftd asks again; check the name and the resolver of this host.',
  },
  PEER_DUPLICATE: { severity: 'error', remedy: 'Remove one of the two peers: one IP address is one peer.' },
  PEER_NO_ROUTE: { severity: 'warning', remedy: 'Check the routes of this host to the peer.' },
  PEER_FAILED: { severity: 'error', remedy: 'weftd tries again every 2 s; see its log.' },
  PEER_OFFLOAD_DISABLED: {
    severity: 'info',
    remedy:
      'Frames still flow, with more CPU. "offload: off" for this peer makes it permanent and silences this.',
  },
  PORT_OFFLOAD_DISABLED: {
    severity: 'info',
    remedy:
      'Frames still flow, with more CPU; it is tried again. "underlay.offloads.coalesce_tcp: off" or "coalesce_udp: off" makes it permanent for all ports and silences this.',
  },
  NETWORK_SHADOWED: { severity: 'warning', remedy: 'Remove or rename one of the two networks.' },
  NETWORK_FAILED: { severity: 'error', remedy: 'weftd tries again every 2 s; see its log.' },
  MTU_DOES_NOT_FIT: {
    severity: 'warning',
    remedy:
      'Declare mtu: auto or a smaller one, or raise the MTU of the underlay. Until then guests are told by ICMP what fits, and larger IPv4 packets without DF are fragmented.',
  },
  MTU_NO_IPV6: {
    severity: 'warning',
    remedy:
      'Raise the MTU of the underlay. Until then guests are told by ICMP what fits to IPv4, and larger IPv6 packets are lost.',
  },
  HOST_UNREADABLE: {
    severity: 'warning',
    remedy: 'weftd tries again every 2 s; check the memory and the open files of this host.',
  },
  ROUND_FAILED: {
    severity: 'error',
    remedy: 'weftd tries again every 2 s; see its log, and please report it.',
  },
  STATE_FAILED: {
    severity: 'error',
    remedy: 'weftd tries again every 2 s; check the space left on the file system of the state directory.',
  },
  STATE_REMOVED: {
    severity: 'error',
    remedy:
      'Start weftd again. It makes the directory anew; what was made through the API is to be made again.',
  },
  NETNS_UNREADABLE: {
    severity: 'warning',
    remedy: 'weftd tries again every 2 s; check the memory and the open files of this host.',
  },
  NETNS_GONE: {
    severity: 'warning',
    remedy: 'The port is made again when the namespace returns; "weft port rm" gives it up.',
  },
  PORT_NO_NETWORK: { severity: 'error', remedy: 'Create the network again, or remove the port.' },
  PORT_FAILED: { severity: 'error', remedy: 'weftd tries again every 2 s; see the reason.' },
  PORT_DOWN: {
    severity: 'warning',
    remedy: 'Something in the namespace took the link down: "ip link set dev IFNAME up" there.',
  },
  PORT_MAC_CHANGED: {
    severity: 'info',
    remedy:
      'Something in the namespace changed it (systemd-udevd and NetworkManager do); weft forwards by the new one.',
  },
  ENGINE_NETWORK_LOST: {
    severity: 'error',
    remedy:
      'Its containers are cut off, and none can be started: declare the network again in the configuration file, as on the other hosts, and run "weft reload"; or remove it with "docker network rm".',
  },
  ADDRESS_CONFLICT: {
    severity: 'error',
    remedy:
      'Two machines of one network have one address: stop one of the two, or give it another address. Shares (ipam.share) that overlap, and --ip outside of the share, lead to it.',
  },
  PORT_LINK_LOST: {
    severity: 'error',
    remedy: 'Something in the container deleted its interface: restart the container.',
  },
  PORT_MAC_REFUSED: {
    severity: 'warning',
    remedy:
      'Its frames are dropped: set the MAC back, allow any with "weft port set REF --spoof allow", or remove the port and add it again with this --mac.',
  },
  PORT_REFUSED: {
    severity: 'info',
    remedy:
      'It sends from a MAC or an address that it was not given, or as a router or DHCP server. If it may, make the port again with each --address, or "weft port set REF --spoof allow".',
  },
  IPAM_NO_SHARE: {
    severity: 'warning',
    remedy:
      'No container can be started on a network of Docker: give this host its own "ipam: { share: { of: 16, index: 3 } }" again and run "weft reload".',
  },
  ADDRESS_OUTSIDE: {
    severity: 'info',
    remedy: 'Check the prefix: other machines of the network may not find this address.',
  },
  DOCKER_SOCKET: {
    severity: 'error',
    remedy:
      'weftd tries again every 2 s: stop the program that has the socket, or remove what is in its place; "docker.plugin: off" gives it up.',
  },
  DOCKER_OTHER_PLUGIN: {
    severity: 'error',
    remedy:
      'Remove it ("docker plugin rm -f"); networks that were made with it are to be made again. Or give weftd another name by docker.plugin.',
  },
  DOCKER_SPEC_FILE: {
    severity: 'info',
    remedy: 'Remove the file, unless it names the socket of weftd.',
  },
  DOCKER_TOO_OLD: { severity: 'warning', remedy: 'Use Docker 20.10 or later.' },
  DOCKER_UNREACHABLE: {
    severity: 'info',
    remedy:
      'All else works. weftd tries again every 10 s at the latest: check docker.api and the permissions on that socket, or set it to off.',
  },
  LINK_STRAY: { severity: 'warning', remedy: 'weftd tries again every 2 s; see its log.' },
  ENTRY_FAILED: { severity: 'error', remedy: 'weftd tries again every 2 s; see its log.' },
} as const satisfies Record<string, Kind>;

export type FindingCode = keyof typeof kinds;

/** `remedy`: where the usual one of the code does not help. */
export function finding(
  code: FindingCode,
  object: string,
  message: string,
  remedy: string = kinds[code].remedy,
): FindingDraft {
  return { code, object, message, severity: kinds[code].severity, remedy };
}

/** Remembers since when each finding holds. */
export class FindingList {
  private current = new Map<string, Finding>();

  constructor(private readonly now: () => Date) {}

  get all(): Finding[] {
    return [...this.current.values()];
  }

  /** Replaces all findings; returns what is new and what is over. A finding is the same while its code and its object are. */
  replace(drafts: readonly FindingDraft[]): { appeared: Finding[]; cleared: Finding[] } {
    const next = new Map<string, Finding>();
    for (const draft of drafts) {
      const key = `${draft.code} ${draft.object}`;
      next.set(key, { ...draft, since: this.current.get(key)?.since ?? this.now().toISOString() });
    }
    const appeared = [...next].filter(([key]) => !this.current.has(key)).map(([, one]) => one);
    const cleared = [...this.current].filter(([key]) => !next.has(key)).map(([, one]) => one);
    this.current = next;
    return { appeared, cleared };
  }
}

/** What is not as it should be, in sentences for a person: the one source of status, doctor, health, and metrics. */
import type { Finding } from '../api/schema.js';

export type FindingDraft = Omit<Finding, 'since'>;

interface Kind extends Pick<FindingDraft, 'severity' | 'remedy'> {
  /** What is wrong, whatever it is about: one sentence for the documentation. */
  readonly meaning: string;
}

const kinds = {
  CONFIG_REFUSED: {
    severity: 'warning',
    meaning: 'The configuration file has a mistake and was not taken.',
    remedy:
      'Correct the file ("weft config check FILE" checks it), and run "weft reload". The former configuration stays in force.',
  },
  CONFIG_NEEDS_RESTART: {
    severity: 'info',
    meaning: 'A change of the configuration takes effect only at the next start.',
    remedy:
      'Start weftd again ("systemctl restart weftd"); it takes over its ports. Until then what it was started with stays in force.',
  },
  UNDERLAY_DEGRADED: {
    severity: 'warning',
    meaning: 'An underlay address is not there or cannot be used yet.',
    remedy:
      'weftd follows: bring the address up ("ip address add ADDRESS/PREFIX dev IFNAME"), or correct underlay.addresses and run "weft reload".',
  },
  UNDERLAY_FAILED: {
    severity: 'error',
    meaning: 'The VXLAN socket could not be opened.',
    remedy:
      'weftd tries again every 2 s; "weft doctor" names what has the UDP port, and "journalctl -u weftd" the reason.',
  },
  UNDERLAY_PORT_FAILED: {
    severity: 'warning',
    meaning: 'A UDP port that a peer uses, beside the own one, could not be opened.',
    remedy:
      'Stop the program that has the port (a vxlan device: "ip -d link show type vxlan"), or let these peers use the port of weftd; weftd tries again every 2 s.',
  },
  PEER_UNRESOLVED: {
    severity: 'warning',
    meaning: 'The name of a peer does not resolve.',
    remedy: 'weftd asks again; check the name and the resolver of this host ("getent ahosts NAME").',
  },
  PEER_DUPLICATE: {
    severity: 'error',
    meaning: 'Two peers lead to one IP address.',
    remedy:
      'Remove one of the two, as one IP address is one peer: "weft peer rm ADDRESS", or in the configuration file and then "weft reload".',
  },
  PEER_NO_ROUTE: {
    severity: 'warning',
    meaning: 'The kernel has no route to a peer.',
    remedy: 'Check the routes of this host to the peer ("ip route get ADDRESS").',
  },
  PEER_FAILED: {
    severity: 'error',
    meaning: 'A peer could not be put into the datapath.',
    remedy: 'weftd tries again every 2 s; "journalctl -u weftd" has the reason.',
  },
  PEER_OFFLOAD_DISABLED: {
    severity: 'info',
    meaning: 'UDP_SEGMENT is not used towards a peer.',
    remedy:
      'Frames still flow, with more CPU; "weft peer check ADDRESS" tries it again. "offload: off" for this peer makes it permanent and silences this.',
  },
  PEER_SILENT: {
    severity: 'warning',
    meaning: 'A weft host that answered before does not answer any more.',
    remedy:
      'It stays programmed, and is asked again every 30 s at least: check that it is up and that weftd runs there ("systemctl status weftd"), and the way to it ("ping ADDRESS", "weft ping ADDRESS").',
  },
  PEER_ONE_WAY: {
    severity: 'warning',
    meaning: 'What a weft host sends arrives here, and it answers nothing that this host sends.',
    remedy:
      'Let UDP to its VTEP port pass on the way there, and in its firewall ("nft list ruleset"); on that host "weft peer ls" must have this one by the address that it sends from.',
  },
  PEER_VERSION: {
    severity: 'info',
    meaning: 'A peer runs another version of weft.',
    remedy:
      'They work together. Install the same version on both ("weft version" prints it) to have everything of the newer one.',
  },
  VNI_CLASH: {
    severity: 'error',
    meaning: 'A network and a VNI do not belong together in the same way on two hosts.',
    remedy:
      'Give the network the same name and the same VNI on every host ("networks: { NAME: { vni: N } }" and "weft reload"; "weft network ls" shows them).',
  },
  HOST_ID_CLONED: {
    severity: 'error',
    meaning: 'Two hosts have one host ID, because one was made as a copy of the other.',
    remedy:
      'On the copy: "systemctl stop weftd", move its state directory away (/var/lib/weft), and start weftd again, which mints another ID. Make images of hosts without that directory.',
  },
  PEER_IS_THIS_HOST: {
    severity: 'warning',
    meaning: 'The address of a peer leads back to this host.',
    remedy:
      'Remove the peer ("weft peer rm ADDRESS"), or correct its address: frames come back to this host.',
  },
  PEER_TWICE: {
    severity: 'warning',
    meaning: 'Two peers are two addresses of one host, so broadcasts reach it twice.',
    remedy: 'Remove one of the two ("weft peer rm ADDRESS"), or its line in the configuration file.',
  },
  PEER_SEES_OTHER_ADDRESS: {
    severity: 'warning',
    meaning: 'A peer gets what this host sends from another address than this host sends from.',
    remedy:
      'A NAT is on the way, or underlay.addresses names another address: each host must have the other as a peer by the address that the datagrams come from ("weft peer inspect ADDRESS" shows it).',
  },
  PEER_ANSWERS_ELSEWHERE: {
    severity: 'warning',
    meaning: 'What this host sends to a peer is answered from another address.',
    remedy:
      'On that host set underlay.addresses to the address that its peers have, and run "weft reload"; or have it here as a peer by the other address.',
  },
  PATH_MTU_BLACK_HOLE: {
    severity: 'warning',
    meaning: 'Large datagrams to a peer vanish on the way, and nothing tells so.',
    remedy:
      'weftd uses what arrives, and tries more now and then. Let ICMP "fragmentation needed" and "packet too big" pass on the way, or set the MTU of the route ("ip route change ... mtu N"); "weft peer check ADDRESS" tries again at once.',
  },
  PORT_OFFLOAD_DISABLED: {
    severity: 'info',
    meaning: 'The kernel refuses super-frames for a port.',
    remedy:
      'Frames still flow, with more CPU; it is tried again. "underlay.offloads.coalesce_tcp: off" or "coalesce_udp: off" makes it permanent for all ports and silences this.',
  },
  NETWORK_SHADOWED: {
    severity: 'warning',
    meaning: 'Two origins declare one network, or two networks one VNI.',
    remedy:
      'Remove the one that is not of the configuration file ("weft network rm NAME", of Docker "docker network rm NAME"), or give the one of the file another name or another VNI there and run "weft reload".',
  },
  NETWORK_FAILED: {
    severity: 'error',
    meaning: 'A network could not be put into the datapath.',
    remedy: 'weftd tries again every 2 s; "journalctl -u weftd" has the reason.',
  },
  MTU_DOES_NOT_FIT: {
    severity: 'warning',
    meaning: 'The declared MTU of a network is larger than fits to a peer.',
    remedy:
      'Declare "mtu: auto" or a smaller one and run "weft reload", or raise the MTU of the underlay ("ip link set dev IFNAME mtu BYTES", on every hop). Until then guests are told by ICMP what fits, and larger IPv4 packets without DF are fragmented.',
  },
  NETWORK_MTU_DIFFERS: {
    severity: 'warning',
    meaning: 'A network has a larger MTU on this host than on another, which drops what is larger.',
    remedy:
      'Declare the same MTU on every host, or "mtu: auto" ("networks: { NAME: { mtu: N } }" and "weft reload"; "weft network ls" shows it).',
  },
  MTU_NO_IPV6: {
    severity: 'warning',
    meaning: 'The underlay leaves less than the 1280 bytes that IPv6 needs.',
    remedy:
      'Raise the MTU of the underlay ("ip link set dev IFNAME mtu BYTES", on every hop). Until then guests are told by ICMP what fits to IPv4, and larger IPv6 packets are lost.',
  },
  HOST_UNREADABLE: {
    severity: 'warning',
    meaning: 'The addresses or routes of this host could not be read.',
    remedy:
      'weftd tries again every 2 s; check the memory and the open files of this host ("weft doctor" counts them).',
  },
  ROUND_FAILED: {
    severity: 'error',
    meaning: 'A round that compares what should be with what is could not be finished.',
    remedy:
      'weftd tries again every 2 s; "journalctl -u weftd" has the reason. Please report it, with what "weft report" writes.',
  },
  STATE_FAILED: {
    severity: 'error',
    meaning: 'What changed cannot be written to the state directory.',
    remedy:
      'weftd tries every 2 s whether as much as was refused can be written; check the space left on the file system of the state directory ("df -h /var/lib/weft").',
  },
  STATE_REMOVED: {
    severity: 'error',
    meaning: 'The state directory was removed under the running daemon.',
    remedy:
      'Where the directory was moved, move it back: weftd goes on with it and nothing is lost. Else start weftd again ("systemctl restart weftd"): it makes the directory anew, and what was made through the API is to be made again.',
  },
  STATE_REPAIRED: {
    severity: 'warning',
    meaning: 'The disk gave back a damaged line of the state, which was put right from its second copy.',
    remedy:
      'Nothing is lost. Check the disk ("dmesg", "smartctl -a DEVICE"), and make a backup ("weft state backup FILE"). The finding is over when weftd is started again.',
  },
  NETNS_UNREADABLE: {
    severity: 'warning',
    meaning: 'The network namespace of a port could not be looked into.',
    remedy:
      'weftd tries again every 2 s; check the memory and the open files of this host ("weft doctor" counts them).',
  },
  NETNS_GONE: {
    severity: 'warning',
    meaning: 'The network namespace of a port is not there.',
    remedy: 'The port is made again when the namespace returns; "weft port rm REF" gives it up.',
  },
  PORT_NO_NETWORK: {
    severity: 'error',
    meaning: 'The network of a port is gone.',
    remedy:
      'Declare the network again in the configuration file and run "weft reload", or create it ("weft network create NAME"), with the VNI that it has on the other hosts; or remove the port ("weft port rm REF").',
  },
  PORT_FAILED: {
    severity: 'error',
    meaning: 'A port could not be made or changed.',
    remedy:
      'weftd tries again every 2 s; "weft doctor" looks for the cause, and "weft port rm REF" gives the port up.',
  },
  PORT_DOWN: {
    severity: 'warning',
    meaning: 'The link of a port is down.',
    remedy: 'Something in the namespace took the link down: "ip link set dev IFNAME up" there.',
  },
  PORT_MAC_CHANGED: {
    severity: 'info',
    meaning: 'The link of a port has another MAC than it was made with.',
    remedy:
      'Something in the namespace changed it (systemd-udevd and NetworkManager do); weft forwards by the new one. "ip link set dev IFNAME address MAC" there sets it back.',
  },
  ENGINE_NETWORK_LOST: {
    severity: 'error',
    meaning: 'A network that Docker uses is declared no more.',
    remedy:
      'Its containers are cut off, and none can be started: declare the network again in the configuration file, as on the other hosts, and run "weft reload"; or remove it with "docker network rm".',
  },
  ADDRESS_CONFLICT: {
    severity: 'error',
    meaning: 'Two machines of one network claim one address.',
    remedy:
      'Two machines of one network have one address: stop one of the two, or give it another address ("weft fdb ls NETWORK" says where each MAC is). Shares (ipam.share) that overlap, and --ip outside of the share, lead to it.',
  },
  PORT_LINK_LOST: {
    severity: 'error',
    meaning: 'The interface of a container was deleted.',
    remedy:
      'Something in the container deleted its interface: restart the container ("docker restart NAME").',
  },
  PORT_MAC_REFUSED: {
    severity: 'warning',
    meaning: 'A guarded port sends from another MAC than its own.',
    remedy:
      'Its frames are dropped: set the MAC back, allow any with "weft port set REF --spoof allow", or remove the port and add it again with this --mac.',
  },
  PORT_REFUSED: {
    severity: 'info',
    meaning: 'A guarded port sends what it may not.',
    remedy:
      'It sends from a MAC or an address that it was not given, or as a router or DHCP server. If it may, make the port again with each --address, or "weft port set REF --spoof allow".',
  },
  IPAM_NO_SHARE: {
    severity: 'warning',
    meaning: 'This host has peers, and no share of the addresses of a network of Docker.',
    remedy:
      'No container can be started on a network of Docker: give this host its own "ipam: { share: { of: 16, index: 3 } }" again and run "weft reload".',
  },
  ADDRESS_OUTSIDE: {
    severity: 'info',
    meaning: 'The address of a port is in no subnet of its network.',
    remedy:
      'Check the prefix: other machines of the network may not find this address. "weft port rm REF" and "weft port add NETWORK" with another --address give it another.',
  },
  DOCKER_SOCKET: {
    severity: 'error',
    meaning: 'The socket of the Docker plugin could not be opened.',
    remedy:
      'weftd tries again every 2 s: stop the program that has the socket ("ss -xlp" names it), or remove what is in its place; "docker.plugin: off" gives it up.',
  },
  DOCKER_OTHER_PLUGIN: {
    severity: 'error',
    meaning: 'Docker has another plugin of the name of weft.',
    remedy:
      'Remove it ("docker plugin rm -f"); networks that were made with it are to be made again. Or give weftd another name by docker.plugin.',
  },
  DOCKER_SPEC_FILE: {
    severity: 'info',
    meaning: 'A file tells Docker another place of the plugin.',
    remedy: 'Remove the file ("rm FILE"), unless it names the socket of weftd.',
  },
  DOCKER_TOO_OLD: {
    severity: 'warning',
    meaning: 'Docker is older than weft supports.',
    remedy: 'Use Docker 20.10 or later ("docker version" says which it is).',
  },
  DOCKER_UNREACHABLE: {
    severity: 'info',
    meaning: 'The names of containers cannot be asked of Docker.',
    remedy:
      'All else works. weftd tries again every 10 s at the latest: check docker.api and the permissions on that socket ("ls -l /var/run/docker.sock"), or set "docker.api: off".',
  },
  METRICS_LISTEN: {
    severity: 'warning',
    meaning: 'Metrics and health cannot be served where metrics.listen says.',
    remedy:
      'weftd tries again every 2 s: stop the program that has the port ("ss -ltnp" shows it), or bring the address up; or set metrics.listen to another address and port, or to off, and run "weft reload".',
  },
  LINK_STRAY: {
    severity: 'warning',
    meaning: 'A link of weft that no port stands for could not be deleted.',
    remedy:
      'weftd tries again every 2 s; "ip link del dev IFNAME" in its namespace does it by hand, and "journalctl -u weftd" has the reason.',
  },
  ENTRY_FAILED: {
    severity: 'error',
    meaning: 'A static FDB entry could not be put into the datapath, or taken out of it.',
    remedy:
      'weftd tries again every 2 s; "journalctl -u weftd" has the reason, and "weft fdb rm NETWORK MAC" gives it up.',
  },
} as const satisfies Record<string, Kind>;

export type FindingCode = keyof typeof kinds;
export const findingTable: Readonly<Record<FindingCode, Kind>> = kinds;

/** `remedy`: where the usual one of the code does not help. */
export function finding(
  code: FindingCode,
  object: string,
  message: string,
  remedy: string = kinds[code].remedy,
): FindingDraft {
  return { code, object, message, severity: kinds[code].severity, remedy };
}

/** From the worst on. */
export const severities = ['error', 'warning', 'info'] as const;

/** Remembers since when each finding holds. */
export class FindingList {
  private current = new Map<string, Finding>();

  constructor(private readonly now: () => Date) {}

  /** The worst first; of one severity in the order in which they were found. */
  get all(): Finding[] {
    const found = [...this.current.values()];
    return severities.flatMap((severity) => found.filter((one) => one.severity === severity));
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

/** What else of this host's network gets into the way of an overlay. */

import ipaddr from 'ipaddr.js';
import { parseCidr } from '../model/address.js';
import {
  asRoot,
  bounded,
  type Check,
  complaintsOr,
  error,
  ok,
  skipped,
  type Verdict,
  warning,
} from './check.js';
import type { Facts } from './facts.js';
import type { Machine } from './machine.js';
import { parseFailedAddresses, readCounters } from './proc_net.js';

interface Watched {
  ipv4: string;
  ipv6: string;
  what: string;
  remedy: string;
}

const watched: readonly Watched[] = [
  {
    ...{ ipv4: 'Udp.InCsumErrors', ipv6: 'Udp6InCsumErrors' },
    what: 'UDP datagrams with a wrong checksum arrive',
    remedy:
      'A network card or driver that sends them, or this one that checks them, is wrong: on the sending host try "ethtool -K IFNAME tx off", here "ethtool -K IFNAME rx off". "checksum: zero" for the peer avoids them.',
  },
  {
    ...{ ipv4: 'Udp.RcvbufErrors', ipv6: 'Udp6RcvbufErrors' },
    what: 'UDP sockets overflow: datagrams are lost before their program reads them',
    remedy:
      '"ss -ulnmp" shows whose (d is what it lost); where it is weftd, "top" shows whether it gets the CPU time that it needs, and the metric weft_underlay_overflow_total counts.',
  },
  {
    ...{ ipv4: 'Udp.SndbufErrors', ipv6: 'Udp6SndbufErrors' },
    what: 'UDP datagrams cannot be sent because a buffer is full',
    remedy:
      '"tc -s qdisc show dev IFNAME" of the underlay shows whether its queue drops; the link is slower than what is sent.',
  },
  {
    ...{ ipv4: 'TcpExt.IPReversePathFilter', ipv6: '' },
    what: 'packets are dropped by the reverse path filter',
    remedy:
      '"sysctl -w net.ipv4.conf.IFNAME.rp_filter=2" on the interface that they come in by; "nstat -az TcpExtIPReversePathFilter" counts.',
  },
];

/** Milliseconds that are looked at, at least. */
const watchTime = 1000;

export const kernelCounters: Check = {
  name: 'counters',
  looksAt:
    'While the doctor looks, the kernel counts no UDP checksum errors, no overflowing buffers, and nothing dropped by the reverse path filter.',
  ofNetwork: true,
  async examine({ machine, start }) {
    await machine.wait(Math.max(0, watchTime - (machine.monotonic() - start.monotonic)));
    const seconds = Math.ceil((machine.monotonic() - start.monotonic) / 1000);
    const after = readCounters(machine);
    const grown = (name: string): number => (after.get(name) ?? 0) - (start.counters.get(name) ?? 0);
    const complaints = watched.flatMap(({ ipv4, ipv6, what, remedy }) => {
      const count = grown(ipv4) + grown(ipv6);
      return count <= 0 ? [] : [warning(`${what}: ${count} in the last ${seconds} s (${ipv4})`, remedy)];
    });
    const sums = watched.flatMap(({ ipv4, ipv6 }) => {
      const sum = (after.get(ipv4) ?? 0) + (after.get(ipv6) ?? 0);
      return sum === 0 ? [] : [`${ipv4.split('.')[1]} ${sum}`];
    });
    return complaintsOr(
      complaints,
      sums.length === 0 ? 'none counted anything since boot' : `nothing now; since boot ${sums.join(', ')}`,
    );
  },
};

function readOr(machine: Machine, path: string, otherwise: string): string {
  try {
    return machine.read(path).trim();
  } catch {
    return otherwise;
  }
}

export const reversePath: Check = {
  name: 'rp-filter',
  looksAt:
    "The reverse path filter is not strict on an interface that peers' datagrams come in by while answers leave by another.",
  ofNetwork: true,
  examine({ native, machine, daemon, config, targets }) {
    if ('problem' in native) return [skipped('the addon cannot be loaded')];
    const told = daemon.state === 'answers' ? daemon.status.underlay.addresses : config.underlay.addresses;
    const links = new Map(machine.addresses().map(({ address, ifname }) => [address, ifname]));
    const complaints = new Map<string, Verdict>();
    for (const { address, name } of targets) {
      if (address.includes(':')) continue;
      const own = told.find((one) => !one.includes(':'));
      const arrives = own === undefined ? undefined : links.get(own);
      const leaves = links.get(sourceOr(native, address) ?? '');
      if (arrives === undefined || leaves === undefined || arrives === leaves || !isStrict(machine, arrives))
        continue;
      const message = `datagrams of ${name} to ${own} are dropped: they come in by ${arrives}, and the route back leaves by ${leaves}`;
      // A dot in a name, as those of VLANs have one, is none of the key.
      const key = arrives.includes('.')
        ? `net/ipv4/conf/${arrives}/rp_filter`
        : `net.ipv4.conf.${arrives}.rp_filter`;
      const remedy = `Make the filter loose: "sysctl -w ${key}=2", and keep it in /etc/sysctl.d; or name the address on ${leaves} in underlay.addresses.`;
      complaints.set(arrives + leaves, error(message, remedy));
    }
    return complaintsOr([...complaints.values()], 'it does not drop what peers send');
  },
};

function sourceOr(native: { sourceAddress(address: string): string }, address: string): string | null {
  try {
    return native.sourceAddress(address);
  } catch {
    return null;
  }
}

/** The larger of both values is in force (Documentation/networking/ip-sysctl.rst); 1 is strict, 2 loose. */
function isStrict(machine: Machine, ifname: string): boolean {
  const of = (name: string): number =>
    Number(readOr(machine, `/proc/sys/net/ipv4/conf/${name}/rp_filter`, '0'));
  return Math.max(of('all'), of(ifname)) === 1;
}

export const bridgeFilter: Check = {
  name: 'br-netfilter',
  looksAt: 'VXLAN between hosts does not cross a bridge whose frames go through iptables (br_netfilter).',
  ofNetwork: true,
  examine({ machine, daemon, config }) {
    const switches = ['iptables', 'ip6tables'].filter(
      (tool) => readOr(machine, `/proc/sys/net/bridge/bridge-nf-call-${tool}`, '0') === '1',
    );
    if (switches.length === 0) return [ok('frames of bridges do not go through iptables')];
    const told = daemon.state === 'answers' ? daemon.status.underlay.addresses : config.underlay.addresses;
    const own = machine.addresses().filter(({ address }) => told.includes(address));
    const bridged = own.filter(({ ifname }) => isDirectory(machine, `/sys/class/net/${ifname}/bridge`));
    const complaints = bridged.map(({ ifname }) =>
      warning(
        `the underlay address is on bridge ${ifname}, and br_netfilter gives its frames to ${switches.join(' and ')}: rules for forwarding may drop VXLAN of other machines behind it`,
        `"sysctl -w net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0" switches that off; Docker and kube-proxy may want it on, then let it through: "iptables -I FORWARD -i ${ifname} -j ACCEPT".`,
      ),
    );
    return complaintsOr(
      complaints,
      'the underlay is on no bridge; frames between ports of weft never go through iptables',
    );
  },
};

function isDirectory(machine: Machine, path: string): boolean {
  try {
    return machine.stat(path).kind === 'directory';
  } catch {
    return false;
  }
}

/** Part of the table from which on the kernel begins to drop what is new. */
const nearlyFull = 0.95;

export const conntrack: Check = {
  name: 'conntrack',
  looksAt:
    'The table of connections that firewalls keep has room: when it is full the kernel drops what is new, VXLAN too.',
  ofNetwork: true,
  examine({ machine, daemon, config }) {
    const of = (name: string): number =>
      Number(readOr(machine, `/proc/sys/net/netfilter/nf_conntrack_${name}`, '0'));
    const [count, most] = [of('count'), of('max')];
    if (most === 0) return [ok('this host tracks no connections')];
    if (count < nearlyFull * most) return [ok(`${count} of ${most} connections`)];
    const message = `${count} of ${most} connections are tracked: what is new is dropped when the table is full`;
    const port = daemon.state === 'answers' ? daemon.status.underlay.port : config.underlay.port;
    const remedy = `Enlarge it: "sysctl -w net.netfilter.nf_conntrack_max=${4 * most}", kept in /etc/sysctl.d. VXLAN needs no tracking: "iptables -t raw -A PREROUTING -p udp --dport ${port} -j NOTRACK".`;
    return [error(message, remedy)];
  },
};

const duplicatePatience = 600;

export const duplicateAddress: Check = {
  name: 'duplicate-address',
  looksAt:
    'No other machine of the underlay has the address of this one, asked by ARP; for IPv6, what the kernel found.',
  ofNetwork: true,
  examine({ machine, native, daemon, config }) {
    const complaints = parseFailedAddresses(readOr(machine, '/proc/net/if_inet6', '')).map(
      ({ address, prefix, ifname }) =>
        error(
          `another machine has the IPv6 address ${address} of ${ifname}: duplicate address detection failed`,
          `Give one of the two another; then "ip -6 address del ${address}/${prefix} dev ${ifname}" and add the right one.`,
        ),
    );
    const told = daemon.state === 'answers' ? daemon.status.underlay.addresses : config.underlay.addresses;
    const own = machine
      .addresses()
      .filter(({ address, ifname }) => told.includes(address) && !address.includes(':') && ifname !== 'lo');
    let obstacle: Verdict | null = null;
    for (const { address, ifname } of own) {
      if ('problem' in native) return [...complaints, skipped('the addon cannot be loaded')];
      try {
        const mac = native.findDuplicateAddress(ifname, address, duplicatePatience);
        if (mac === null) continue;
        const remedy = `Find the machine with MAC ${mac} and give one of the two another address; "arping -D -I ${ifname} ${address}" tells when it is gone.`;
        complaints.push(
          error(
            `another machine, with MAC ${mac}, has the address ${address} of ${ifname} too: datagrams of peers go now here, now there`,
            remedy,
          ),
        );
      } catch (thrown) {
        const { code } = thrown as NodeJS.ErrnoException;
        if (code === 'EINVAL') continue;
        obstacle = skipped(`${address} could not be asked for (${code})`, code === 'EPERM' ? asRoot : null);
      }
    }
    if (complaints.length === 0 && obstacle !== null) return [obstacle];
    return complaintsOr(
      complaints,
      own.length === 0
        ? 'the kernel found no duplicate'
        : `nobody else has ${own.map(({ address }) => address).join(', ')}`,
    );
  },
};

export const subnets: Check = {
  name: 'subnets',
  looksAt:
    'No subnet of a network holds an address of this host or of a peer, which its containers could then not reach.',
  examine({ daemon, targets, machine, elsewhere }) {
    if (daemon.state !== 'answers') return [skipped('weftd does not answer')];
    const own = elsewhere
      ? []
      : machine.addresses().map(({ address, ifname }) => ({ address, what: `address of ${ifname}` }));
    const hosts = [
      ...own,
      ...targets.map(({ address, name }) => ({ address, what: `address of peer ${name}` })),
    ];
    const complaints = daemon.networks.flatMap((network) =>
      network.subnets.flatMap((subnet) =>
        hosts
          .filter(({ address }) => contains(subnet, address))
          .map(({ address, what }) =>
            warning(
              `subnet ${subnet} of network "${network.name}" holds ${address}, the ${what}: containers on it cannot reach that`,
              `Give the network another subnet, the same on every host: "subnets:" of it in the configuration, or "weft network create" and "docker network create" with another --subnet.`,
            ),
          ),
      ),
    );
    return complaintsOr(bounded(complaints), 'none overlaps the underlay');
  },
};

function contains(subnet: string, address: string): boolean {
  const parsed = parseCidr(subnet);
  if (parsed === null || parsed.address.includes(':') !== address.includes(':')) return false;
  const [one, network] = [ipaddr.parse(address.split('%')[0] ?? address), ipaddr.parse(parsed.address)];
  return one.match(network, parsed.prefix);
}

export const namespaceOf: Check = {
  name: 'namespace',
  looksAt:
    'This command and weftd are in one network namespace, or else the checks of the network are left out.',
  examine({ elsewhere, daemon }: Facts) {
    if (daemon.state !== 'answers') return [skipped('weftd does not answer')];
    if (!elsewhere) return [ok('weftd is in this one')];
    const remedy = `Run it where weftd is: "nsenter --net=/proc/${daemon.status.pid}/ns/net weft doctor".`;
    return [skipped('weftd is in another network namespace, which is not looked at', remedy)];
  },
};

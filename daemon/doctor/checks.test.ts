/** Every check against a host without a fault, and against each trouble that it is there for. */
import { describe, expect, it } from 'vitest';
import { blue, host2 } from '../cli/testing/samples.js';
import { FakeNative } from '../datapath/fake_native.js';
import type { PathAnswer, PathProbe } from '../datapath/kernel.js';
import { finding } from '../reconcile/findings.js';
import type { Diagnosis } from './check.js';
import { checklist } from './checklist.js';
import { examine, isComplaint } from './examine.js';
import { errno, SickHost, udpLine } from './testing/sick_host.js';

async function run(name: string, host: SickHost): Promise<Diagnosis[]> {
  const checks = checklist(host.api).filter((check) => check.name === name);
  expect(checks).toHaveLength(1);
  return await examine(checks, host.facts(), 60);
}

interface Trouble {
  check: string;
  of: string;
  make(host: SickHost): void;
  result: Diagnosis['result'];
  says: string;
  remedy: string;
}

const statusOf = (host: SickHost) => {
  if (host.daemon === null) throw new Error('no daemon');
  return host.daemon.status;
};
const property = (key: string, value: string) => (host: SickHost) => void host.properties?.set(key, value);
const dead = (host: SickHost): void => {
  host.daemon = null;
  host.files.set('/proc/net/udp', '');
};
const answer = (given: (probe: PathProbe) => Partial<PathAnswer> | undefined) => (host: SickHost) => {
  host.native.pathAnswer = given;
};
const silent = (host: SickHost): void => {
  if (host.daemon !== null)
    host.daemon.peers = [
      { ...host2, address: '10.99.0.2', endpoint: '10.99.0.2', port: 4789, state: 'silent', idle: 90 },
    ];
};
const tagged = (alias: string, carrier: boolean) => (host: SickHost) => {
  host.native.own.links.push({ ...host.native.makeLink('weft0'), alias, carrier });
};
const nft = (...rules: object[]): string => JSON.stringify({ nftables: [{ metainfo: {} }, ...rules] });
const nftInput = {
  chain: { family: 'inet', table: 'filter', name: 'input', hook: 'input', policy: 'accept' },
};
const nftRule = (...expr: object[]) => ({
  rule: { family: 'inet', table: 'filter', chain: 'input', handle: 7, expr },
});
const dport = (right: unknown, op = '==') => ({
  match: { op, left: { payload: { protocol: 'udp', field: 'dport' } }, right },
});

const troubles: Trouble[] = [
  {
    ...{ check: 'daemon', of: 'no daemon', make: dead },
    ...{ result: 'error', says: 'no weftd answers', remedy: '"systemctl start weftd"' },
  },
  {
    ...{ check: 'daemon', of: 'a datapath that stands still' },
    make: (host) => {
      if (host.daemon !== null)
        host.daemon.health = { status: 'failing', reasons: ['it has stood still for 9 s'] };
    },
    ...{ result: 'error', says: 'stood still', remedy: '"systemctl restart weftd"' },
  },
  {
    ...{ check: 'version', of: 'an older daemon', make: (host) => (statusOf(host).version = '0.0.9') },
    ...{
      result: 'warning',
      says: 'weftd is 0.0.9, and this command is 0.1.0',
      remedy: '"systemctl restart weftd"',
    },
  },
  {
    ...{
      check: 'version',
      of: 'no addon',
      make: (host) => (host.changes = { native: { problem: 'no such file' } }),
    },
    ...{ result: 'error', says: 'no such file', remedy: '"npm run build"' },
  },
  {
    ...{ check: 'service', of: 'a unit that has failed' },
    make: (host) => {
      dead(host);
      property('ActiveState', 'failed')(host);
      property('Result', 'exit-code')(host);
    },
    ...{ result: 'error', says: 'exit-code', remedy: '"systemctl reset-failed weftd"' },
  },
  {
    ...{ check: 'service', of: 'a unit that was not started' },
    make: (host) => {
      dead(host);
      property('ActiveState', 'inactive')(host);
    },
    ...{ result: 'error', says: 'inactive', remedy: '"systemctl start weftd"' },
  },
  {
    ...{ check: 'service', of: 'a second weftd', make: property('MainPID', '55') },
    ...{ result: 'warning', says: 'PID 99', remedy: '"kill PID"' },
  },
  {
    ...{ check: 'service', of: 'restarts', make: property('NRestarts', '12') },
    ...{ result: 'warning', says: '12 times', remedy: '"journalctl -u weftd"' },
  },
  {
    ...{ check: 'service', of: 'a unit that is not enabled', make: property('UnitFileState', 'disabled') },
    ...{ result: 'warning', says: 'not started at boot', remedy: '"systemctl enable weftd"' },
  },
  {
    ...{
      check: 'service',
      of: 'a unit that systemd has not read again',
      make: property('NeedDaemonReload', 'yes'),
    },
    ...{ result: 'warning', says: 'has the old one', remedy: '"systemctl daemon-reload"' },
  },
  {
    ...{ check: 'configuration', of: 'a mistake' },
    make: (host) => {
      host.changes = {
        configProblem: { unreadable: false, message: 'not valid', details: ['weft.yaml:3:1: x'] },
      };
    },
    ...{ result: 'error', says: 'not valid', remedy: '"weft config check /etc/weft/weft.yaml"' },
  },
  {
    ...{ check: 'findings', of: 'one of weftd' },
    make: (host) => {
      const since = '2026-01-01T00:00:00Z';
      statusOf(host).findings = [{ ...finding('STATE_FAILED', 'state', 'no space'), since }];
    },
    ...{ result: 'error', says: 'state: no space (STATE_FAILED)', remedy: '"df -h /var/lib/weft"' },
  },
  {
    ...{ check: 'kernel', of: 'an old one', make: (host) => (host.kernel = '5.10.0-8-amd64') },
    ...{ result: 'error', says: '5.10.0', remedy: '5.12' },
  },
  {
    ...{ check: 'tun', of: 'no device', make: (host) => void host.stats.delete('/dev/net/tun') },
    ...{ result: 'error', says: 'no /dev/net/tun', remedy: '"modprobe tun"' },
  },
  {
    ...{
      check: 'tun',
      of: 'a device that may not be opened',
      make: (host) => void host.denied.set('/dev/net/tun', 'EPERM'),
    },
    ...{ result: 'error', says: 'EPERM', remedy: '"--device /dev/net/tun' },
  },
  {
    ...{ check: 'tun', of: 'a file in its place' },
    make: (host) => void host.stats.set('/dev/net/tun', { kind: 'file', mode: 0o644, uid: 0 }),
    ...{ result: 'error', says: 'is no device', remedy: '"rm /dev/net/tun"' },
  },
  {
    ...{ check: 'capabilities', of: 'none for TAPs' },
    make: (host) => void host.files.set('/proc/99/status', 'CapEff:\t000001ffffffefff\n'),
    ...{ result: 'error', says: 'CAP_NET_ADMIN', remedy: '"systemctl edit weftd"' },
  },
  {
    ...{ check: 'capabilities', of: 'none to look at processes' },
    make: (host) => void host.files.set('/proc/99/status', 'CapEff:\t000001fffff7ffff\n'),
    ...{ result: 'warning', says: 'CAP_SYS_PTRACE', remedy: '"systemctl edit weftd"' },
  },
  {
    ...{ check: 'capabilities', of: 'a unit that leaves one out, while weftd is dead' },
    make: (host) => {
      dead(host);
      property('CapabilityBoundingSet', 'cap_net_admin cap_sys_ptrace cap_dac_read_search')(host);
    },
    ...{ result: 'error', says: 'CAP_SYS_ADMIN', remedy: '"systemctl cat weftd"' },
  },
  {
    ...{ check: 'offloads', of: 'one that is broken' },
    make: (host) => (host.native.probed.offloads.udpGso = 'datagrams arrive with a wrong checksum'),
    ...{ result: 'warning', says: 'udpGso is broken', remedy: '"uname -r"' },
  },
  {
    ...{ check: 'offloads', of: 'one that weftd gave up and that works now' },
    make: (host) => (statusOf(host).offloads.udpGro = 'off: nothing arrived'),
    ...{ result: 'warning', says: 'nothing arrived', remedy: '"systemctl restart weftd"' },
  },
  {
    ...{ check: 'limits', of: 'too few files' },
    make: (host) => void host.directories.set('/proc/99/fd', Array.from({ length: 1000 }, String)),
    ...{ result: 'error', says: '1000 files open and may open 1024', remedy: '"LimitNOFILE=65536"' },
  },
  {
    ...{ check: 'limits', of: 'small buffers without CAP_NET_ADMIN' },
    make: (host) => {
      host.files.set('/proc/99/status', 'CapEff:\t0000000000000000\n');
      host.files.set('/proc/sys/net/core/rmem_max', '212992\n');
      host.files.set('/proc/sys/net/core/wmem_max', '16777216\n');
    },
    ...{ result: 'warning', says: '212992 bytes', remedy: '"sysctl -w net.core.rmem_max=16777216"' },
  },
  {
    ...{ check: 'state', of: 'a full disk', make: (host) => (host.freeBytes = 4096) },
    ...{ result: 'error', says: 'only 4 KiB', remedy: '"df -h /var/lib/weft"' },
  },
  {
    ...{ check: 'state', of: 'no inodes', make: (host) => (host.freeInodes = 3) },
    ...{ result: 'error', says: 'only 3 inodes', remedy: '"df -i /var/lib/weft"' },
  },
  {
    ...{ check: 'state', of: 'a directory that others may write' },
    make: (host) => void host.stats.set('/var/lib/weft', { kind: 'directory', mode: 0o777, uid: 0 }),
    ...{ result: 'error', says: 'others than root', remedy: '"chmod go-w /var/lib/weft"' },
  },
  {
    ...{
      check: 'state',
      of: 'a read-only file system',
      make: (host) => void host.denied.set('/var/lib/weft', 'EROFS'),
    },
    ...{ result: 'error', says: 'read-only', remedy: '"mount -o remount,rw"' },
  },
  {
    ...{
      check: 'state',
      of: 'a directory that was removed',
      make: (host) => void host.stats.delete('/var/lib/weft'),
    },
    ...{ result: 'error', says: 'gone while weftd runs', remedy: '"systemctl restart weftd"' },
  },
  {
    ...{ check: 'state', of: 'a damaged journal, which a weftd does not start with' },
    make: (host) => {
      dead(host);
      host.files.set('/var/lib/weft/journal', 'garbage');
    },
    ...{ result: 'error', says: 'is damaged', remedy: '"weft state restore FILE"' },
  },
  {
    ...{ check: 'state', of: 'a file in its place' },
    make: (host) => void host.stats.set('/var/lib/weft', { kind: 'file', mode: 0o600, uid: 0 }),
    ...{ result: 'error', says: 'no directory', remedy: '"mv /var/lib/weft' },
  },
  {
    ...{
      check: 'clock',
      of: 'a jump',
      make: (host) => (host.changes = { start: { ...host.facts().start, now: host.wall - 9000 } }),
    },
    ...{ result: 'warning', says: 'jumped by 9000 ms', remedy: '"chronyc tracking"' },
  },
  {
    ...{
      check: 'clock',
      of: 'a start in the future',
      make: (host) => (statusOf(host).startedAt = '2026-01-01T13:00:00Z'),
    },
    ...{ result: 'warning', says: '3600 s in the future', remedy: '"systemctl restart weftd"' },
  },
  {
    ...{
      check: 'clock',
      of: 'no synchronisation',
      make: (host) => void host.programs.set('timedatectl', 'NTPSynchronized=no\n'),
    },
    ...{ result: 'warning', says: 'nothing keeps the clock right', remedy: '"timedatectl set-ntp true"' },
  },
  {
    ...{ check: 'udp-port', of: 'a vxlan device, while weftd is dead' },
    make: (host) => {
      dead(host);
      host.files.set('/proc/net/udp', `header\n${udpLine(4789, 7001)}`);
      const other = '8: vx9: <UP> mtu 1450 vxlan id 1 dstport 8472 nolearning\n';
      host.programs.set(
        'ip',
        `${other}9: vx0@eth0: <UP> mtu 1450 \\ vxlan id 7 dev eth0 dstport 4789 ttl auto\n`,
      );
    },
    ...{ result: 'error', says: 'taken by vxlan device vx0 of the kernel', remedy: '"ip link del vx0"' },
  },
  {
    ...{ check: 'udp-port', of: 'another program beside weftd' },
    make: (host) => {
      host.files.set('/proc/net/udp', `header\n${udpLine(4789, 5001)}${udpLine(4789, 6001)}`);
      host.directories.set('/proc', ['99', '123']);
      host.directories.set('/proc/123/fd', ['3']);
      host.symlinks.set('/proc/123/fd/3', 'socket:[6001]');
      host.files.set('/proc/123/comm', 'ovs-vswitchd\n');
    },
    ...{ result: 'error', says: 'ovs-vswitchd (PID 123) too', remedy: 'Stop it' },
  },
  {
    ...{ check: 'udp-port', of: 'a socket of nobody that can be seen' },
    make: (host) => {
      dead(host);
      host.files.set('/proc/net/udp', `header\n${udpLine(4789, 7001)}`);
    },
    ...{ result: 'error', says: 'the kernel, or a program in another PID', remedy: '"ip -d link show"' },
  },
  {
    ...{
      check: 'udp-port',
      of: 'weftd without its socket',
      make: (host) => void host.files.set('/proc/net/udp', 'header\n'),
    },
    ...{ result: 'error', says: 'has not opened UDP port 4789', remedy: '"weft status"' },
  },
  {
    ...{ check: 'udp-port', of: 'a port that cannot be opened' },
    make: (host) => {
      dead(host);
      host.taken.add(4789);
    },
    ...{ result: 'error', says: 'EADDRINUSE', remedy: '"ss -ulnp"' },
  },
  {
    ...{ check: 'firewall', of: 'a rule that drops what comes in' },
    make: (host) => {
      host.loopback = 'lost';
      host.programs.set(
        'iptables-save',
        '*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p udp -m udp --dport 4789 -j DROP\nCOMMIT\n',
      );
    },
    ...{
      result: 'error',
      says: 'nothing that this host sends',
      remedy: '"iptables -D INPUT -p udp -m udp --dport 4789 -j DROP"',
    },
  },
  {
    ...{ check: 'firewall', of: 'a rule that cannot be read', make: (host) => (host.loopback = 'lost') },
    ...{ result: 'error', says: 'a firewall rule drops it', remedy: '"nft list ruleset"' },
  },
  {
    ...{ check: 'firewall', of: 'a rule for IPv6 that cannot be read' },
    make: (host) => {
      host.loopback = 'lost';
      host.own.push({ ifname: 'eth0', address: 'fd00::1' });
      statusOf(host).underlay.addresses = ['fd00::1'];
    },
    ...{ result: 'error', says: 'of fd00::1', remedy: '"ip6tables -I INPUT -p udp --dport 4789' },
  },
  {
    ...{ check: 'firewall', of: 'a rule that drops some', make: (host) => (host.loopback = 'half') },
    ...{ result: 'error', says: 'only 10 arrive', remedy: '"nft list ruleset"' },
  },
  {
    ...{
      check: 'firewall',
      of: 'a rule that refuses what goes out',
      make: (host) => (host.loopback = 'EPERM'),
    },
    ...{ result: 'error', says: 'refuses', remedy: '"iptables-save"' },
  },
  {
    ...{ check: 'firewall', of: 'the same while weftd is dead' },
    make: (host) => {
      dead(host);
      host.loopback = 'lost';
    },
    ...{ result: 'error', says: 'nothing that this host sends', remedy: 'let UDP port 4789 in and out' },
  },
  {
    ...{ check: 'firewall', of: 'an nftables rule that spares this host itself' },
    make: (host) => void host.programs.set('nft', nft(nftInput, nftRule(dport(4789), { drop: null }))),
    ...{
      result: 'warning',
      says: 'inet filter input: udp dport 4789 drop',
      remedy: '"nft delete rule inet filter input handle 7"',
    },
  },
  {
    ...{ check: 'firewall', of: 'a closed policy, and no peer that is heard' },
    make: (host) => {
      silent(host);
      host.programs.set('iptables-save', '*filter\n:INPUT DROP [0:0]\n-A INPUT -i lo -j ACCEPT\nCOMMIT\n');
    },
    ...{
      result: 'warning',
      says: '-P INPUT DROP',
      remedy: '"iptables -I INPUT -p udp --dport 4789 -j ACCEPT"',
    },
  },
  {
    ...{
      check: 'peers',
      of: 'a firewall of this host',
      make: answer(({ port }) => (port === null ? undefined : { error: 'EPERM' })),
    },
    ...{ result: 'error', says: 'a firewall of this host refuses', remedy: '"iptables -I OUTPUT' },
  },
  {
    ...{ check: 'peers', of: 'a firewall of this host that rejects' },
    make: answer(({ port }) => (port === null ? undefined : { error: 'ECONNREFUSED', from: '10.99.0.1' })),
    ...{ result: 'error', says: 'a firewall of this host rejects', remedy: '"iptables-save"' },
  },
  {
    ...{ check: 'peers', of: 'a closed port' },
    make: answer(({ port }) => (port === null ? undefined : { error: 'ECONNREFUSED', from: '10.99.0.2' })),
    ...{
      result: 'error',
      says: 'nobody takes datagrams on UDP port 4789 of 10.99.0.2',
      remedy: '"systemctl start weftd"',
    },
  },
  {
    ...{
      check: 'peers',
      of: 'a router that refuses',
      make: answer(() => ({ error: 'EHOSTUNREACH', from: '192.0.2.254' })),
    },
    ...{ result: 'error', says: 'router 192.0.2.254 says EHOSTUNREACH', remedy: '"traceroute -n 10.99.0.2"' },
  },
  {
    ...{ check: 'peers', of: 'no route', make: answer(() => ({ error: 'ENETUNREACH' })) },
    ...{ result: 'error', says: 'this host says ENETUNREACH', remedy: '"ip route get 10.99.0.2"' },
  },
  {
    ...{ check: 'peers', of: 'one that only answers pings', make: silent },
    ...{
      result: 'warning',
      says: 'answers pings, but nothing came from its UDP port 4789 for 90 s',
      remedy: '"weft peer ls"',
    },
  },
  {
    ...{ check: 'peers', of: 'one that is away' },
    make: (host) => {
      silent(host);
      answer(() => ({ answered: false }))(host);
    },
    ...{ result: 'warning', says: 'no answer to pings', remedy: '"ping 10.99.0.2"' },
  },
  {
    ...{ check: 'peers', of: 'a name that does not resolve' },
    make: (host) => {
      if (host.daemon !== null)
        host.daemon.peers = [
          { ...host2, address: 'h2.example', endpoint: null, state: 'unresolved', reason: 'ENOTFOUND' },
        ];
    },
    ...{
      result: 'error',
      says: 'h2.example does not resolve: ENOTFOUND',
      remedy: '"getent ahosts h2.example"',
    },
  },
  {
    ...{ check: 'path-mtu', of: 'a path that swallows large packets' },
    make: answer(({ bytes }) => (bytes > 1400 ? { answered: false } : undefined)),
    ...{ result: 'error', says: 'packets of more than 1400 bytes vanish', remedy: 'mtu lock 1400' },
  },
  {
    ...{ check: 'path-mtu', of: 'the same, where weft knows it' },
    make: (host) => {
      if (host.daemon !== null)
        host.daemon.peers = host.daemon.peers.map((peer) => ({ ...peer, pathMtu: 1400 }));
      answer(({ bytes }) => (bytes > 1400 ? { answered: false } : undefined))(host);
    },
    ...{ result: 'warning', says: 'weft has found it out', remedy: '"tracepath -n 10.99.0.2"' },
  },
  {
    ...{ check: 'path-mtu', of: 'the same at a weft host that answers no pings' },
    make: (host) => {
      answer(() => ({ answered: false }))(host);
      host.hello = (size) => size <= 1400;
    },
    ...{
      result: 'error',
      says: 'packets of more than 1499 bytes vanish',
      remedy: '"ip route get 10.99.0.2"',
    },
  },
  {
    ...{
      check: 'counters',
      of: 'wrong checksums',
      make: (host) => (host.onWait = () => (host.errors.checksum += 3)),
    },
    ...{ result: 'warning', says: 'wrong checksum arrive: 3', remedy: '"ethtool -K IFNAME tx off"' },
  },
  {
    ...{
      check: 'counters',
      of: 'buffers that overflow',
      make: (host) => (host.onWait = () => (host.errors.receive += 5)),
    },
    ...{ result: 'warning', says: 'overflow', remedy: '"ss -ulnmp"' },
  },
  {
    ...{
      check: 'counters',
      of: 'a slow link',
      make: (host) => (host.onWait = () => (host.errors.send += 5)),
    },
    ...{ result: 'warning', says: 'cannot be sent', remedy: '"tc -s qdisc show' },
  },
  {
    ...{
      check: 'counters',
      of: 'the reverse path filter',
      make: (host) => (host.onWait = () => (host.reversePathDrops += 5)),
    },
    ...{ result: 'warning', says: 'reverse path filter', remedy: 'rp_filter=2' },
  },
  {
    ...{ check: 'rp-filter', of: 'a strict filter and another way back' },
    make: (host) => {
      host.own = [
        { ifname: 'eth1', address: '10.98.0.1' },
        { ifname: 'eth0', address: '10.99.0.1' },
      ];
      statusOf(host).underlay.addresses = ['10.98.0.1'];
      host.files.set('/proc/sys/net/ipv4/conf/all/rp_filter', '0\n');
      host.files.set('/proc/sys/net/ipv4/conf/eth1/rp_filter', '1\n');
    },
    ...{
      result: 'error',
      says: 'come in by eth1, and the route back leaves by eth0',
      remedy: '"sysctl -w net.ipv4.conf.eth1.rp_filter=2"',
    },
  },
  {
    ...{ check: 'rp-filter', of: 'the same on a VLAN' },
    make: (host) => {
      host.own = [
        { ifname: 'eth1.7', address: '10.98.0.1' },
        { ifname: 'eth0', address: '10.99.0.1' },
      ];
      statusOf(host).underlay.addresses = ['10.98.0.1'];
      host.files.set('/proc/sys/net/ipv4/conf/eth1.7/rp_filter', '1\n');
    },
    ...{ result: 'error', says: 'come in by eth1.7', remedy: '"sysctl -w net/ipv4/conf/eth1.7/rp_filter=2"' },
  },
  {
    ...{ check: 'br-netfilter', of: 'an underlay on a bridge' },
    make: (host) => {
      host.files.set('/proc/sys/net/bridge/bridge-nf-call-iptables', '1\n');
      host.stats.set('/sys/class/net/eth0/bridge', { kind: 'directory', mode: 0o755, uid: 0 });
    },
    ...{
      result: 'warning',
      says: 'on bridge eth0',
      remedy: '"sysctl -w net.bridge.bridge-nf-call-iptables=0',
    },
  },
  {
    ...{ check: 'conntrack', of: 'a table that is nearly full' },
    make: (host) => {
      host.files.set('/proc/sys/net/netfilter/nf_conntrack_count', '65000\n');
      host.files.set('/proc/sys/net/netfilter/nf_conntrack_max', '65536\n');
    },
    ...{
      result: 'error',
      says: '65000 of 65536',
      remedy: '"sysctl -w net.netfilter.nf_conntrack_max=262144"',
    },
  },
  {
    ...{ check: 'conntrack', of: 'the same on another port' },
    make: (host) => {
      statusOf(host).underlay.port = 8472;
      host.files.set('/proc/sys/net/netfilter/nf_conntrack_count', '65000\n');
      host.files.set('/proc/sys/net/netfilter/nf_conntrack_max', '65536\n');
    },
    ...{ result: 'error', says: '65000 of 65536', remedy: '-p udp --dport 8472 -j NOTRACK"' },
  },
  {
    ...{ check: 'duplicate-address', of: 'another machine' },
    make: (host) => void host.native.duplicates.set('10.99.0.1', '02:aa:bb:cc:dd:ee'),
    ...{ result: 'error', says: 'with MAC 02:aa:bb:cc:dd:ee', remedy: '"arping -D -I eth0 10.99.0.1"' },
  },
  {
    ...{ check: 'duplicate-address', of: 'another machine, by IPv6' },
    make: (host) =>
      void host.files.set('/proc/net/if_inet6', 'fd990000000000000000000000000001 02 40 00 88     eth0\n'),
    ...{ result: 'error', says: 'IPv6 address fd99:', remedy: 'address del fd99:0:0:0:0:0:0:1/64 dev eth0"' },
  },
  {
    ...{ check: 'subnets', of: 'one that holds a peer' },
    make: (host) => {
      if (host.daemon !== null) host.daemon.networks = [{ ...blue, subnets: ['10.99.0.0/16'] }];
    },
    ...{ result: 'warning', says: 'holds 10.99.0.2, the address of peer 10.99.0.2', remedy: '"subnets:"' },
  },
  {
    ...{ check: 'links', of: 'one of a port that is no more', make: tagged('weft:h-0011:p-dead', false) },
    ...{ result: 'warning', says: 'weft0 is left of a port', remedy: '"ip link del weft0"' },
  },
  {
    ...{ check: 'links', of: 'the same in a namespace' },
    make: (host) => {
      const there = host.native.makeNamespace('/run/netns/c9');
      there.links.push({ ...host.native.makeLink('eth0'), alias: 'weft:h-0011:p-dead' });
      host.directories.set('/run/netns', ['c9', 'gone']);
    },
    ...{ result: 'warning', says: 'eth0 in namespace c9', remedy: '"ip -n c9 link del eth0"' },
  },
  {
    ...{ check: 'links', of: 'one whose name a container chose' },
    make: (host) => {
      const there = host.native.makeNamespace('/run/netns/c9');
      there.links.push({ ...host.native.makeLink("$(id)'x"), alias: 'weft:h-0011:p-dead' });
      host.directories.set('/run/netns', ['c9']);
    },
    ...{ result: 'warning', says: "$(id)'x in", remedy: `"ip -n c9 link del '$(id)'\\''x'"` },
  },
  {
    ...{ check: 'links', of: 'one of a lost state', make: tagged('weft:h-other:p-1', false) },
    ...{ result: 'warning', says: 'another host ID', remedy: '"ip link del weft0"' },
  },
  {
    ...{ check: 'docker', of: 'a file that points elsewhere' },
    make: (host) => void host.files.set('/etc/docker/plugins/weft.spec', 'tcp://192.0.2.1:80'),
    ...{
      result: 'warning',
      says: '/etc/docker/plugins/weft.spec',
      remedy: '"rm /etc/docker/plugins/weft.spec"',
    },
  },
  {
    ...{ check: 'docker', of: 'a socket that nobody listens on' },
    make: (host) => {
      dead(host);
      host.stats.set('/run/docker/plugins/weft.sock', { kind: 'socket', mode: 0o660, uid: 0 });
    },
    ...{
      result: 'error',
      says: 'nobody answers on /run/docker/plugins/weft.sock',
      remedy: '"rm /run/docker/plugins/weft.sock"',
    },
  },
];

describe('a host without a fault', () => {
  it('gets ok from every check', async () => {
    const host = new SickHost();
    const diagnoses = await examine(checklist(host.api), host.facts(), 60);
    expect(diagnoses.filter(({ result }) => result !== 'ok')).toEqual([]);
    expect(diagnoses.map(({ check }) => check)).toEqual(checklist(host.api).map(({ name }) => name));
    for (const { message, remedy } of diagnoses) {
      expect(message).toMatch(/^\S.*[^.\s]$/);
      expect(remedy).toBeNull();
    }
  });
});

describe('every check', () => {
  it('can fail', () => {
    const names = checklist(new SickHost().api).map(({ name }) => name);
    // What it has to say is that others are skipped.
    const able = [...new Set([...troubles.map(({ check }) => check), 'namespace'])];
    expect(able.sort()).toEqual([...names].sort());
  });

  it.each(troubles)('$check finds $of', async ({ check, make, result, says, remedy }) => {
    const host = new SickHost();
    make(host);
    const complaints = (await run(check, host)).filter(isComplaint);
    expect(complaints.map(({ message }) => message).join('\n')).toContain(says);
    const [found] = complaints.filter(({ message }) => message.includes(says));
    expect(found?.result).toBe(result);
    expect(found?.remedy).toContain(remedy);
    // Something to type, and no hole where a name should be.
    expect(found?.remedy).toMatch(/"[a-z]\S* ?[^"]*"/);
    expect(`${found?.message} ${found?.remedy}`).not.toMatch(/undefined|null|NaN/);
  });

  it('is skipped with a reason, and not an error, for a user who may not see', async () => {
    const host = new SickHost();
    host.uid = 1000;
    for (const path of ['/proc/99/status', '/proc/99/limits', '/dev/net/tun', '/proc/99/fd'])
      host.denied.set(path, 'EACCES');
    host.native.failures.set('findDuplicateAddress', errno('EPERM'));
    host.changes = { configProblem: { unreadable: true, message: 'cannot read it', details: [] } };
    const diagnoses = await examine(checklist(host.api), host.facts(), 60);
    expect(diagnoses.filter(isComplaint)).toEqual([]);
    const missed = diagnoses.filter(({ result }) => result === 'skipped');
    expect(missed.map(({ check }) => check)).toEqual([
      ...['configuration', 'tun', 'capabilities', 'offloads', 'limits', 'duplicate-address'],
    ]);
    for (const { remedy } of missed) expect(remedy).toContain('"sudo weft doctor"');
  });

  it('says nothing of a weftd that it may not ask', async () => {
    const host = new SickHost();
    host.uid = 1000;
    host.changes = { daemon: { state: 'denied', reason: 'permission denied on /run/weft/weft.sock' } };
    host.taken.add(4789);
    host.directories.delete('/proc/99/fd');
    host.daemon = null;
    answer(({ port }) => (port === null ? { error: 'EACCES' } : undefined))(host);
    const diagnoses = await examine(checklist(host.api), host.facts(), 60);
    expect(diagnoses.filter(isComplaint)).toEqual([]);
    expect(diagnoses[0]).toMatchObject({
      check: 'daemon',
      result: 'skipped',
      remedy: expect.stringContaining('usermod'),
    });
    for (const name of ['udp-port', 'path-mtu'])
      expect(diagnoses.find(({ check }) => check === name)).toMatchObject({ result: 'skipped' });
  });

  it('is skipped where weftd is in another network namespace, if it is about the network', async () => {
    const host = new SickHost();
    host.changes = { elsewhere: true };
    host.loopback = 'lost';
    host.native.duplicates.set('10.99.0.1', '02:aa:bb:cc:dd:ee');
    const diagnoses = await examine(checklist(host.api), host.facts(), 60);
    expect(diagnoses.filter(isComplaint)).toEqual([]);
    expect(diagnoses.find(({ check }) => check === 'namespace')?.remedy).toContain(
      '"nsenter --net=/proc/99/ns/net',
    );
    expect(diagnoses.find(({ check }) => check === 'firewall')?.result).toBe('skipped');
  });
});

describe('what is no fault', () => {
  it.each<[string, string, (host: SickHost) => void]>([
    [
      'udp-port',
      "a socket of weftd that is in systemd's fd store too",
      (host) => {
        host.directories.set('/proc/1/fd', ['9']);
        host.symlinks.set('/proc/1/fd/9', 'socket:[5001]');
        host.files.set('/proc/1/comm', 'systemd\n');
      },
    ],
    [
      'udp-port',
      "a socket in systemd's fd store while weftd is dead",
      (host) => {
        host.daemon = null;
        host.directories.set('/proc', ['1']);
        host.directories.set('/proc/1/fd', ['9']);
        host.symlinks.set('/proc/1/fd/9', 'socket:[5001]');
        host.files.set('/proc/1/comm', 'systemd\n');
      },
    ],
    ['links', 'a link of a port', tagged('weft:h-0011:p-7f3a9c21', false)],
    ['links', 'a link that another weftd of this machine holds', tagged('weft:h-other:p-1', true)],
    [
      'links',
      'links that wait for weftd',
      (host) => [dead, tagged('weft:h-0011:p-1', false)].forEach((make) => void make(host)),
    ],
    [
      'path-mtu',
      'a narrow path that says so',
      answer(({ bytes }) =>
        bytes > 1400 ? { error: 'EMSGSIZE', from: '192.0.2.254', mtu: 1400 } : undefined,
      ),
    ],
    ['path-mtu', 'a weft host that answers no pings', answer(() => ({ answered: false }))],
    [
      'firewall',
      'a closed policy with a peer that is heard',
      (host) => void host.programs.set('iptables-save', '*filter\n:INPUT DROP [0:0]\n'),
    ],
    ['clock', 'a clock that is slewed', (host) => (host.jump = 100)],
    ['counters', 'errors of before', (host) => (host.errors.checksum = 1000)],
    [
      'udp-port',
      'sockets of others on other ports',
      (host) => void host.files.set('/proc/net/udp', `header\n${udpLine(4789, 5001)}${udpLine(53, 0)}`),
    ],
    [
      'rp-filter',
      'a strict filter with one way',
      (host) => void host.files.set('/proc/sys/net/ipv4/conf/eth0/rp_filter', '1\n'),
    ],
    [
      'state',
      'no directory yet',
      (host) => [dead, () => void host.stats.delete('/var/lib/weft')].forEach((make) => void make(host)),
    ],
    [
      'docker',
      'a socket that systemd holds while weftd is dead',
      (host) => {
        dead(host);
        host.stats.set('/run/docker/plugins/weft.sock', { kind: 'socket', mode: 0o660, uid: 0 });
        host.programs.set('systemctl', 'ActiveState=active\nListen=/run/docker/plugins/weft.sock (Stream)\n');
      },
    ],
  ])('%s: %s', async (check, _, make) => {
    const host = new SickHost();
    make(host);
    expect(await run(check, host)).toMatchObject([{ result: 'ok' }]);
  });

  it('a probe that cannot be told from strangers is no verdict', async () => {
    const host = new SickHost();
    host.strangersPerWait = 50;
    host.loopback = 'lost';
    expect(await run('firewall', host)).toMatchObject([
      { result: 'skipped', message: expect.stringContaining('strangers') },
    ]);
  });

  it('a probe that is lost once is repeated', async () => {
    const host = new SickHost();
    host.hello = () => false;
    let sent = 0;
    host.native.pathAnswer = ({ port }) => (port === null && sent++ < 2 ? { answered: false } : undefined);
    expect(await run('path-mtu', host)).toMatchObject([{ result: 'ok' }]);
  });
});

describe('an examination', () => {
  it('shows the end of the log while weftd is dead', async () => {
    const host = new SickHost();
    dead(host);
    host.programs.set('journalctl', 'one\n\nweftd: UDP port 4789 is taken (WEFT_VTEP_PORT_TAKEN)\n');
    const [found] = await run('daemon', host);
    expect(found?.details).toEqual(['log: one', 'log: weftd: UDP port 4789 is taken (WEFT_VTEP_PORT_TAKEN)']);
  });

  it('goes on after a check that throws, and says what it threw', async () => {
    const host = new SickHost();
    host.native.failures.set('links', errno('ENOBUFS'));
    const diagnoses = await examine(checklist(host.api), host.facts(), 60);
    expect(diagnoses.find(({ check }) => check === 'links')).toMatchObject({
      result: 'skipped',
      message: 'it could not be done: ENOBUFS: refused',
    });
    expect(diagnoses.at(-1)?.check).toBe('clock');
  });

  it('ends with its time, and says which checks were not done', async () => {
    const host = new SickHost();
    const checks = checklist(host.api);
    const [first, second] = checks;
    if (first === undefined || second === undefined) throw new Error('no checks');
    const never = { ...first, name: 'never', examine: () => new Promise<never>(() => undefined) };
    const diagnoses = await examine([first, never, second], host.facts(), 0.2);
    expect(diagnoses.map(({ check, result }) => [check, result])).toEqual([
      [first.name, 'ok'],
      ['never', 'skipped'],
      [second.name, 'skipped'],
    ]);
    expect(diagnoses[1]?.remedy).toContain('--timeout');
  });

  it('finds what a path carries for each of hundreds of peers, with a probe that is lost', async () => {
    const host = new SickHost();
    if (host.daemon === null) throw new Error('no daemon');
    host.daemon.peers = Array.from({ length: 300 }, (_, index) => {
      const endpoint = `10.98.${index >> 8}.${index & 255}`;
      return { ...host2, address: endpoint, endpoint, state: 'active' as const, pathMtu: null };
    });
    let lost = 0;
    host.native.pathAnswer = ({ address, bytes }) =>
      bytes > 1400 || (address === '10.98.1.43' && bytes > 700 && bytes < 1400 && lost++ === 0)
        ? { answered: false }
        : undefined;
    const found = await run('path-mtu', host);
    expect(lost).toBeGreaterThan(1);
    for (const { message } of found) expect(message).toContain('packets of more than 1400 bytes vanish');
    expect(found.at(-1)?.message).toMatch(/^and 280 more/);
  });

  it('of a thousand peers prints some, and how many more', async () => {
    const host = new SickHost();
    if (host.daemon === null) throw new Error('no daemon');
    host.daemon.peers = Array.from({ length: 1000 }, (_, index) => {
      const endpoint = `10.98.${index >> 8}.${index & 255}`;
      return { ...host2, address: endpoint, endpoint, state: 'silent' as const, idle: null };
    });
    const native = new FakeNative();
    const calls: number[] = [];
    native.pathAnswer = () => ({ answered: false });
    const probePaths = native.probePaths.bind(native);
    native.probePaths = (probes) => {
      calls.push(probes.length);
      return probePaths(probes);
    };
    host.changes = { native };
    const found = await run('peers', host);
    expect(found).toHaveLength(21);
    expect(found.at(-1)?.message).toMatch(/^and 980 more, such as: /);
    expect(Math.max(...calls)).toBeLessThanOrEqual(256);
  });
});

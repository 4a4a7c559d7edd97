import { mkdirSync } from 'node:fs';
import { run } from '../../lab/command.js';
import type { Lab } from '../../lab/lab.js';
import { bridgedBed, type Pair, twoHosts } from './beds.js';
import type { Daemon, DaemonHost } from './daemon-host.js';
import { packageVersion } from './packages.js';
import type { Bed, System } from './system.js';

const TAP = 'tap0';
/** What the hosts are called among each other. */
const nodes = ['client', 'server'] as const;

const common = { layer: 2, packages: ['tinc', 'openssl'], version: () => packageVersion('tinc') } as const;

/**
 * tinc as a switch, each host with the other's address, everything else at its defaults. The TAP is on a bridge with the guest's veth. Its
 * MTU is 1500; tinc finds out what fits into a datagram, lowers the MSS of TCP to it and tells senders of larger packets.
 */
export const tinc: System = {
  ...common,
  key: 'tinc',
  title: 'tinc',
  open: (lab) => open(lab, 'tinc', ''),
};

/** The same without encryption and without authentication of packets. */
export const tincPlain: System = {
  ...common,
  key: 'tinc-plain',
  title: 'tinc, no cipher',
  open: (lab) => open(lab, 'tincp', 'Cipher = none\nDigest = none\n'),
};

async function open(lab: Lab, name: string, settings: string): Promise<Bed> {
  const hosts = await twoHosts(lab, name);
  const keys: Pair<string> = [await makeKey(hosts[0]), await makeKey(hosts[1])];
  for (const host of hosts) {
    hosts.forEach((one, index) => {
      host.write(`hosts/${nodes[index]}`, `Address = ${one.ipv4}\n${settings}${keys[index]}`);
    });
  }
  const daemons: Pair<Daemon> = [start(hosts[0], nodes[0], nodes[1]), start(hosts[1], nodes[1], nodes[0])];
  await hosts[0].device(daemons[0], TAP);
  await hosts[1].device(daemons[1], TAP);
  const bed = await bridgedBed(lab, name, hosts, TAP);
  for (const daemon of daemons) await daemon.ready('has probed the path', () => hasProbed(daemon));
  return bed;
}

/** Makes a pair of keys like those of `tincd --generate-keys`, and gives the public one. */
async function makeKey(host: DaemonHost): Promise<string> {
  mkdirSync(host.path('hosts'));
  const key = host.path('rsa_key.priv');
  await run(['openssl', 'genrsa', '-traditional', '-out', key, '2048']);
  return run(['openssl', 'rsa', '-in', key, '-RSAPublicKey_out']);
}

function start(host: DaemonHost, node: string, other: string): Daemon {
  host.write('tinc.conf', `Name = ${node}\nMode = switch\nInterface = ${TAP}\nConnectTo = ${other}\n`);
  const pidFile = `--pidfile=${host.path('pid')}`;
  return host.start('tincd', ['tincd', '--no-detach', `--config=${host.dir}`, pidFile]);
}

/** Until it has found what fits into a datagram, tinc sends packets by TCP. It says what it knows when it gets this signal. */
function hasProbed({ pid, log }: Daemon): boolean {
  process.kill(pid, 'SIGUSR2');
  return /pmtu (\d+) \(min \1 max \1\)/.test(log());
}

import { run } from '../../lab/command.js';
import type { Lab } from '../../lab/lab.js';
import { bridgedBed, type Pair, twoHosts } from './beds.js';
import type { Daemon, DaemonHost } from './daemon-host.js';
import { packageVersion } from './packages.js';
import type { Bed, System } from './system.js';

const TAP = 'tap0';

const common = {
  layer: 2,
  packages: ['openvpn', 'openssl'],
  version: () => packageVersion('openvpn'),
} as const;

/**
 * OpenVPN over UDP between two TAPs, with TLS and the certificate of the other host, everything else at its defaults: AES-256-GCM, an MTU of
 * 1500 with the MSS of TCP lowered to what fits into a datagram. There is no kernel offload (DCO) for TAPs. The TAP is on a bridge with the
 * guest's veth.
 */
export const openvpn: System = {
  ...common,
  key: 'openvpn',
  title: 'OpenVPN (TAP)',
  open: (lab) => open(lab, 'ovpn', ''),
};

/** The same without encryption and without authentication of packets. */
export const openvpnPlain: System = {
  ...common,
  key: 'openvpn-plain',
  title: 'OpenVPN (TAP), no cipher',
  open: (lab) => open(lab, 'ovpnp', 'data-ciphers none\ndata-ciphers-fallback none\nauth none\n'),
};

async function open(lab: Lab, name: string, settings: string): Promise<Bed> {
  const hosts = await twoHosts(lab, name);
  const prints: Pair<string> = [await makeCertificate(hosts[0]), await makeCertificate(hosts[1])];
  const daemons = [
    start(hosts[0], hosts[1], prints[1], `tls-client\n${settings}`),
    start(hosts[1], hosts[0], prints[0], `tls-server\ndh none\n${settings}`),
  ];
  for (const daemon of daemons) {
    await daemon.ready('connects', () => daemon.log().includes('Initialization Sequence Completed'));
  }
  return bridgedBed(lab, name, hosts, TAP);
}

/** Gives its fingerprint. */
async function makeCertificate(host: DaemonHost): Promise<string> {
  const [key, certificate] = [host.path('key.pem'), host.path('certificate.pem')];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const names = ['-subj', '/CN=bench', '-days', '2', '-keyout', key, '-out', certificate];
  await run(['openssl', 'req', '-x509', '-sha256', ...curve, ...names]);
  const print = await run(['openssl', 'x509', '-in', certificate, '-noout', '-sha256', '-fingerprint']);
  return print.trim().split('=')[1] ?? '';
}

function start(host: DaemonHost, peer: DaemonHost, print: string, settings: string): Daemon {
  const config = `dev ${TAP}
dev-type tap
proto udp
local ${host.ipv4}
remote ${peer.ipv4}
key ${host.path('key.pem')}
cert ${host.path('certificate.pem')}
peer-fingerprint ${print}
${settings}`;
  return host.start('openvpn', ['openvpn', '--config', host.write('openvpn.conf', config)]);
}

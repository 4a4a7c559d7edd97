import { run } from '../../lab/command.js';
import { Guest } from '../../lab/guest.js';
import type { Lab } from '../../lab/lab.js';
import { type GuestPlace, plan } from './addresses.js';
import { reached, segment, twoHosts } from './beds.js';
import type { DaemonHost } from './daemon-host.js';
import { packageVersion } from './packages.js';
import type { Bed, System } from './system.js';

const TUN = 'nebula1';
const PORT = 4242;

/**
 * nebula with the settings of its example: AES-GCM and an MTU of 1300. It carries IPv4 only and ends in the hosts, which are the guests here;
 * containers behind one would be routed. The server's host is the lighthouse, too.
 */
export const nebula: System = {
  key: 'nebula',
  title: 'nebula',
  layer: 3,
  packages: ['nebula'],
  version: () => packageVersion('nebula'),
  open,
};

async function open(lab: Lab): Promise<Bed> {
  const [client, server] = await twoHosts(lab, 'nebula');
  const authority = { key: client.path('ca.key'), certificate: client.path('ca.crt') };
  const out = ['-out-crt', authority.certificate, '-out-key', authority.key];
  await run(['nebula-cert', 'ca', '-name', 'bench', ...out]);
  await start(server, plan.server, authority, 'lighthouse:\n  am_lighthouse: true\n');
  const known = `static_host_map:\n  "${plan.server.ipv4}": ["${server.ipv4}:${PORT}"]\n`;
  const lighthouse = `lighthouse:\n  hosts: ["${plan.server.ipv4}"]\n`;
  await start(client, plan.client, authority, known + lighthouse);
  const guests = [new Guest(client.namespace), new Guest(server.namespace)] as const;
  return reached(segment(...guests, TUN, [client, server]));
}

async function start(
  host: DaemonHost,
  { ipv4 }: GuestPlace,
  authority: { key: string; certificate: string },
  settings: string,
): Promise<void> {
  const [key, certificate] = [host.path('host.key'), host.path('host.crt')];
  const signer = ['-ca-crt', authority.certificate, '-ca-key', authority.key];
  const out = ['-out-crt', certificate, '-out-key', key];
  await run(['nebula-cert', 'sign', ...signer, '-name', host.ipv4, '-ip', `${ipv4}/24`, ...out]);
  const config = `pki: { ca: ${authority.certificate}, cert: ${certificate}, key: ${key} }
${settings}listen: { host: ${host.ipv4}, port: ${PORT} }
tun: { dev: ${TUN} }
firewall:
  inbound: [{ port: any, proto: any, host: any }]
  outbound: [{ port: any, proto: any, host: any }]
`;
  const daemon = host.start('nebula', ['nebula', '-config', host.write('nebula.yml', config)]);
  await host.device(daemon, TUN);
}

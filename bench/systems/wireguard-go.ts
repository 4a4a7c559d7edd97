import { readFileSync } from 'node:fs';
import { run } from '../../lab/command.js';
import { Guest } from '../../lab/guest.js';
import type { Lab } from '../../lab/lab.js';
import { type GuestPlace, plan } from './addresses.js';
import { reached, segment, twoHosts } from './beds.js';
import type { DaemonHost } from './daemon-host.js';
import { packageVersion } from './packages.js';
import type { Bed, System } from './system.js';

const TUN = 'wg0';
const PORT = 51820;

/**
 * WireGuard in user space with its defaults, among them an MTU of 1420. It ends in the hosts, which are the guests here. Releases are named,
 * because later ones than Debian 12's use UDP_SEGMENT and super-frames.
 */
export const wireguardGo: System = {
  key: 'wireguard-go',
  title: 'wireguard-go',
  layer: 3,
  packages: ['wireguard-go', 'wireguard-tools'],
  version: async () => `${await packageVersion('wireguard-go')}, as in ${distribution()}`,
  open,
};

async function open(lab: Lab): Promise<Bed> {
  const hosts = await twoHosts(lab, 'wg');
  const [client, server] = hosts;
  const keys = [await makeKeys(), await makeKeys()] as const;
  await start(client, plan.client, keys[0], server, plan.server, keys[1]);
  await start(server, plan.server, keys[1], client, plan.client, keys[0]);
  const bed = segment(new Guest(client.namespace), new Guest(server.namespace), TUN, hosts);
  return reached({ ...bed, serverAddress6: plan.server.ipv6 });
}

interface Keys {
  private: string;
  public: string;
}

async function makeKeys(): Promise<Keys> {
  const secret = await run(['wg', 'genkey']);
  return { private: secret.trim(), public: (await run(['wg', 'pubkey'], { input: secret })).trim() };
}

async function start(
  host: DaemonHost,
  place: GuestPlace,
  own: Keys,
  peer: DaemonHost,
  peerPlace: GuestPlace,
  peerKeys: Keys,
): Promise<void> {
  const daemon = host.start('wireguard-go', ['wireguard-go', '--foreground', TUN]);
  await host.device(daemon, TUN);
  const config = `[Interface]
PrivateKey = ${own.private}
ListenPort = ${PORT}
[Peer]
PublicKey = ${peerKeys.public}
Endpoint = ${peer.ipv4}:${PORT}
AllowedIPs = ${peerPlace.ipv4}/32, ${peerPlace.ipv6}/128
`;
  const file = host.write('wg.conf', config);
  // The daemon's socket is in its own /run.
  const wg = ['nsenter', `--mount=/proc/${daemon.pid}/ns/mnt`, 'wg', 'setconf', TUN, file];
  await daemon.ready('takes its settings', async () => (await host.namespace.attempt(wg)).status === 0);
  for (const prefix of place.prefixes) await host.namespace.ip('address', 'add', prefix, 'dev', TUN);
  await host.namespace.ip('link', 'set', TUN, 'up');
}

/** Such as `Debian GNU/Linux 12 (bookworm)`. */
function distribution(): string {
  return (
    /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'this distribution'
  );
}

import { run } from '../../lab/command.js';
import type { Lab } from '../../lab/lab.js';
import { underlayMtu } from './addresses.js';
import { bridgedBed, type Pair, twoHosts } from './beds.js';
import type { DaemonHost } from './daemon-host.js';
import { packageVersion } from './packages.js';
import type { Bed, System } from './system.js';

const TAP = 'tap0';
const PORT = 10000;

const common = { layer: 2, packages: ['fastd'], version: () => packageVersion('fastd') } as const;

/** Of a frame on the underlay, after fastd's manual ("MTU configuration"): IPv4 and UDP, Ethernet, and what the method adds. */
const overhead = (method: string) => 28 + 14 + (method === 'null' ? 1 : 24);

/**
 * fastd in TAP mode, each host the other's peer. The MTU is what the manual recommends, for with the default of 1500 every full frame is two
 * packets on the underlay; everything else is at its defaults. The TAP is on a bridge with the guest's veth.
 */
export const fastd: System = {
  ...common,
  key: 'fastd',
  title: 'fastd, no cipher',
  open: (lab) => open(lab, 'fastd', 'null'),
};

/**
 * The same with the fastest method that encrypts and authenticates, of those in Debian's build: measured on a processor with AES
 * instructions, its own work for a gigabyte was 2.8 s of CPU; salsa2012+umac took 3.3, and the others more.
 */
export const fastdCipher: System = {
  ...common,
  key: 'fastd-cipher',
  title: 'fastd, aes128-ctr+umac',
  open: (lab) => open(lab, 'fastdc', 'aes128-ctr+umac'),
};

async function open(lab: Lab, name: string, method: string): Promise<Bed> {
  const hosts = await twoHosts(lab, name);
  const keys: Pair<Keys> = [await makeKeys(), await makeKeys()];
  await start(hosts[0], method, keys[0], hosts[1], keys[1]);
  await start(hosts[1], method, keys[1], hosts[0], keys[0]);
  return bridgedBed(lab, name, hosts, TAP);
}

interface Keys {
  secret: string;
  public: string;
}

async function makeKeys(): Promise<Keys> {
  const text = await run(['fastd', '--generate-key']);
  const key = (which: string) => new RegExp(`^${which}: ([0-9a-f]{64})$`, 'm').exec(text)?.[1] ?? '';
  return { secret: key('Secret'), public: key('Public') };
}

async function start(
  host: DaemonHost,
  method: string,
  own: Keys,
  peer: DaemonHost,
  peerKeys: Keys,
): Promise<void> {
  const config = `mode tap;
interface "${TAP}";
method "${method}";
mtu ${underlayMtu - overhead(method)};
bind ${host.ipv4}:${PORT};
secret "${own.secret}";
peer "other" {
  key "${peerKeys.public}";
  remote ${peer.ipv4}:${PORT};
}
`;
  const daemon = host.start('fastd', ['fastd', '--config', host.write('fastd.conf', config)]);
  await host.device(daemon, TAP);
}

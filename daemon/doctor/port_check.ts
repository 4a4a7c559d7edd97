/** Who has the UDP ports of weft. */
import { asRoot, type Check, complaintsOr, error, ok, skipped, type Verdict } from './check.js';
import type { Daemon, Facts } from './facts.js';
import type { Machine } from './machine.js';
import { parseUdpSockets, type UdpSocket } from './proc_net.js';

export const udpPort: Check = {
  name: 'udp-port',
  looksAt:
    'Nobody but weftd has the UDP ports for VXLAN: no other program, and no vxlan device of the kernel.',
  ofNetwork: true,
  async examine(facts) {
    const { daemon, machine } = facts;
    const ports = portsOf(facts);
    const sockets = [...udpSockets(machine, 'udp'), ...udpSockets(machine, 'udp6')].filter(({ port }) =>
      ports.includes(port),
    );
    const holders = ownersOf(machine, sockets);
    const pid = daemon.state === 'answers' ? daemon.status.pid : null;
    const seesAll =
      machine.uid === 0 && (pid === null || [...holders.values()].flat().some((owner) => owner.pid === pid));
    const complaints: Verdict[] = [];
    for (const port of ports) {
      const here = sockets.filter((socket) => socket.port === port);
      const owners = here.map(({ inode }) => holders.get(inode) ?? []);
      const runs = owners.some((all) => all.some((owner) => owner.pid === pid));
      const stranger = owners.find((all) => isStranger(all, daemon, pid, seesAll));
      if (stranger === undefined) continue;
      const device = stranger.length === 0 && seesAll ? await vxlanDevice(machine, port) : null;
      complaints.push(
        complaint(port, stranger.find((owner) => owner.pid !== 1) ?? null, device, seesAll, runs),
      );
    }
    if (pid !== null && complaints.length === 0) {
      const [own = 0] = ports;
      if (!sockets.some(({ port }) => port === own) && machine.uid === 0)
        return [
          error(
            `weftd has not opened UDP port ${own}`,
            '"weft status" says why; weftd tries again every 2 s.',
          ),
        ];
    }
    if (daemon.state === 'denied' && complaints.length === 0)
      return [skipped(`whose UDP port ${ports.join(', ')} is cannot be seen by this user`, asRoot)];
    if (pid === null && complaints.length === 0) {
      if (sockets.some(({ port }) => port === ports[0]))
        return [ok(`systemd keeps UDP port ${ports[0]} for weftd`)];
      return await tryToBind(machine, ports[0] ?? 0);
    }
    return complaintsOr(complaints, `only weftd has UDP port ${ports.join(', ')}`);
  },
};

/** The own one first. */
function portsOf({ config, daemon, targets }: Facts): number[] {
  const own = daemon.state === 'answers' ? daemon.status.underlay.port : config.underlay.port;
  return [...new Set([own, ...targets.map(({ port }) => port)])];
}

function udpSockets(machine: Machine, table: 'udp' | 'udp6'): UdpSocket[] {
  try {
    return parseUdpSockets(machine.read(`/proc/net/${table}`));
  } catch {
    // A kernel without IPv6.
    return [];
  }
}

interface Owner {
  pid: number;
  command: string;
}

/** Inode -> all who have it open. Only root sees the files of others. */
function ownersOf(machine: Machine, sockets: readonly UdpSocket[]): Map<number, Owner[]> {
  const wanted = new Map(
    sockets.flatMap(({ inode }): [string, number][] => (inode === 0 ? [] : [[`socket:[${inode}]`, inode]])),
  );
  const owners = new Map<number, Owner[]>();
  if (wanted.size === 0) return owners;
  for (const name of machine.list('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      for (const fd of machine.list(`/proc/${name}/fd`)) {
        const inode = wanted.get(linkOrNone(machine, `/proc/${name}/fd/${fd}`));
        if (inode === undefined) continue;
        const owner = { pid: Number(name), command: machine.read(`/proc/${name}/comm`).trim() };
        owners.set(inode, [...(owners.get(inode) ?? []), owner]);
      }
    } catch {
      // It ended meanwhile, or is another user's.
    }
  }
  return owners;
}

function linkOrNone(machine: Machine, path: string): string {
  try {
    return machine.readLink(path);
  } catch {
    return '';
  }
}

/**
 * A socket without an owner is one of the kernel, for those who see all processes; for others it is taken to be that of the weftd that
 * answers, or may not be asked. One that systemd alone has is in its fd store, for the weftd that it starts next.
 */
function isStranger(
  owners: readonly Owner[],
  { state }: Daemon,
  pid: number | null,
  seesAll: boolean,
): boolean {
  if (owners.length === 0) return seesAll || state === 'silent';
  return owners.every((owner) => owner.pid !== pid) && owners.some((owner) => owner.pid !== 1);
}

function complaint(
  port: number,
  owner: Owner | null,
  device: string | null,
  seesAll: boolean,
  runs: boolean,
): Verdict {
  const [holder, advice] =
    owner !== null
      ? [`${owner.command} (PID ${owner.pid})`, 'Stop it']
      : device !== null
        ? [`vxlan device ${device} of the kernel`, `Remove it ("ip link del ${device}")`]
        : seesAll
          ? ['the kernel, or a program in another PID namespace', 'Find it ("ip -d link show", "ss -ulnp")']
          : ['a program of another user', 'Find it ("sudo ss -ulnp") and stop it'];
  const remedy = `${advice}, or give weft another port on every host: "underlay.port" in the configuration.`;
  return error(
    runs
      ? `UDP port ${port} belongs to ${holder} too, which gets a part of the datagrams`
      : `UDP port ${port} is taken by ${holder}`,
    remedy,
  );
}

/** The vxlan device that listens on a port; null where there is none, or no "ip" to ask. */
async function vxlanDevice(machine: Machine, port: number): Promise<string | null> {
  const shown = await machine.run(['ip', '-d', '-o', 'link', 'show', 'type', 'vxlan'], 5);
  const line = (shown?.stdout ?? '').split('\n').find((one) => one.includes(` dstport ${port} `));
  return /^\d+: ([^:@\s]+)/.exec(line ?? '')?.[1] ?? null;
}

/** What no table shows would show here: weftd would be refused too. */
async function tryToBind(machine: Machine, port: number): Promise<Verdict[]> {
  try {
    (await machine.receive('0.0.0.0', port)).close();
    return [ok(`UDP port ${port} is free`)];
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === 'EACCES') return [skipped(`UDP port ${port} may not be tried by this user`)];
    const remedy = `"ss -ulnp" shows who has it. Stop that, or give weft another port on every host: "underlay.port" in the configuration.`;
    return [error(`UDP port ${port} cannot be opened (${code})`, remedy)];
  }
}

import type { Guest } from '../../lab/guest.js';
import type { Host } from '../../lab/host.js';
import type { KernelHost, KernelSegment } from '../../lab/kernel-host.js';

/** Requests that are under way at once: the daemon then makes several ports in one round, as after a restart of many containers. */
const AT_ONCE = 25;

/** Frames that a guest has received on each of its interfaces, by their names. */
export async function framesOfCrowd(guest: Guest): Promise<Map<string, number>> {
  return parseReceivedFrames(await guest.namespace.run(['cat', '/proc/net/dev']));
}

/** Received packets by interface, of /proc/net/dev (proc_pid_net(5)): two lines of heading, then `NAME: BYTES PACKETS …`. */
export function parseReceivedFrames(text: string): Map<string, number> {
  const lines = text.matchAll(/^ *([^ :]+): *\d+ +(\d+)/gm);
  return new Map([...lines].map(([, name = '', packets]) => [name, Number(packets)]));
}

/** What ports `p0` and up of a crowd got between two counts: all of them together, and the one that got fewest. */
export function gotByCrowd(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
  count: number,
): { copies: number; fewest: number } {
  const each = Array.from({ length: count }, (_, i) => {
    const [from, to] = [before.get(`p${i}`), after.get(`p${i}`)];
    if (from === undefined || to === undefined) throw new Error(`port p${i} is not there`);
    return to - from;
  });
  return { copies: each.reduce((sum, frames) => sum + frames, 0), fewest: Math.min(...each) };
}

/** Gives a guest so many ports on a network of a weftd, `p0` and up. */
export async function crowdOfPorts(host: Host, guest: Guest, network: string, count: number): Promise<void> {
  for (let first = 0; first < count; first += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, count - first) }, (_, i) => `p${first + i}`);
    await Promise.all(
      some.map((ifname) => host.api.post('/v1/ports', { network, netns: guest.name, ifname })),
    );
  }
}

/** The same by veths on a kernel's bridge. */
export async function crowdOfVeths(
  host: KernelHost,
  guest: Guest,
  { vni, mtu }: KernelSegment,
  count: number,
): Promise<void> {
  const here: string[] = [];
  const there: string[] = [];
  for (let i = 0; i < count; i += 1) {
    here.push(`link add v${i} mtu ${mtu} type veth peer name p${i} mtu ${mtu} netns ${guest.name}`);
    here.push(`link set v${i} master br${vni} up`);
    there.push(`link set p${i} up`);
  }
  await host.namespace.run(['ip', '-batch', '-'], { input: here.join('\n'), timeout: 300 });
  await guest.namespace.run(['ip', '-batch', '-'], { input: there.join('\n'), timeout: 300 });
}

/** What the beds of several systems are put together of. */
import type { Guest } from '../../lab/guest.js';
import type { Lab } from '../../lab/lab.js';
import { plan } from './addresses.js';
import { DaemonHost } from './daemon-host.js';
import type { Bed } from './system.js';

/** Some systems learn from what guests send where a packet belongs, or probe the path first. */
const REACH_SECONDS = 30;

export type Pair<T> = readonly [T, T];

/** Two hosts for daemons: `name`1 for the client, `name`2 for the server. */
export async function twoHosts(lab: Lab, name: string): Promise<Pair<DaemonHost>> {
  return [await DaemonHost.open(lab, `${name}1`), await DaemonHost.open(lab, `${name}2`)];
}

/**
 * For systems whose daemon ends in a TAP of the host: makes a guest behind each, by a bridge, and waits until they reach each other. The
 * bridges are the kernel's and not the system's, so what is local to one host is not measured.
 */
export async function bridgedBed(lab: Lab, name: string, hosts: Pair<DaemonHost>, tap: string): Promise<Bed> {
  const client = await lab.guest(`${name}-client`);
  const server = await lab.guest(`${name}-server`);
  await hosts[0].bridge(tap, client, plan.client.prefixes);
  await hosts[1].bridge(tap, server, plan.server.prefixes);
  return reached({ ...segment(client, server, 'eth0', hosts), serverAddress6: plan.server.ipv6 });
}

/** A bed of the plan's IPv4 addresses. */
export function segment(
  client: Guest,
  server: Guest,
  ifname: string,
  hosts: readonly { readonly pids: readonly number[] }[],
): Bed {
  return {
    client,
    server,
    serverAddress: plan.server.ipv4,
    serverAddress6: null,
    clientAddress: plan.client.ipv4,
    interface: ifname,
    daemons: () => hosts.flatMap(({ pids }) => pids),
  };
}

/** Waits until the guests of a bed reach each other by every protocol that it carries. */
export async function reached(bed: Bed): Promise<Bed> {
  await bed.client.reach(bed.serverAddress, REACH_SECONDS);
  await bed.server.reach(bed.clientAddress, REACH_SECONDS);
  if (bed.serverAddress6 !== null) await bed.client.reach(bed.serverAddress6, REACH_SECONDS);
  return bed;
}

/** Says where datagrams were lost, from what weft and the kernel counted meanwhile. */
import type { Drop } from '../daemon/api/schema.js';
import type { Guest } from './guest.js';
import type { Host } from './host.js';

export interface Losses {
  /** Frames by reason, as weft counts them. */
  drops: ReadonlyMap<string, number>;
  /** Datagrams that found the buffer of a UDP socket full, in the container and on the hosts. */
  containerSocket: number;
  hostSockets: number;
}

export async function losses(receiver: Guest, hosts: readonly Host[]): Promise<Losses> {
  const drops = new Map<string, number>();
  let hostSockets = 0;
  for (const host of hosts) {
    for (const { reason, count } of await host.weftJson<Drop[]>('drops'))
      drops.set(reason, (drops.get(reason) ?? 0) + count);
    hostSockets += bufferErrors(await host.namespace.run(['cat', '/proc/net/snmp']));
  }
  const containerSocket = bufferErrors(await receiver.namespace.run(['cat', '/proc/net/snmp']));
  return { drops, containerSocket, hostSockets };
}

/** UdpRcvbufErrors of /proc/net/snmp. */
export function bufferErrors(snmp: string): number {
  const [names, values] = snmp.split('\n').filter((line) => line.startsWith('Udp:'));
  const column = names?.split(' ').indexOf('RcvbufErrors') ?? -1;
  return Number(values?.split(' ')[column] ?? 0);
}

/** What weft dropped; only where it dropped nothing, the sockets that a busy machine did not empty in time. */
export function explainLoss(before: Losses, after: Losses): string {
  const dropped = [...after.drops]
    .map(([reason, count]) => ({ reason, count: count - (before.drops.get(reason) ?? 0) }))
    .filter(({ count }) => count > 0);
  if (dropped.length > 0)
    return `(weft dropped ${dropped.map(({ reason, count }) => `${count} ${reason}`).join(', ')})`;
  const sockets = [
    ...(after.containerSocket > before.containerSocket ? ['the receiving socket'] : []),
    ...(after.hostSockets > before.hostSockets ? ["weftd's socket"] : []),
  ];
  return sockets.length > 0
    ? `(lost in ${sockets.join(' and ')}: this machine is busy)`
    : '(neither weft nor a socket counted a drop)';
}

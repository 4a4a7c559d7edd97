import { z } from 'zod';
import { benchTool } from '../../lab/checkout.js';
import type { Guest } from '../../lab/guest.js';

const Sent = z.object({ sent: z.number(), seconds: z.number(), framesPerSecond: z.number() });

export interface Blast {
  /** MAC+N: so many addresses, counting up from MAC. */
  from: string;
  to: string;
  /** In a random order instead of one after the other. */
  random?: boolean;
  count?: number;
  seconds?: number;
  /** Frames a second; as fast as it goes where it is absent. */
  rate?: number;
}

/** Sends minimal frames from and to many MACs; see bench/native/mac_blast.cc. */
export async function macBlast(guest: Guest, blast: Blast, ifname = 'eth0'): Promise<z.infer<typeof Sent>> {
  const { from, to, random = false, count, seconds, rate } = blast;
  const argv = [benchTool('mac_blast'), '--interface', ifname, '--from', from, '--to', to];
  if (random) argv.push('--random', '1');
  if (count !== undefined) argv.push('--count', String(count));
  if (seconds !== undefined) argv.push('--seconds', String(seconds));
  if (rate !== undefined) argv.push('--rate', String(rate));
  return Sent.parse(JSON.parse(await guest.namespace.run(argv, { timeout: 300 })));
}

/** Frames that an interface of a guest has received. */
export async function framesAt(guest: Guest, ifname = 'eth0'): Promise<number> {
  return Number(await guest.sys('statistics/rx_packets', ifname));
}

/** What most lab tests begin with: two hosts that are peers, networks blue and red, a guest of blue on each. */
import type { Guest } from '../../lab/guest.js';
import type { Host } from '../../lab/host.js';
import { Lab } from '../../lab/lab.js';

export type Family = 'ipv4' | 'ipv6';

export const networks = {
  blue: { vni: 42, subnets: ['10.42.0.0/24', 'fd42::/64'] },
  red: { vni: 43 },
};

export interface Pair {
  lab: Lab;
  h1: Host;
  h2: Host;
  /** On h1: 10.42.0.1, fd42::1. */
  a: Guest;
  /** On h2: 10.42.0.2, fd42::2. */
  b: Guest;
}

export interface PairOptions {
  /** Over which of their addresses the hosts are peers. */
  underlay?: Family;
  /** Added to the configuration of both. */
  config?: Record<string, unknown>;
}

/** Resolves when a and b have reached each other. */
export async function openPair({ underlay = 'ipv4', config = {} }: PairOptions = {}): Promise<Pair> {
  const lab = await Lab.open();
  try {
    const h1 = await lab.host('h1');
    const h2 = await lab.host('h2');
    const a = await lab.guest('a');
    const b = await lab.guest('b');
    await h1.start({ peers: [h2[underlay]], networks, ...config });
    await h2.start({ peers: [h1[underlay]], networks, ...config });
    await h1.attach(a, 'blue', { name: 'a', addresses: ['10.42.0.1/24', 'fd42::1/64'] });
    await h2.attach(b, 'blue', { name: 'b', addresses: ['10.42.0.2/24', 'fd42::2/64'] });
    await a.reach('10.42.0.2');
    await a.reach('fd42::2');
    return { lab, h1, h2, a, b };
  } catch (error) {
    await lab.close();
    throw error;
  }
}

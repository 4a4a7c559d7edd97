/** What most systemd tests begin with: h1, whose weftd is a service of systemd, a peer h2 of the plain kind, and a guest of blue on each. */
import type { Guest } from '../../lab/guest.js';
import type { Host } from '../../lab/host.js';
import { Lab } from '../../lab/lab.js';
import type { SystemdHost } from '../../lab/systemd-host.js';

export interface ServicePair {
  lab: Lab;
  h1: SystemdHost;
  h2: Host;
  /** On h1: 10.42.0.1. */
  a: Guest;
  /** On h2: 10.42.0.2. */
  b: Guest;
}

const networks = { blue: { vni: 42, subnets: ['10.42.0.0/24'] } };

/** Resolves when a and b have reached each other. `config` is added to that of h1. */
export async function openServicePair(config: Record<string, unknown> = {}): Promise<ServicePair> {
  const lab = await Lab.open();
  try {
    const h1 = await lab.systemdHost('h1');
    const h2 = await lab.host('h2');
    const b = await lab.guest('b');
    await h1.useCheckout();
    await h1.configure({ peers: [h2.ipv4], networks, ...config });
    await h2.start({ peers: [h1.ipv4], networks });
    await h2.attach(b, 'blue', { name: 'b', addresses: ['10.42.0.2/24'] });
    await h1.systemctl('enable', '--now', 'weftd.service');
    const a = await h1.guest('a');
    await h1.attach('a', 'blue', { name: 'a', addresses: ['10.42.0.1/24'] });
    await a.reach('10.42.0.2');
    return { lab, h1, h2, a, b };
  } catch (error) {
    await lab.close();
    throw error;
  }
}

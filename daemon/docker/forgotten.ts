/**
 * Removes networks that Docker has removed while weftd was away: Docker says so once, and never again. A network is given up only when the
 * very engine that had it lists its networks without it for a while; another engine of this host may use the plugin as well. Docker removes no network
 * that has endpoints: while one is left, the list is not of our networks (the plugin was given another name, or Docker another directory).
 */
import type { Logger } from 'pino';
import type { EngineNetworkIntent } from '../intent/engine_networks.js';
import type { EngineNetworkRecord } from '../model/objects.js';
import type { Names } from './names.js';

export interface ForgottenParts {
  networks: Pick<EngineNetworkIntent, 'remove' | 'list' | 'markSeen' | 'hasEndpoints'>;
  names: Pick<Names, 'inventory'>;
  log: Logger;
  /** Milliseconds since the epoch. */
  now: () => number;
}

const patience = 60_000;

export class ForgottenNetworks {
  /** Since when the engine lists its networks without it. */
  private readonly missing = new Map<string, number>();

  constructor(private readonly parts: ForgottenParts) {}

  /** Called every few seconds. */
  async check(): Promise<void> {
    const { names, networks, log, now } = this.parts;
    const inventory = names.inventory();
    const known = networks.list();
    const absent = known.filter(
      ({ id, seenBy }) =>
        inventory !== null &&
        seenBy === inventory.engine &&
        !inventory.networks.has(id) &&
        !networks.hasEndpoints(id),
    );
    for (const id of this.missing.keys())
      if (!absent.some((network) => network.id === id)) this.missing.delete(id);
    if (inventory === null) return;
    for (const { id, seenBy } of known)
      if (seenBy !== inventory.engine && inventory.networks.has(id))
        await networks.markSeen(id, inventory.engine);
    for (const network of absent) {
      const since = this.missing.get(network.id) ?? now();
      this.missing.set(network.id, since);
      if (now() - since < patience) continue;
      log.warn(described(network), 'Docker has removed a network while weftd was away; so does weft');
      await networks.remove(network.id);
    }
  }
}

function described({ id, network }: EngineNetworkRecord): { engineNetwork: string; network: string } {
  return { engineNetwork: id.slice(0, 12), network };
}

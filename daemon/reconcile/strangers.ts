/** Tells of each stranger once, and then at most every ten minutes: one that goes on sending must not flood those who follow. */
import { steadyNow } from '../steady_time.js';

/** Addresses that are remembered; the one that was told of longest ago is forgotten first. */
const mostAddresses = 256;
const period = 10 * 60_000;

export class Strangers {
  private readonly told = new Map<string, { at: number; since: number }>();

  /** How often the address was seen since it was told of last, this time included; null while it is not to be told of. */
  count(address: string): number | null {
    const now = steadyNow();
    const known = this.told.get(address);
    if (known !== undefined && now - known.at < period) {
      known.since++;
      return null;
    }
    this.told.delete(address);
    const [oldest] = this.told.keys();
    if (oldest !== undefined && this.told.size >= mostAddresses) this.told.delete(oldest);
    this.told.set(address, { at: now, since: 0 });
    return (known?.since ?? 0) + 1;
  }
}

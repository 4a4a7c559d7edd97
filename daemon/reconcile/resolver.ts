/** Resolves the names of peers again and again; a name that does not resolve is a state, not an error. */

import { isHostAddress, parseAddress } from '../model/address.js';
import { steadyNow } from '../steady_time.js';

/** Numeric addresses of a name; throws when there are none. */
export type Lookup = (name: string) => Promise<string[]>;

export type Resolution =
  | { address: string; reason: null; pending: false }
  /** `pending`: it was asked for just now, and nothing is wrong yet. */
  | { address: null; reason: string; pending: boolean };

const resolveEvery = 30_000;
const retryEvery = 5_000;
/** Until then, nobody is told that an answer is missing. */
const answerTime = 5_000;

export class PeerResolver {
  private readonly known = new Map<string, Resolution & { due: number }>();
  /** When they began. */
  private readonly running = new Map<string, number>();

  /** `onChange` is called when a name got another address, or lost its last. `now` is in milliseconds. */
  constructor(
    private readonly lookup: Lookup,
    private readonly onChange: () => void,
    private readonly now: () => number = steadyNow,
  ) {}

  /** What is known of an address or name now. Starts a lookup in the background when one is due. */
  resolve(address: string): Resolution {
    const numeric = parseAddress(address);
    if (numeric !== null) return { address: numeric, reason: null, pending: false };
    const known = this.known.get(address);
    if ((known === undefined || known.due <= this.now()) && !this.running.has(address))
      void this.refresh(address);
    return known ?? this.unanswered(address);
  }

  private unanswered(name: string): Resolution {
    if (this.now() - (this.running.get(name) ?? this.now()) < answerTime)
      return { address: null, reason: 'the name is being resolved', pending: true };
    return { address: null, reason: `the resolver has not answered for ${name} yet`, pending: false };
  }

  /** What a former weftd knew of a name, until it is asked for. */
  seed(name: string, address: string): void {
    if (parseAddress(name) === null && !this.known.has(name))
      this.known.set(name, { address, reason: null, pending: false, due: this.now() });
  }

  /** Forgets names that are no peers any more. */
  keepOnly(addresses: ReadonlySet<string>): void {
    for (const name of this.known.keys()) if (!addresses.has(name)) this.known.delete(name);
  }

  private async refresh(name: string): Promise<void> {
    this.running.set(name, this.now());
    const before = this.known.get(name);
    try {
      const found = (await this.lookup(name))
        .flatMap((text) => parseAddress(text) ?? [])
        .filter(isHostAddress);
      // A name with several addresses keeps the one in use, whatever order the resolver gives.
      const keeps =
        before?.address !== undefined && before.address !== null && found.includes(before.address);
      const address = keeps ? before.address : found[0];
      if (address === undefined || address === null) throw new Error('it has no address');
      this.known.set(name, { address, reason: null, pending: false, due: this.now() + resolveEvery });
    } catch (error) {
      const reason = `${name} does not resolve: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`;
      // A resolver that is down for a while must not cut a link that works.
      const kept: Resolution =
        before?.address === undefined || before.address === null
          ? { address: null, reason, pending: false }
          : before;
      this.known.set(name, { ...kept, due: this.now() + retryEvery });
    } finally {
      this.running.delete(name);
    }
    const after = this.known.get(name);
    if (after?.address !== before?.address || after?.reason !== before?.reason) this.onChange();
  }
}

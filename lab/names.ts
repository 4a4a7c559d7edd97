/** Names for the weftd of some hosts of the lab: a file that they have in the place of /etc/hosts, and nobody else sees. */
import { writeFileSync } from 'node:fs';

export class Names {
  readonly #file: string;
  readonly #addresses: Map<string, string>;

  constructor(file: string, addresses: Readonly<Record<string, string>>) {
    this.#file = file;
    this.#addresses = new Map(Object.entries(addresses));
    this.#write();
  }

  /** Holds for every lookup from now on. */
  set(name: string, address: string): void {
    this.#addresses.set(name, address);
    this.#write();
  }

  /** For {@link StartOptions}: what is so started asks these names. `ip netns exec` has given it a mount namespace of its own. */
  get wrapper(): string[] {
    return ['sh', '-c', 'mount --bind "$0" /etc/hosts && exec "$@"', this.#file];
  }

  /** In place: a new file of that name would not be the one that is mounted. */
  #write(): void {
    const lines = [...this.#addresses].map(([name, address]) => `${address} ${name}\n`);
    writeFileSync(this.#file, `127.0.0.1 localhost\n${lines.join('')}`);
  }
}

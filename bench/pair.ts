import type { Processes } from './processes.js';

/** Two guests on two hosts that reach each other through the system under test. */
export interface Pair {
  /** As in the table's head. */
  readonly name: string;
  /** Network namespaces of the guests. */
  readonly client: string;
  readonly server: string;
  readonly serverAddress: string;
}

/** Waits until the client reaches the server, or throws after about ten seconds. */
export async function awaitReachable(pair: Pair, processes: Processes): Promise<void> {
  const attempts = 10;
  for (let attempt = 1; ; attempt += 1) {
    try {
      await processes.run(pair.client, ['ping', '-c1', '-W1', pair.serverAddress]);
      return;
    } catch (error) {
      if (attempt === attempts) {
        throw new Error(`${pair.name}: the guests do not reach each other`, { cause: error });
      }
    }
  }
}

/** The MTU of the guest's eth0, bytes. */
export async function guestMtu(netns: string, processes: Processes): Promise<number> {
  return Number(await processes.run(netns, ['cat', '/sys/class/net/eth0/mtu']));
}

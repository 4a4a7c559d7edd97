/** What takes care that a restart loses nothing of the datapath: told about every descriptor that comes into use or goes out of it. */
import type { Receiver } from './native.js';

/** How a TAP of a port must be known, so that a kept descriptor of it is taken. */
export interface ExpectedTap {
  alias: string;
  /** Of the namespace where its link is; without it, any will do. */
  cookie?: string;
}

export interface KeptTap {
  fds: number[];
  /** They were opened in another namespace than ours and keep it alive. */
  pins: boolean;
}

export interface Keeper {
  keepPort(id: string, fds: readonly number[]): void;
  /** Before its descriptors are closed. */
  dropPort(id: string): void;
  /** All receiving sockets that are in use now. */
  keepReceivers(receivers: readonly Receiver[]): void;
  /** The TAP of a port as a former weftd had it open; null when there is none that can be trusted. The caller owns its descriptors. */
  takePort(id: string, expected: ExpectedTap): KeptTap | null;
}

export const noKeeper: Keeper = {
  keepPort: () => undefined,
  dropPort: () => undefined,
  keepReceivers: () => undefined,
  takePort: () => null,
};

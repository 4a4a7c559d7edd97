import type { Guest } from '../../lab/guest.js';
import type { Lab } from '../../lab/lab.js';

/** Two guests on two hosts that reach each other through a system under test, ready for traffic. */
export interface Bed {
  readonly client: Guest;
  readonly server: Guest;
  /** Where the client reaches the server. */
  readonly serverAddress: string;
  /** Null where the system carries no IPv6. */
  readonly serverAddress6: string | null;
  /** Where the server reaches the client. */
  readonly clientAddress: string;
  /** The guests' interfaces to the system: `eth0`, or the tunnel device where the system ends in it. */
  readonly interface: string;
  /** PIDs of the system's own daemons on both hosts, whose CPU time is shown beside the machine's. None for the kernel. */
  daemons(): readonly number[];
  /** A second guest on the client's host, on the same segment; made when it is first asked for. Absent where the system has no switch. */
  neighbour?(): Promise<{ guest: Guest; address: string }>;
  /** The same on the server's host. */
  serverNeighbour?(): Promise<{ guest: Guest; address: string }>;
}

/** What people would use: made by the harness from the kernel or from Debian's packages, with the options it ships with. */
export interface System {
  /** On the command line and in results. */
  readonly key: string;
  /** In tables and charts. */
  readonly title: string;
  /** 2 where Ethernet frames pass, 3 where only IP packets do. */
  readonly layer: 2 | 3;
  /** Debian packages that hold it; none for the kernel's own. */
  readonly packages: readonly string[];
  /** What was measured, such as `fastd 22-2`. */
  version(): Promise<string>;
  /** Makes both hosts and guests. What it starts ends with the lab. */
  open(lab: Lab): Promise<Bed>;
}

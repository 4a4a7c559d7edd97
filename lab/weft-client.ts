/** What a test asks a weftd of the lab, over its socket and by the CLI. */
import type { Container, Drop, FdbEntry, Network, Peer, Pool, Port, Status } from '../daemon/api/schema.js';
import type { ApiClient } from '../daemon/cli/client.js';
import { CommandError, type Output, type RunOptions } from './command.js';

export interface AttachOptions {
  ifname?: string;
  name?: string;
  mac?: string;
  addresses?: readonly string[];
  spoof?: 'allow' | 'deny';
}

export abstract class WeftClient {
  /** Speaks to the daemon's socket. */
  abstract get api(): ApiClient;

  /** Runs the CLI, whatever its status. */
  abstract tryWeft(words: readonly string[], options?: RunOptions): Promise<Output>;

  /** What the CLI prints for a person; throws when its status is not 0. */
  async weft(...words: string[]): Promise<string> {
    const output = await this.tryWeft(words);
    if (output.status !== 0) throw new CommandError(['weft', ...words], output, `status ${output.status}`);
    return output.stdout;
  }

  /** What the CLI prints with --json. */
  async weftJson<T>(...words: string[]): Promise<T> {
    return JSON.parse(await this.weft('--json', ...words)) as T;
  }

  /** `weft port add`, for a namespace that the daemon finds by this name. */
  protected addPort(
    netns: string,
    network: string,
    { ifname = 'eth0', name, mac, addresses = [], spoof }: AttachOptions = {},
  ): Promise<Port> {
    return this.weftJson<Port>(
      ...['port', 'add', network, ifname, '--netns', netns],
      ...(name === undefined ? [] : ['--name', name]),
      ...(mac === undefined ? [] : ['--mac', mac]),
      ...(spoof === undefined ? [] : ['--spoof', spoof]),
      ...addresses.flatMap((address) => ['--address', address]),
    );
  }

  status(): Promise<Status> {
    return this.api.get<Status>('/v1/status');
  }

  networks(): Promise<Network[]> {
    return this.api.list<Network>('/v1/networks');
  }

  ports(): Promise<Port[]> {
    return this.api.list<Port>('/v1/ports');
  }

  containers(): Promise<Container[]> {
    return this.api.list<Container>('/v1/containers');
  }

  pools(): Promise<Pool[]> {
    return this.api.list<Pool>('/v1/pools');
  }

  peers(): Promise<Peer[]> {
    return this.api.list<Peer>('/v1/peers');
  }

  fdb(): Promise<FdbEntry[]> {
    return this.api.list<FdbEntry>('/v1/fdb');
  }

  /** How many frames were dropped for one reason. */
  async dropped(reason: string): Promise<number> {
    const drops = await this.api.list<Drop>('/v1/drops');
    return drops.find((drop) => drop.reason === reason)?.count ?? 0;
  }
}

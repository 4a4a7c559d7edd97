/** All desired objects: those of the configuration file, which are read at each start, and those of the store. */

import { restartDifferences } from '../config/differences.js';
import type { LoadedConfig } from '../config/load.js';
import type { Config, NetworkConfig } from '../config/schema.js';
import { WeftError } from '../errors.js';
import { parsePeerAddress } from '../model/address.js';
import { peerIdOf, vniOfName } from '../model/identity.js';
import type {
  EngineNetworkRecord,
  EntryRecord,
  FdbLimits,
  NetworkRecord,
  Owner,
  PeerRecord,
  PortRecord,
} from '../model/objects.js';
import type { Store } from './store.js';

/** All that is desired, as it was read last. */
interface Lists {
  networks: readonly NetworkRecord[];
  shadowed: readonly Shadowed[];
  peers: readonly PeerRecord[];
  ports: readonly PortRecord[];
  removedPorts: readonly PortRecord[];
}

export interface Shadowed {
  network: NetworkRecord;
  by: NetworkRecord;
}

export class Catalog {
  private fileNetworks = new Map<string, NetworkRecord>();
  private filePeers = new Map<string, PeerRecord>();

  /** Why the file could not be read again last time; null when it is in force. */
  private refused: string | null = null;

  private readonly started: Config;
  private waiting: readonly string[] = [];
  /** null: something was changed since. */
  private lists: Lists | null = null;

  constructor(
    private readonly store: Store,
    private loaded: LoadedConfig,
  ) {
    this.started = loaded.config;
    this.use(loaded);
    // Whatever was changed: all of a transaction is there when its first change is told.
    store.watch(() => {
      this.lists = null;
    });
  }

  get config(): Config {
    return this.loaded.config;
  }

  get source(): LoadedConfig {
    return this.loaded;
  }

  get file(): string | null {
    return this.loaded.file;
  }

  get refusal(): string | null {
    return this.refused;
  }

  /** Sentences: what the file that is in force says differently from the one that weftd was started with, and cannot take effect. */
  get awaitingRestart(): readonly string[] {
    return this.waiting;
  }

  /** The file is not what is in force, until one is used. */
  refuse(reason: string): void {
    this.refused = reason;
  }

  use(loaded: LoadedConfig): void {
    this.refused = null;
    this.loaded = loaded;
    this.waiting = restartDifferences(this.started, loaded.config);
    const owner: Owner = { kind: 'file', ref: loaded.file ?? '' };
    this.fileNetworks = new Map(networksOf(loaded.config, owner).map((network) => [network.name, network]));
    this.filePeers = new Map(peersOf(loaded.config, owner).map((peer) => [peer.id, peer]));
    this.lists = null;
  }

  /**
   * Where the file and the store name the same thing, the file wins; {@link shadowed} lists the others. This list and the following ones
   * are the same array while nothing is changed: who makes something of one may keep it for as long.
   */
  networks(): readonly NetworkRecord[] {
    return this.all.networks;
  }

  peers(): readonly PeerRecord[] {
    return this.all.peers;
  }

  /** Networks of the store that give way to the file: the same name or the same VNI. */
  shadowed(): readonly Shadowed[] {
    return this.all.shadowed;
  }

  ports(): readonly PortRecord[] {
    return this.all.ports;
  }

  /** Ports that were removed, and of whose links something may be left. */
  removedPorts(): readonly PortRecord[] {
    return this.all.removedPorts;
  }

  /** Networks of container engines. */
  engineNetworks(): EngineNetworkRecord[] {
    return this.store.list('engine-network');
  }

  entries(): EntryRecord[] {
    return this.store.list('entry');
  }

  limitsOf(network: NetworkRecord): FdbLimits {
    return { ...limits(this.config.fdb), ...network.fdb } as FdbLimits;
  }

  network(name: string): NetworkRecord {
    const found = this.networks().find((network) => network.name === name);
    if (found === undefined) throw new WeftError('WEFT_NETWORK_NOT_FOUND', { name });
    return found;
  }

  /** By ID, name, IFNAME while it is unique, or IFNAME@NETNS. */
  port(ref: string): PortRecord {
    const ports = this.ports();
    const exact = ports.find((port) => port.id === ref) ?? ports.find((port) => port.name === ref);
    if (exact !== undefined) return exact;
    const matches = ports.filter((port) => port.ifname === ref || portLabel(port) === ref);
    const [only] = matches;
    if (only === undefined) throw new WeftError('WEFT_PORT_NOT_FOUND', { name: ref });
    if (matches.length > 1) {
      const list = matches.map((port) => `${portLabel(port)} (${port.id})`).join(', ');
      throw new WeftError('WEFT_PORT_AMBIGUOUS', { name: ref, matches: list });
    }
    return only;
  }

  /** By ID, address, or address:port. */
  peer(ref: string): PeerRecord {
    const parsed = parsePeerAddress(ref);
    const found = this.peers().find(
      (peer) =>
        peer.id === ref ||
        (parsed !== null &&
          peer.address === parsed.address &&
          (parsed.port === null || parsed.port === peer.port)),
    );
    if (found === undefined) throw new WeftError('WEFT_PEER_NOT_FOUND', { name: ref });
    return found;
  }

  private get all(): Lists {
    this.lists ??= this.read();
    return this.lists;
  }

  private read(): Lists {
    const ports = this.store.list('port');
    const peers = this.store.list('peer').filter(({ id }) => !this.filePeers.has(id));
    return {
      ...this.split(),
      peers: [...this.filePeers.values(), ...peers],
      ports: ports.filter(({ removing }) => removing !== true),
      removedPorts: ports.filter(({ removing }) => removing === true),
    };
  }

  private split(): Pick<Lists, 'networks' | 'shadowed'> {
    const networks = [...this.fileNetworks.values()];
    const vnis = new Map(networks.map((network) => [network.vni, network]));
    const shadowed: Shadowed[] = [];
    for (const network of this.store.list('network')) {
      const by = this.fileNetworks.get(network.name) ?? vnis.get(network.vni);
      if (by === undefined) networks.push(network);
      else shadowed.push({ network, by });
    }
    return { networks, shadowed };
  }
}

/** How a port is shown to people and found again: its name, else IFNAME@NETNS, else IFNAME. */
export function portLabel(port: PortRecord): string {
  return port.netns === null ? port.ifname : `${port.ifname}@${port.netns.given}`;
}

export function networksOf(config: Config, owner: Owner): NetworkRecord[] {
  return Object.entries(config.networks).map(([name, network]) => ({
    name,
    vni: network.vni ?? vniOfName(name),
    subnets: network.subnets,
    mtu: network.mtu,
    vlan: network.vlan,
    fdb: limits(network.fdb ?? {}),
    owner,
  }));
}

function peersOf(config: Config, owner: Owner): PeerRecord[] {
  return config.peers.map(({ address, port, checksum, offload }) => ({
    id: peerIdOf(address),
    address,
    port: port ?? config.underlay.port,
    checksum,
    offload,
    owner,
  }));
}

function limits(fdb: NonNullable<NetworkConfig['fdb']>): Partial<FdbLimits> {
  const all = {
    age: fdb.age,
    limit: fdb.limit,
    limitPerPort: fdb.limit_per_port,
    moveCount: fdb.moves?.count,
    moveWindow: fdb.moves?.window,
    moveFreeze: fdb.moves?.freeze,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

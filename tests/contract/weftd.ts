/** A weftd with all its parts on a fake of the addon, whose plugin listens on a socket in a directory of its own. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { loadConfig } from '../../daemon/config/load.js';
import { type Daemon, startDaemon } from '../../daemon/daemon.js';
import { FakeNative } from '../../daemon/datapath/fake_native.js';
import { type Answer, ask } from '../../daemon/docker/testing/plugin_host.js';
import { nothing } from '../../daemon/restart/inherit.js';
import { MemoryStore } from '../../daemon/state/memory_store.js';

export class Weftd {
  readonly store = new MemoryStore();
  private native = new FakeNative();
  private boot = 1;
  private daemon: Daemon | null = null;
  private readonly directory = mkdtempSync(join(tmpdir(), 'weft-contract-'));
  private readonly socket = join(this.directory, 'plugin.sock');

  /** `config` is YAML besides the sections docker and metrics. */
  static async start(config = ''): Promise<Weftd> {
    const weftd = new Weftd();
    const own = `docker: { plugin: ${weftd.socket}, api: off }\nmetrics: { listen: off }\n`;
    writeFileSync(join(weftd.directory, 'weft.yaml'), own + config);
    await weftd.run();
    return weftd;
  }

  /** As Docker asks, on a connection of its own. `undefined`: without a body. */
  ask(method: string, body?: unknown): Promise<Answer> {
    return ask(this.socket, `/${method}`, body, { headers: { host: 'plugin.moby.localhost' } });
  }

  async restart(): Promise<void> {
    await this.daemon?.stop();
    this.native.locks.clear();
    await this.run();
  }

  /** Only what is on the disk is left. */
  async losePower(): Promise<void> {
    await this.daemon?.stop();
    this.native = new FakeNative();
    this.boot++;
    await this.run();
  }

  /** What Docker left behind, as `kind key`; addresses that were released are kept for a while and do not count. */
  leftovers(): string[] {
    const { store } = this;
    return [
      ...store.list('engine-network').map(({ id }) => `engine network ${id}`),
      ...store.list('network').map(({ name }) => `network ${name}`),
      ...store.list('port').map(({ owner }) => `endpoint ${owner.ref}`),
      ...store.list('pool').map(({ id }) => `pool ${id}`),
      ...store
        .list('lease')
        .filter(({ state }) => state === 'active')
        .map(({ address }) => `address ${address}`),
      ...this.links().map((ifname) => `link ${ifname}`),
    ];
  }

  /** Links that weft made and Docker has not moved. */
  links(): string[] {
    return this.native.own.links.map(({ ifname }) => ifname).filter((ifname) => ifname.startsWith('weft'));
  }

  async end(): Promise<void> {
    await this.daemon?.stop();
    rmSync(this.directory, { recursive: true });
  }

  private async run(): Promise<void> {
    const configFile = join(this.directory, 'weft.yaml');
    const options = {
      configFile,
      configMayBeAbsent: false,
      stateDir: join(this.directory, 'state'),
      socket: join(this.directory, 'api.sock'),
    };
    this.daemon = await startDaemon(options, loadConfig(configFile, false), {
      native: this.native,
      proc: {
        bootId: () => `boot-${this.boot}`,
        startTime: (pid) => (pid === process.pid ? '77' : null),
        netnsInode: () => null,
        inhabits: () => false,
      },
      lookup: async () => [],
      log: pino({ level: 'silent' }),
      version: '1.2.3',
      openStore: async () => this.store,
      inheritance: nothing,
      connectEngine: () => {
        throw new Error('docker.api is off');
      },
    });
  }
}

/** What Docker sees of weft and what weft sees of Docker, put together. */

import { basename } from 'node:path';
import type { Logger } from 'pino';
import type { Kernel } from '../datapath/kernel.js';
import type { EndpointIntent } from '../intent/endpoints.js';
import type { EngineNetworkIntent } from '../intent/engine_networks.js';
import type { Ipam } from '../ipam/ipam.js';
import { dockerFindings } from '../reconcile/docker_findings.js';
import type { FindingDraft } from '../reconcile/findings.js';
import { steadyNow } from '../steady_time.js';
import { DockerRequests } from '../telemetry/docker_requests.js';
import type { ActivatedSocket } from './activation.js';
import type { Engine } from './engine_api.js';
import { EngineNames } from './engine_names.js';
import { ForgottenNetworks } from './forgotten.js';
import { type Names, noNames } from './names.js';
import { pluginMethods } from './plugin_methods.js';
import { PluginServer } from './plugin_server.js';
import { specDirectories } from './spec_files.js';

export interface DockerParts {
  /** Paths of sockets, or `off`. */
  plugin: string;
  api: string;
  /** The plugin's socket, when systemd holds it. */
  activated: ActivatedSocket | null;
  ipam: Ipam;
  networks: EngineNetworkIntent;
  endpoints: EndpointIntent;
  connect(path: string): Engine;
  kernel: Pick<Kernel, 'peerCredentials'>;
  log: Logger;
  /** Requests that change something wait for it. */
  ready: Promise<void>;
}

/** Milliseconds between looks at the socket, and between collections of addresses that nobody claimed. */
const checkEvery = 2000;
const collectEvery = 60_000;

export class DockerAdapter {
  readonly plugin: PluginServer;
  readonly names: Names;
  /** What Docker asked, for the metrics. */
  readonly requests: DockerRequests;
  private readonly engineNames: EngineNames | null;
  private readonly forgotten: ForgottenNetworks;
  private readonly timers: NodeJS.Timeout[] = [];

  constructor(private readonly parts: DockerParts) {
    const { plugin, api, activated, log, ready, kernel } = parts;
    const path = plugin === 'off' ? null : plugin;
    const methods = pluginMethods(parts);
    this.requests = new DockerRequests(methods.keys());
    this.plugin = new PluginServer({
      path,
      activated,
      methods,
      log,
      ready,
      kernel,
      requests: this.requests,
    });
    this.engineNames =
      api === 'off'
        ? null
        : new EngineNames({
            connect: () => parts.connect(api),
            // By the name of the socket users choose the driver.
            driver: basename(path ?? 'weft.sock', '.sock'),
            specDirectories,
            log,
            onChange: () => undefined,
          });
    this.names = this.engineNames ?? noNames;
    this.forgotten = new ForgottenNetworks({ ...parts, names: this.names, now: steadyNow });
  }

  /** From here on Docker is answered. */
  async open(): Promise<void> {
    await this.plugin.open();
    this.engineNames?.start();
    const { ipam, log } = this.parts;
    this.timers.push(
      setInterval(() => {
        void this.plugin.check();
        this.forgotten
          .check()
          .catch((error: unknown) =>
            log.warn({ err: error }, 'networks could not be compared with those of Docker'),
          );
      }, checkEvery),
    );
    this.timers.push(
      setInterval(() => {
        ipam
          .collect()
          .catch((error: unknown) => log.warn({ err: error }, 'addresses could not be collected'));
      }, collectEvery),
    );
  }

  /** `inUse`: weft has networks of Docker. */
  findings(inUse: boolean): FindingDraft[] {
    return dockerFindings(this.plugin.state(), this.names, inUse);
  }

  async close(): Promise<void> {
    for (const timer of this.timers.splice(0)) clearInterval(timer);
    await this.engineNames?.stop();
    await this.plugin.close();
  }
}

/** The configuration for a bundle, with the values of the keys that are named here, and the metrics, which are where it says. */

import type { Status } from '../api/schema.js';
import { toFailure } from '../cli/failure.js';
import { type ConfigValue, configValues } from '../config/describe.js';
import { defaultConfigFile, type LoadedConfig, loadConfig } from '../config/load.js';
import type { ReportParts, Source } from './source.js';

const metricsTime = 5000;

/** Keys of the configuration whose values are no secret; `*` stands for one step. */
export const openKeys: readonly string[] = [
  ...[
    'host.name',
    'underlay.addresses',
    'underlay.addresses.*',
    'underlay.port',
    'underlay.source_ports',
    'underlay.accept',
  ],
  ...[
    'underlay.offloads.*',
    'peers',
    'peers.*.address',
    'peers.*.port',
    'peers.*.checksum',
    'peers.*.offload',
  ],
  ...[
    'networks',
    'networks.*.vni',
    'networks.*.subnets',
    'networks.*.subnets.*',
    'networks.*.mtu',
    'networks.*.vlan',
  ],
  ...['networks.*.fdb.*', 'networks.*.fdb.moves.*', 'networks.*.ipam.share', 'networks.*.ipam.share.*'],
  ...[
    'ipam.share',
    'ipam.share.*',
    'fdb.age',
    'fdb.limit',
    'fdb.limit_per_port',
    'fdb.moves.*',
    'docker.plugin',
    'docker.api',
  ],
  ...[
    'workers',
    'busy_poll',
    'metrics.listen',
    'metrics.objects',
    'underlay.explain',
    'log.level',
    'log.format',
  ],
];

/** By the steps to it: a name of a network may have dots. */
export function isOpen(path: readonly (string | number)[]): boolean {
  return openKeys.some((key) => {
    const steps = key.split('.');
    return (
      steps.length === path.length &&
      steps.every((step, index) => step === '*' || step === String(path[index]))
    );
  });
}

export function configLine({ path, steps, value, line }: ConfigValue): string {
  const shown = isOpen(steps) ? JSON.stringify(value) : '(left out)';
  return `${path}: ${shown}  # ${line === null ? 'default' : `line ${line}`}\n`;
}

async function metricsAt(listen: string): Promise<string> {
  const address = listen.replace(/^0\.0\.0\.0:/, '127.0.0.1:').replace(/^\[::\]:/, '[::1]:');
  // Another program may have the port.
  const answer = await fetch(`http://${address}/metrics`, {
    redirect: 'error',
    signal: AbortSignal.timeout(metricsTime),
  });
  return await answer.text();
}

export function ofConfig({ usualMetrics }: ReportParts, status: Status | null): Source[] {
  const load = (): LoadedConfig => loadConfig(status?.config ?? defaultConfigFile, true);
  return [
    {
      path: 'metrics.txt',
      what: 'metrics as Prometheus gets them',
      read: async () => {
        let listen: string;
        try {
          listen = load().config.metrics.listen;
        } catch {
          // weftd goes on with what it read before, which mostly leaves the metrics where they usually are.
          return await metricsAt(usualMetrics).catch(
            (failure: Error) =>
              `not to be had at ${usualMetrics}: ${failure.message}; config.txt says why no other address is known\n`,
          );
        }
        return listen === 'off' ? 'metrics.listen is off\n' : await metricsAt(listen);
      },
    },
    {
      path: 'config.txt',
      what: 'the configuration file as it is now, key by key, with lines; in force is what weftd read at its start or the last reload',
      read: () => {
        try {
          return configValues(load()).map(configLine).join('');
        } catch (thrown) {
          if (status === null) throw thrown;
          const message = toFailure(thrown).body.message.trimEnd();
          return `not to be had: ${message}\nweftd goes on with what it read before; status.json has its address, port and offloads\n`;
        }
      },
    },
  ];
}

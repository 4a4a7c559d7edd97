/** Reads the configuration file again and applies the difference. A file that is not valid changes nothing. */
import { isDeepStrictEqual } from 'node:util';
import type { LoadedConfig } from '../config/load.js';
import { formatPath } from '../config/path.js';
import { WeftError } from '../errors.js';
import { type Catalog, networksOf } from '../state/catalog.js';
import type { IntentParts } from './parts.js';

const needRestart = new Map([
  ['metrics', 'takes effect when weftd is started again'],
  ['docker', 'takes effect when weftd is started again'],
  ['log.format', 'takes effect when weftd is started again'],
  ['underlay.source_ports', 'takes effect when weftd is started again'],
  ['workers', 'takes effect when weftd is started again'],
]);

export class ReloadIntent {
  /** `load` reads the file that weftd was started with; `apply` takes over what the reconciler does not (log level). */
  constructor(
    private readonly parts: IntentParts,
    private readonly load: () => LoadedConfig,
    private readonly apply: (loaded: LoadedConfig) => void,
  ) {}

  /** One sentence for each change. Throws WEFT_CONFIG and leaves the running configuration in force. */
  reload(): Promise<string[]> {
    return this.parts.mutex.run(async () => {
      const loaded = await this.readOrRefuse();
      const changed = differences(this.parts.catalog.source, loaded);
      this.parts.catalog.use(loaded);
      this.apply(loaded);
      await this.parts.reconciler.settle();
      this.parts.events.emit(
        'reloaded',
        'configuration',
        changed.length === 0 ? 'nothing changed' : changed.join('; '),
      );
      return changed;
    });
  }

  private async readOrRefuse(): Promise<LoadedConfig> {
    const { catalog, reconciler } = this.parts;
    try {
      const loaded = this.load();
      checkAgainstStore(loaded, catalog);
      return loaded;
    } catch (error) {
      const [first = ''] = (error as Error).message.split('\n');
      catalog.refuse(first);
      // Whether the round succeeds or not, the caller is to learn what is wrong with the file.
      await reconciler.settle().catch(() => undefined);
      throw error;
    }
  }
}

/** The file must not take what the API has given away, nor pull a network from under its ports. */
function checkAgainstStore(loaded: LoadedConfig, catalog: Catalog): void {
  const file = loaded.file ?? '';
  const networks = networksOf(loaded.config, { kind: 'file', ref: file });
  const names = new Set(networks.map(({ name }) => name));
  const refuse = (reason: string): never => {
    throw new WeftError('WEFT_CONFIG', { reason });
  };
  for (const existing of catalog.networks()) {
    if (existing.owner.kind === 'file') {
      const count = catalog.ports().filter((port) => port.network === existing.name).length;
      if (!names.has(existing.name) && count > 0) {
        refuse(`network "${existing.name}" is not in ${file} any more, but still has ${count} port(s)`);
      }
      continue;
    }
    const clash = networks.find(({ name, vni }) => name === existing.name || vni === existing.vni);
    if (clash !== undefined) {
      refuse(
        `${file}: networks.${clash.name}: its name or its VNI ${clash.vni} belongs to network "${existing.name}" made by ${existing.owner.kind === 'docker' ? 'Docker' : 'the API'}`,
      );
    }
  }
}

function differences(before: LoadedConfig, after: LoadedConfig): string[] {
  return compare(before.config, after.config, []).map(({ path, sentence }) => {
    const note = [...needRestart].find(([key]) => path === key || path.startsWith(`${key}.`))?.[1];
    return note === undefined ? sentence : `${sentence}: ${note}`;
  });
}

function compare(before: unknown, after: unknown, path: string[]): { path: string; sentence: string }[] {
  if (isDeepStrictEqual(before, after)) return [];
  const name = formatPath(path);
  if (path[0] === 'networks' && path.length === 2) {
    const verb = before === undefined ? 'was added' : after === undefined ? 'was removed' : 'was changed';
    return [{ path: name, sentence: `network "${path[1]}" ${verb}` }];
  }
  if (path[0] === 'peers') return comparePeers(before, after);
  if (isMapping(before) && isMapping(after)) {
    return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((key) =>
      compare(before[key], after[key], [...path, key]),
    );
  }
  return [
    { path: name, sentence: `${name} changed from ${JSON.stringify(before)} to ${JSON.stringify(after)}` },
  ];
}

function comparePeers(before: unknown, after: unknown): { path: string; sentence: string }[] {
  const byAddress = (peers: unknown) =>
    new Map((peers as { address: string }[]).map((peer) => [peer.address, peer]));
  const [old, now] = [byAddress(before), byAddress(after)];
  return [...new Set([...old.keys(), ...now.keys()])]
    .filter((address) => !isDeepStrictEqual(old.get(address), now.get(address)))
    .map((address) => {
      const verb = !old.has(address) ? 'was added' : !now.has(address) ? 'was removed' : 'was changed';
      return { path: 'peers', sentence: `peer ${address} ${verb}` };
    });
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Reads the configuration file again and applies the difference. A file that is not valid changes nothing. */
import { configDifferences } from '../config/differences.js';
import type { LoadedConfig } from '../config/load.js';
import { WeftError } from '../errors.js';
import { type Catalog, networksOf } from '../state/catalog.js';
import type { IntentParts } from './parts.js';

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
      const changed = configDifferences(this.parts.catalog.config, loaded.config, this.peersByHand());
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

  /** Addresses. They are peers also while the file does not name them. */
  private peersByHand(): ReadonlySet<string> {
    return new Set(this.parts.store.list('peer').map(({ address }) => address));
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
  // One of the store gives way to the file, and comes into force when the file has neither its name nor its VNI.
  const isFollowed = (name: string) =>
    catalog
      .shadowed()
      .some(({ network }) => network.name === name && networks.every(({ vni }) => vni !== network.vni));
  for (const existing of catalog.networks()) {
    if (existing.owner.kind === 'file') {
      const count = catalog.ports().filter((port) => port.network === existing.name).length;
      if (!names.has(existing.name) && count > 0 && !isFollowed(existing.name)) {
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

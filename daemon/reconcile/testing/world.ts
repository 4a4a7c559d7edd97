/** The control plane over a fake kernel, wired as in daemon.ts but without its servers. For tests. */
import { type Logger, pino } from 'pino';
import { parseConfig } from '../../config/load.js';
import { Datapath } from '../../datapath/datapath.js';
import type { FakeNative } from '../../datapath/fake_native.js';
import { Mutex } from '../../intent/mutex.js';
import type { IntentParts } from '../../intent/parts.js';
import { Catalog } from '../../state/catalog.js';
import { MemoryStore } from '../../state/memory_store.js';
import { EventBus } from '../../telemetry/events.js';
import { Namespaces } from '../netns.js';
import type { Proc } from '../proc.js';
import { Reconciler, type ReconcilerParts } from '../reconciler.js';
import { type Lookup, PeerResolver } from '../resolver.js';

export interface WorldOptions extends Pick<ReconcilerParts, 'now' | 'label' | 'captureEnded' | 'leastMtu'> {
  log?: Logger;
  native: FakeNative;
  config: string;
  store?: MemoryStore;
  proc?: Proc;
  lookup?: Lookup;
}

const firstBoot: Proc = {
  bootId: () => 'boot-1',
  startTime: () => null,
  netnsInode: () => null,
  inhabits: () => false,
};

/** Locks that an earlier world took are free again, as after the end of its process. */
export function buildWorld({
  native,
  config,
  store = new MemoryStore(),
  proc = firstBoot,
  lookup = () => Promise.reject(new Error('there are no names')),
  log = pino({ level: 'silent' }),
  ...more
}: WorldOptions) {
  const events = new EventBus();
  const catalog = new Catalog(store, parseConfig(config, 'f.yaml'));
  const datapath: Datapath = new Datapath(native, { mergeTcp: true, mergeUdp: false }, () =>
    reconciler.handleEvents(),
  );
  const namespaces = new Namespaces(native, proc);
  const resolver: PeerResolver = new PeerResolver(lookup, () => reconciler.trigger());
  const base = { store, catalog, datapath, kernel: native, namespaces, proc, resolver, events, log };
  const reconciler: Reconciler = new Reconciler({ ...base, ...more });
  const parts: IntentParts = { store, catalog, reconciler, namespaces, events, mutex: new Mutex() };
  native.locks.clear();
  return { store, catalog, datapath, reconciler, events, parts };
}

import type { Namespaces } from '../reconcile/netns.js';
import type { Reconciler } from '../reconcile/reconciler.js';
import type { Catalog } from '../state/catalog.js';
import type { Store } from '../state/store.js';
import type { EventBus } from '../telemetry/events.js';
import type { Mutex } from './mutex.js';

/** What every kind of intent works with. One mutex for all: a port's check looks at networks too. */
export interface IntentParts {
  store: Store;
  catalog: Catalog;
  reconciler: Pick<
    Reconciler,
    'settle' | 'trigger' | 'portFailure' | 'failureOf' | 'stopping' | 'hasPort' | 'expectArrival'
  >;
  namespaces: Namespaces;
  events: EventBus;
  mutex: Mutex;
}

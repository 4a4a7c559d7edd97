/** What a round found out and the state must know: where ports are now, which have ended, and which are cleared away. */

import type { Logger } from 'pino';
import type { PortRecord } from '../model/objects.js';
import { type Catalog, portLabel } from '../state/catalog.js';
import { markRemoved, releaseLeases } from '../state/removal.js';
import type { Store } from '../state/store.js';
import type { EventBus } from '../telemetry/events.js';
import { type FindingDraft, finding } from './findings.js';
import { withoutLeftovers } from './leftovers.js';
import type { Actual } from './plan.js';
import type { Proc } from './proc.js';

export interface RecorderParts {
  store: Store;
  catalog: Catalog;
  proc: Proc;
  events: EventBus;
  log: Logger;
}

export class Recorder {
  /** Ports whose process died in this round. */
  private readonly ends: { id: string; reason: string }[] = [];

  constructor(
    private readonly parts: RecorderParts,
    private readonly now: () => number,
  ) {}

  /** What the port was made for is gone, so that it ends with this round. */
  expired(id: string, reason: string): void {
    this.ends.push({ id, reason });
  }

  /** What cannot be written is a finding, and is found out again in the next round. */
  async record(actual: Actual): Promise<FindingDraft[]> {
    const { store, catalog, proc } = this.parts;
    const moved = movedPorts(catalog.ports(), actual);
    const entered = enteredSandboxes(catalog.ports(), actual);
    const expired = this.ends.splice(0);
    const ended = catalog.ports().filter(({ id }) => expired.some((one) => one.id === id));
    const over = withoutLeftovers([...catalog.removedPorts(), ...ended], actual, store.hostId);
    if ([moved, entered, ended, over].every(({ length }) => length === 0)) return [];
    const entries = catalog.entries();
    try {
      const bootId = proc.bootId();
      // Read again inside: a port may be removed meanwhile, and must not come back.
      await store.transaction((tx) => {
        for (const { id, cookie } of moved) {
          const port = tx.get('port', id);
          if (port?.netns) tx.put('port', id, { ...port, netns: { ...port.netns, cookie, bootId } });
        }
        for (const { id, path, cookie } of entered) {
          const port = tx.get('port', id);
          if (port?.endpoint?.sandbox?.path !== path) continue;
          tx.put('port', id, { ...port, endpoint: { ...port.endpoint, sandbox: { path, cookie } } });
        }
        for (const port of ended) {
          releaseLeases(tx, port, this.now());
          markRemoved(tx, port.id, entries);
        }
        for (const { id } of over) tx.delete('port', id);
      });
    } catch (error) {
      const sentence = `what changed could not be written: ${(error as Error).message}`;
      return [finding('STATE_FAILED', 'state', sentence)];
    }
    for (const port of ended) this.announceEnd(port, expired.find(({ id }) => id === port.id)?.reason ?? '');
    return [];
  }

  private announceEnd(port: PortRecord, reason: string): void {
    const { events, log } = this.parts;
    log.info({ port: port.id, reason }, 'port removed: what it was made for is gone');
    events.emit('port-removed', `port ${port.id}`, `${portLabel(port)} was removed: ${reason}`);
  }
}

/** Ports of a NAME or PATH whose namespace was made again: they are remembered by its new cookie. */
function movedPorts(ports: readonly PortRecord[], actual: Actual): { id: string; cookie: string }[] {
  return ports.flatMap(({ id, netns }) => {
    const place = actual.places.get(id);
    const differs = netns !== null && place?.state === 'present' && place.cookie !== netns.cookie;
    return differs ? [{ id, cookie: place.cookie }] : [];
  });
}

/** Endpoints whose sandbox was seen for the first time: from here on its absence means that the container is gone. */
function enteredSandboxes(
  ports: readonly PortRecord[],
  actual: Actual,
): { id: string; path: string; cookie: string }[] {
  return ports.flatMap(({ id, endpoint }) => {
    const place = actual.places.get(id);
    if (!endpoint?.sandbox || place?.state !== 'present' || place.path === null) return [];
    const { path, cookie } = endpoint.sandbox;
    return cookie === place.cookie ? [] : [{ id, path, cookie: place.cookie }];
  });
}

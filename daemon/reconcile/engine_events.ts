/** What the engine tells on its own: to the log, to followers, and, where something is to be repaired, to the reconciler. */
import type { Logger } from 'pino';
import type { Datapath, NamedCounters } from '../datapath/datapath.js';
import type {
  DatapathEvent,
  EndedCapture,
  HelloReport,
  OffloadReport,
  QueryReport,
} from '../datapath/events.js';
import type { EventBus } from '../telemetry/events.js';
import type { Conflict } from './conflicts.js';
import { Pace } from './pace.js';
import { Strangers } from './strangers.js';

export interface EngineEventsParts {
  datapath: Datapath;
  events: EventBus;
  log: Logger;
}

/** A flood of new MACs fills the engine's ring all the time; in milliseconds, how often it is emptied then. */
const period = 50;

export class EngineEvents {
  private readonly strangers = new Strangers();
  private readonly pace = new Pace(() => this.handleAll(), period);

  /** `repair` asks for a round soon. */
  constructor(
    private readonly parts: EngineEventsParts,
    private readonly repair: () => void,
    /** The links in this namespace are not what they were. */
    private readonly lookAgain: (cookie: string) => void,
    /** True when the conflict is new. */
    private readonly conflict: (conflict: Conflict) => boolean,
    private readonly offloadReport: (report: OffloadReport) => void = () => undefined,
    private readonly helloReport: (report: HelloReport) => void = () => undefined,
    private readonly queryReport: (report: QueryReport) => void = () => undefined,
    private readonly captureEnded: (ended: EndedCapture) => void = () => undefined,
  ) {}

  /** The engine has events. */
  wake(): void {
    this.pace.ask();
  }

  stop(): void {
    this.pace.stop();
  }

  /** Takes ports out whose links vanished: under a flood the ring may have lost the event. */
  detachGone({ ports }: Pick<NamedCounters, 'ports'>): void {
    for (const [id, { gone }] of ports) if (gone) this.detach(id);
  }

  private detach(id: string): void {
    const { datapath, events } = this.parts;
    const place = datapath.portPlace(id);
    if (place !== undefined) this.lookAgain(place.cookie);
    events.emit('port-gone', `port ${id}`, 'its link vanished');
    datapath.removePort(id, false);
  }

  private handleAll(): void {
    for (const event of this.parts.datapath.takeEvents()) this.handle(event);
  }

  private handle(event: DatapathEvent): void {
    const { events, log } = this.parts;
    // One part of weft talks to another: it happens all the time, and is no news.
    if (event.type === 'offload-report') {
      this.offloadReport(event);
      return;
    }
    if (event.type === 'hello-answer' || event.type === 'hello-failed' || event.type === 'hello-misplaced') {
      this.helloReport(event);
      return;
    }
    if (event.type === 'query' || event.type === 'reply') {
      this.queryReport(event);
      return;
    }
    if (event.type === 'capture-ended') {
      this.captureEnded(event);
      return;
    }
    switch (event.type) {
      case 'mac-learned':
      case 'mac-moved':
      case 'mac-frozen': {
        const [, verb] = event.type.split('-');
        const where = `${event.where.kind} ${event.where.id}`;
        if (event.type === 'mac-frozen')
          log.warn({ network: event.network, mac: event.mac }, 'a MAC moves too often and is frozen');
        events.emit(event.type, `network ${event.network}`, `${event.mac} was ${verb} at ${where}`);
        break;
      }
      case 'port-gone':
        this.detach(event.port);
        this.repair();
        break;
      case 'port-error':
        log.warn({ port: event.port, reason: event.error }, 'the kernel refuses frames of a port');
        events.emit(event.type, `port ${event.port}`, event.error);
        break;
      case 'port-offload-disabled':
        log.warn(
          { port: event.port, reason: event.reason },
          'super-frames are not written to a port any more',
        );
        events.emit(event.type, `port ${event.port}`, event.reason);
        this.repair();
        break;
      case 'peer-offload-disabled':
        log.warn(
          { peer: event.peer, reason: event.reason },
          'UDP_SEGMENT is not used towards a peer any more',
        );
        events.emit(event.type, `peer ${event.peer}`, event.reason);
        this.repair();
        break;
      case 'peer-too-big':
        events.emit(event.type, `peer ${event.peer}`, 'a datagram was larger than the path MTU');
        this.repair();
        break;
      case 'address-conflict': {
        const { port, address, mac, where } = event;
        if (!this.conflict({ port, address, mac, where })) break;
        events.emit(
          event.type,
          `port ${port}`,
          `${mac} at ${where === null ? 'a stranger' : `${where.kind} ${where.id}`} claims its address ${address}`,
        );
        this.repair();
        break;
      }
      case 'stranger': {
        const count = this.strangers.count(event.address);
        if (count === null) break;
        const sentence =
          count === 1 ? 'a datagram came from a stranger' : `a stranger was seen ${count} times more`;
        events.emit(event.type, `address ${event.address}`, sentence);
        break;
      }
      case 'events-lost':
        events.lost.engine += event.count;
        events.emit(event.type, 'events', `${event.count} events of the datapath were lost`);
        break;
    }
  }
}

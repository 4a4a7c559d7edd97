/**
 * Captures that run: what each is of, by whom, and how the frames in its file are called. The frames themselves go from the engine to the
 * client's socket; they never pass this process's JavaScript.
 */
import type { Logger } from 'pino';
import { captureLimits } from '../api/limits.js';
import type { Capture, CaptureCreate } from '../api/schema.js';
import type { CapturePlace, Datapath } from '../datapath/datapath.js';
import type { EndedCapture } from '../datapath/events.js';
import { isNativeError } from '../datapath/kernel.js';
import type { CaptureTarget } from '../datapath/registry.js';
import { WeftError } from '../errors.js';
import type { NetworkRecord, PeerRecord, PortRecord } from '../model/objects.js';
import { type Catalog, portLabel } from '../state/catalog.js';
import type { EventBus } from './events.js';

export interface CapturesParts {
  catalog: Catalog;
  datapath: Pick<Datapath, 'has' | 'startCapture' | 'endCapture' | 'captures'>;
  /** By its name, or by the one that a container engine has for it. Throws WEFT_NETWORK_NOT_FOUND. */
  networkNamed(name: string): NetworkRecord;
  events: EventBus;
  log: Logger;
  version: string;
}

/** The client's connection; the answer is all that is ever written to it. */
export interface Connection {
  fd: number;
  pid: number | null;
  onClose(listener: () => void): void;
  destroy(): void;
}

/** As the engine has it. */
const mostCaptures = 4;
/** Milliseconds; a reader that stalls is not waited for longer when weftd stops. */
const lastWords = 1000;

interface Running extends Omit<Capture, 'frames' | 'bytes' | 'lost'> {
  capture: number;
  connection: Connection;
}

interface Chosen {
  target: CaptureTarget;
  /** `port web`, for people. */
  label: string;
  places: CapturePlace[];
}

export class Captures {
  private readonly running = new Map<number, Running>();
  private started = 0;
  private allEnded: () => void = () => undefined;

  constructor(private readonly parts: CapturesParts) {}

  list(): Capture[] {
    const counts = new Map(this.parts.datapath.captures().map((one) => [one.capture, one]));
    return [...this.running.values()].map(({ capture, connection: _, ...shown }) => {
      const { frames = 0, bytes = 0, lost = 0 } = counts.get(capture) ?? {};
      return { ...shown, frames, bytes, lost };
    });
  }

  /**
   * Begins one, which writes the whole answer of HTTP to the connection and ends with it. Throws, with nothing written, WeftError:
   * WEFT_CAPTURE_TARGET, WEFT_CAPTURE_AMBIGUOUS, WEFT_PORT_AMBIGUOUS, WEFT_CAPTURE_INACTIVE, WEFT_CAPTURE_LIMIT, WEFT_INVALID.
   */
  start(wanted: CaptureCreate, connection: Connection): void {
    const { target, label, places } = this.choose(wanted);
    if (!this.parts.datapath.has(target)) throw new WeftError('WEFT_CAPTURE_INACTIVE', { object: label });
    const id = `c-${++this.started}`;
    const {
      direction = 'inout',
      filter,
      snaplen = captureLimits.mostKept,
      frames = 0,
      bytes = 0,
      seconds = 0,
    } = wanted;
    let capture: number;
    try {
      capture = this.parts.datapath.startCapture({
        fd: connection.fd,
        preamble: head(id),
        target,
        in: direction !== 'out',
        out: direction !== 'in',
        snaplen,
        filter: filter?.program ?? [],
        filterText: filter?.text ?? '',
        application: `weft ${this.parts.version}`,
        comment: `${label} on ${this.parts.catalog.config.host.name}`,
        interfaces: places,
        mostFrames: frames,
        mostBytes: bytes,
        mostMilliseconds: Math.round(seconds * 1000),
      });
    } catch (error) {
      if (isNativeError(error) && error.code === 'EBUSY')
        throw new WeftError('WEFT_CAPTURE_LIMIT', { limit: mostCaptures }, { cause: error });
      if (isNativeError(error) && error.code === 'EINVAL')
        throw new WeftError('WEFT_INVALID', { field: 'filter.program', reason: 'it cannot be run' });
      throw error;
    }
    const since = new Date().toISOString();
    const { kind, id: of } = target;
    const text = filter?.text ?? null;
    const { pid } = connection;
    this.running.set(capture, {
      id,
      target: { kind, id: of, label },
      direction,
      filter: text,
      pid,
      since,
      capture,
      connection,
    });
    connection.onClose(() => this.parts.datapath.endCapture(capture, 'its reader is gone'));
    this.parts.log.info({ capture: id, of: label, filter: text, pid }, 'a capture began');
    this.parts.events.emit('capture-started', label, `capture ${id} began`);
  }

  /** What was captured is still sent. Throws WEFT_CAPTURE_NOT_FOUND. */
  end(id: string): void {
    const found = [...this.running.values()].find((one) => one.id === id);
    if (found === undefined) throw new WeftError('WEFT_CAPTURE_NOT_FOUND', { id });
    this.parts.datapath.endCapture(found.capture, 'it was asked to');
  }

  /** The engine has let go of one. */
  ended({ capture, end, frames, bytes, lost }: EndedCapture): void {
    const one = this.running.get(capture);
    if (one === undefined) return;
    this.running.delete(capture);
    one.connection.destroy();
    this.parts.log.info(
      { capture: one.id, of: one.target.label, end, frames, bytes, lost },
      'a capture ended',
    );
    this.parts.events.emit(
      'capture-ended',
      one.target.label,
      `capture ${one.id} ended: ${frames} frames, ${lost} lost`,
    );
    if (this.running.size === 0) this.allEnded();
  }

  /** Ends all, and waits for a moment until their readers know. */
  async close(): Promise<void> {
    for (const { capture } of this.running.values()) this.parts.datapath.endCapture(capture, 'weftd stops');
    if (this.running.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, lastWords);
      this.allEnded = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private choose({ target: name, kind }: CaptureCreate): Chosen {
    const found = [
      ...(kind === undefined || kind === 'port'
        ? this.lookFor('WEFT_PORT_NOT_FOUND', () => this.port(name))
        : []),
      ...(kind === undefined || kind === 'network'
        ? this.lookFor('WEFT_NETWORK_NOT_FOUND', () => this.network(name))
        : []),
      ...(kind === undefined || kind === 'peer'
        ? this.lookFor('WEFT_PEER_NOT_FOUND', () => this.peer(name))
        : []),
    ];
    const [only, ...others] = found;
    if (only === undefined) throw new WeftError('WEFT_CAPTURE_TARGET', { name });
    if (others.length > 0) {
      const kinds = found.map(({ target }) => target.kind).join(' and a ');
      throw new WeftError('WEFT_CAPTURE_AMBIGUOUS', { name, kinds, kind: only.target.kind });
    }
    return only;
  }

  private lookFor(absent: WeftError['code'], look: () => Chosen): Chosen[] {
    try {
      return [look()];
    } catch (error) {
      if (error instanceof WeftError && error.code === absent) return [];
      throw error;
    }
  }

  private port(name: string): Chosen {
    const port = this.parts.catalog.port(name);
    const target = { kind: 'port', id: port.id } as const;
    return { target, label: `port ${portLabel(port)}`, places: [placeOfPort(port)] };
  }

  private network(name: string): Chosen {
    const network = this.parts.networkNamed(name);
    const { catalog } = this.parts;
    const ports = catalog.ports().filter((port) => port.network === network.name);
    return {
      target: { kind: 'network', id: network.name },
      label: `network ${network.name}`,
      places: [
        ...ports.map((port) => placeOfPort(port)),
        ...catalog.peers().map((peer) => placeOfPeer(peer, network)),
      ],
    };
  }

  private peer(name: string): Chosen {
    const peer = this.parts.catalog.peer(name);
    return {
      target: { kind: 'peer', id: peer.id },
      label: `peer ${peer.address}`,
      places: this.parts.catalog.networks().map((network) => placeOfPeer(peer, network)),
    };
  }
}

function placeOfPort(port: PortRecord): CapturePlace {
  const { id, network, name, mac, addresses } = port;
  const description = [`port ${id}`, `network ${network}`, mac, ...addresses].join(', ');
  return { where: { kind: 'port', id }, network, name: name ?? portLabel(port), description };
}

function placeOfPeer({ id, address }: PeerRecord, { name, vni }: NetworkRecord): CapturePlace {
  const description = `peer ${id}, network ${name}, VNI ${vni}`;
  return { where: { kind: 'peer', id }, network: name, name: `${address}/${name}`, description };
}

/** What comes before the file. Its end is that of the connection. */
function head(id: string): string {
  const fields = ['Content-Type: application/x-pcapng', `Weft-Capture: ${id}`, 'Connection: close'];
  return `HTTP/1.1 200 OK\r\n${fields.join('\r\n')}\r\n\r\n`;
}

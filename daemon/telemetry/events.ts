/** What happened, for `weft events --follow`. Each listener has a bounded queue; who reads too slowly loses events and is told. */
import type { WeftEvent } from '../api/schema.js';

const queueLimit = 1000;

export class EventBus {
  private readonly queues = new Set<EventQueue>();
  /** Since weftd was started: by the engine, and for followers that read too slowly. */
  readonly lost = { engine: 0, client: 0 };

  emit(type: string, object: string, message: string): void {
    if (this.queues.size === 0) return;
    const event: WeftEvent = { time: new Date().toISOString(), type, object, message };
    for (const queue of this.queues) queue.push(event);
  }

  follow(): EventQueue {
    const queue = new EventQueue(
      () => this.queues.delete(queue),
      () => this.lost.client++,
    );
    this.queues.add(queue);
    return queue;
  }

  get followers(): number {
    return this.queues.size;
  }
}

export class EventQueue {
  private readonly events: WeftEvent[] = [];
  private lost = 0;
  private wake: (() => void) | null = null;

  constructor(
    private readonly onClose: () => void,
    private readonly onLoss: () => void,
  ) {}

  push(event: WeftEvent): void {
    if (this.events.length >= queueLimit) {
      this.lost++;
      this.onLoss();
    } else this.events.push(event);
    this.wake?.();
  }

  /** Resolves with what there is, at the latest after `timeout` milliseconds with nothing. */
  async take(timeout: number): Promise<WeftEvent[]> {
    if (this.events.length === 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, timeout);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.wake = null;
    }
    const taken = this.events.splice(0);
    if (this.lost > 0) {
      const message = `${this.lost} events were lost: this client reads too slowly`;
      taken.push({ time: new Date().toISOString(), type: 'events-lost', object: 'events', message });
      this.lost = 0;
    }
    return taken;
  }

  close(): void {
    this.onClose();
    this.wake?.();
  }
}

/** One burst to one peer, and what it answers: questions are repeated, because each may be lost. */
import { randomBytes } from 'node:crypto';
import type { OffloadBurst } from '../datapath/datapath.js';
import type { OffloadReport } from '../datapath/events.js';
import type { Arrival } from './offload_verdict.js';

export type Outcome =
  | ({ outcome: 'answered' } & Arrival)
  | { outcome: 'silence' }
  /** The kernel refused to send it; `error` is the name of an errno. */
  | { outcome: 'refused'; error: string };

export interface BurstSender {
  /** They throw when there is no such peer, or too much waits to be sent. */
  sendOffloadBurst(peer: string, burst: OffloadBurst): void;
  askAboutBurst(peer: string, nonce: bigint): void;
}

/** Milliseconds that an answer may take, the first time and when asked again. */
const patience = [300, 600, 1200];
/** What a burst lacks may only be late: after so long its far end is asked once more. */
const lateAfter = 100;

export class OffloadExchange {
  private readonly waiting = new Map<bigint, (report: OffloadReport | null) => void>();
  private readonly sleeping = new Set<() => void>();
  private stopped = false;

  constructor(private readonly sender: BurstSender) {}

  /** From the data plane. */
  report(report: OffloadReport): void {
    this.waiting.get(report.nonce)?.(report);
  }

  /** What is under way ends as silence. */
  stop(): void {
    this.stopped = true;
    for (const wake of [...this.sleeping]) wake();
    for (const resolve of [...this.waiting.values()]) resolve(null);
  }

  async burst(peer: string, shape: Omit<OffloadBurst, 'nonce'>): Promise<Outcome> {
    const nonce = randomBytes(8).readBigUInt64BE();
    let first = await this.answer(peer, nonce, () => this.sender.sendOffloadBurst(peer, { ...shape, nonce }));
    if (first !== null && first.error === null && first.missing.length > 0) {
      await this.sleep(lateAfter);
      first = (await this.answer(peer, nonce, () => this.sender.askAboutBurst(peer, nonce))) ?? first;
    }
    if (first === null) return { outcome: 'silence' };
    if (first.error !== null) return { outcome: 'refused', error: first.error };
    return { outcome: 'answered', sent: first.sent, missing: first.missing };
  }

  private async answer(peer: string, nonce: bigint, send: () => void): Promise<OffloadReport | null> {
    let say = send;
    for (const time of patience) {
      if (this.stopped) return null;
      const answered = this.next(nonce, time);
      try {
        say();
      } catch {
        this.waiting.get(nonce)?.(null);
        return null;
      }
      const report = await answered;
      if (report !== null) return report;
      say = () => this.sender.askAboutBurst(peer, nonce);
    }
    return null;
  }

  /** The next report about a burst; null when none comes in time. */
  private next(nonce: bigint, time: number): Promise<OffloadReport | null> {
    return new Promise((resolve) => {
      const done = (report: OffloadReport | null) => {
        clearTimeout(timer);
        this.waiting.delete(nonce);
        resolve(report);
      };
      const timer = setTimeout(() => done(null), time);
      this.waiting.set(nonce, done);
    });
  }

  private sleep(time: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.sleeping.delete(done);
        resolve();
      };
      const timer = setTimeout(done, time);
      this.sleeping.add(done);
    });
  }
}

/** Whether the daemon does its work: what load balancers, systemd and people ask. */
import type { Finding, Health } from '../api/schema.js';

/** The worker makes a round at least every 250 ms, so this long without one is no load but a fault. */
const longestRound = 2000;
const samplePeriod = 500;

export class HealthMonitor {
  private rounds = -1;
  private movedAt: number;
  private timer: NodeJS.Timeout | null = null;

  /** `readRounds` is the engine's counter; `now` is in milliseconds and never goes back. */
  constructor(
    private readonly readRounds: () => number,
    private readonly findings: () => readonly Finding[],
    private readonly now: () => number = () => performance.now(),
  ) {
    this.movedAt = now();
  }

  start(): void {
    this.timer = setInterval(() => this.sample(), samplePeriod);
    this.timer.unref();
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
  }

  sample(): void {
    const rounds = this.readRounds();
    if (rounds === this.rounds) return;
    this.rounds = rounds;
    this.movedAt = this.now();
  }

  health(): Health {
    this.sample();
    const stalled = this.now() - this.movedAt;
    if (stalled > longestRound) {
      return {
        status: 'failing',
        reasons: [`the datapath has stood still for ${Math.round(stalled / 1000)} s`],
      };
    }
    const reasons = this.findings()
      .filter(({ severity }) => severity !== 'info')
      .map(({ message, code }) => `${message} (${code})`);
    return { status: reasons.length === 0 ? 'ok' : 'degraded', reasons };
  }
}

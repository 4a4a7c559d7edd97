/**
 * Feeds systemd's watchdog (WatchdogSec=, sd_watchdog_enabled(3)) with what the data plane has done: not by the clock alone, for a timer
 * goes on while nothing is forwarded.
 */

/** The worker makes a round at least every 250 ms, so that two looks this far apart find another count. */
const leastPeriod = 500;

/** Milliseconds that systemd waits; null when it does not watch this process. Removes the variables from `env`. */
export function takeWatchdog(env: NodeJS.ProcessEnv, pid = process.pid): number | null {
  const { WATCHDOG_USEC: limit, WATCHDOG_PID: forPid } = env;
  delete env.WATCHDOG_USEC;
  delete env.WATCHDOG_PID;
  if (forPid !== undefined && forPid !== String(pid)) return null;
  return limit !== undefined && /^[1-9]\d{0,17}$/.test(limit) ? Number(limit) / 1000 : null;
}

export class Watchdog {
  private rounds = -1;
  private timer: NodeJS.Timeout | null = null;

  /** `limit` as {@link takeWatchdog} gives it; `readRounds` is the engine's counter. */
  constructor(
    private readonly limit: number,
    private readonly readRounds: () => number,
    private readonly feed: () => void,
  ) {}

  start(): void {
    this.timer = setInterval(() => this.look(), Math.max(this.limit / 4, leastPeriod));
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
  }

  /** On the event loop, so that one that hangs feeds nothing either. */
  look(): void {
    const rounds = this.readRounds();
    if (rounds === this.rounds) return;
    this.rounds = rounds;
    this.feed();
  }
}

/** What weftd takes of this machine, and how promptly its control plane gets to work. */
import { readdirSync, readFileSync } from 'node:fs';
import { makeHistogram, secondsSince } from './histogram.js';
import { lagSeconds } from './metrics/durations.js';

/** Milliseconds. Rare, so that a daemon at rest is not woken for it; what blocks longer than that is always seen. */
const lagPeriod = 500;

export interface ProcessUse {
  cpuSeconds: number;
  residentBytes: number;
  heapBytes: number;
  /** null where /proc does not tell. */
  openFds: number | null;
  maxFds: number | null;
  /** Seconds in which the thread of the control plane was not idle. */
  busySeconds: number;
}

export class ProcessMeter {
  /** How much later than asked for a timer was served. */
  readonly lag = makeHistogram(lagSeconds);
  readonly startedAt = Date.now() / 1000 - process.uptime();
  private timer: NodeJS.Timeout | null = null;

  start(): void {
    let asked = performance.now();
    this.timer = setInterval(() => {
      this.lag.observe(Math.max(0, secondsSince(asked) - lagPeriod / 1000));
      asked = performance.now();
    }, lagPeriod);
    this.timer.unref();
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
  }

  use(): ProcessUse {
    const { user, system } = process.cpuUsage();
    const { rss, heapUsed } = process.memoryUsage();
    return {
      cpuSeconds: (user + system) / 1e6,
      residentBytes: rss,
      heapBytes: heapUsed,
      openFds: orNull(() => readdirSync('/proc/self/fd').length),
      maxFds: orNull(openFileLimit),
      busySeconds: performance.eventLoopUtilization().active / 1000,
    };
  }
}

function openFileLimit(): number {
  const [, limit] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
  if (limit === undefined) throw new Error('the limit is not in /proc/self/limits');
  return Number(limit);
}

function orNull(read: () => number): number | null {
  try {
    return read();
  } catch {
    return null;
  }
}

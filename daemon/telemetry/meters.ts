/** What parts of the control plane measure of themselves for the metrics. */
import { makeHistogram, Tally } from './histogram.js';
import { apiSeconds, commitSeconds, roundSeconds, scrapeSeconds } from './metrics/durations.js';

/** Of the reconciler. */
export class RoundMeter {
  readonly seconds = makeHistogram(roundSeconds);
  failed = 0;
  /** By what a step does. */
  readonly steps = new Tally();
  readonly failedSteps = new Tally();

  round(seconds: number, failed: boolean): void {
    this.seconds.observe(seconds);
    if (failed) this.failed++;
  }
}

/** Of the state: one transaction is one commit to the disk. */
export class CommitMeter {
  readonly seconds = makeHistogram(commitSeconds);
  failed = 0;

  commit(seconds: number, failed: boolean): void {
    this.seconds.observe(seconds);
    if (failed) this.failed++;
  }
}

export interface ApiRequest {
  method: string;
  /** As the table of routes has it, so that no client makes series without end; `other` when there is none. */
  route: string;
  status: number;
}

/** Of the REST API. */
export class RequestMeter {
  private readonly counts = new Map<string, ApiRequest & { count: number }>();
  readonly seconds = makeHistogram(apiSeconds);

  request(request: ApiRequest, seconds: number): void {
    const status = Math.floor(request.status / 100);
    const key = `${request.method} ${request.route} ${status}`;
    const known = this.counts.get(key);
    if (known === undefined) this.counts.set(key, { ...request, status, count: 1 });
    else known.count++;
    this.seconds.observe({ route: request.route }, seconds);
  }

  /** `status` is its first digit. */
  all(): readonly (ApiRequest & { count: number })[] {
    return [...this.counts.values()];
  }
}

export class Meters {
  /** What making the text for a scrape took of the control plane's thread. */
  readonly scrapes = makeHistogram(scrapeSeconds);
  readonly rounds = new RoundMeter();
  readonly commits = new CommitMeter();
  readonly requests = new RequestMeter();
}

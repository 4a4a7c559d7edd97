/** Does a piece of work when it is asked for, but never more often than once in a period; requests between are answered by one run. */
export class Pace {
  private timer: NodeJS.Timeout | null = null;
  private stopped = false;
  private last = Number.NEGATIVE_INFINITY;

  /** `period` in milliseconds. */
  constructor(
    private readonly work: () => void,
    private readonly period: number,
  ) {}

  ask(): void {
    if (this.stopped || this.timer !== null) return;
    const wait = this.last + this.period - performance.now();
    if (wait <= 0) this.run();
    else this.timer = setTimeout(() => this.run(), wait);
  }

  /** For good. */
  stop(): void {
    this.stopped = true;
    if (this.timer !== null) clearTimeout(this.timer);
  }

  private run(): void {
    this.timer = null;
    this.last = performance.now();
    this.work();
  }
}

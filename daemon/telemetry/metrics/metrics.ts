/** The text of /metrics, made when it is asked for, and not more often than weftd can afford. */
import { Turns } from '../turns.js';
import { Exposition } from './exposition.js';
import { type MetricsParts, takeScrape } from './scrape.js';

/** The part of the thread's time that scrapes may take: one in so many. */
const share = 10;

export class Metrics {
  private readonly exposition: Exposition;
  private making: Promise<Buffer> | null = null;
  private last: { text: Buffer; until: number } | null = null;

  constructor(
    private readonly parts: MetricsParts,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.exposition = new Exposition(parts);
  }

  /**
   * Who asks while a text is being made gets that one, and who asks again at once the last one: it is nine times as long in force as
   * it took to make, milliseconds on most hosts.
   */
  text(): Promise<Buffer> {
    if (this.last !== null && this.now() < this.last.until) return Promise.resolve(this.last.text);
    this.making ??= this.make().finally(() => {
      this.making = null;
    });
    return this.making;
  }

  private async make(): Promise<Buffer> {
    const turns = new Turns();
    const text = await this.exposition.write(await takeScrape(this.parts, turns), turns);
    const busy = turns.total();
    this.parts.meters.scrapes.observe(busy / 1000);
    this.last = { text, until: this.now() + busy * (share - 1) };
    return text;
  }
}

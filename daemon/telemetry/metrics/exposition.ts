/** Writes metrics in Prometheus' text format 0.0.4, in short turns. */
import { Counter, Gauge, Registry } from 'prom-client';
import type { Turns } from '../turns.js';
import { sections } from './all.js';
import type { Labels, Metric, Sample } from './definition.js';
import type { MetricsParts, Scrape } from './scrape.js';

export const contentType = Registry.PROMETHEUS_CONTENT_TYPE;

/** Series that are held and written at once. A thousand take several milliseconds, too long for one turn. */
const mostAtOnce = 200;
/** Names come from people and from Docker; longer ones are cut. */
const longestValue = 256;

export class Exposition {
  private readonly registry = new Registry();
  private readonly holders: readonly Holder[];

  constructor(parts: MetricsParts) {
    this.holders = sections.flatMap(({ metrics }) =>
      metrics.map((metric) => holderOf(metric, this.registry, parts)),
    );
  }

  /** Not to be called again before it is done. */
  async write(scrape: Scrape, turns: Turns): Promise<Buffer> {
    const texts: Buffer[] = [];
    for (const { name, read, hold } of this.holders) {
      const samples = read(scrape);
      for (let from = 0; from === 0 || from < samples.length; from += mostAtOnce) {
        hold(samples.slice(from, from + mostAtOnce));
        const text = `${await this.registry.getSingleMetricAsString(name)}\n`;
        texts.push(Buffer.from(from === 0 ? text : withoutHead(text)));
        await turns.pause();
      }
      hold([]);
    }
    return Buffer.concat(texts);
  }
}

/** A metric in the registry. Its series are there only while they are written, since all of them are many. */
interface Holder {
  name: string;
  read(scrape: Scrape): readonly Sample[];
  /** These and no others. */
  hold(samples: readonly Sample[]): void;
}

function holderOf(metric: Metric, registry: Registry, parts: MetricsParts): Holder {
  const { name, help, labels } = metric;
  if (metric.type === 'histogram') {
    registry.registerMetric(metric.of(parts));
    return { name, read: () => [], hold: () => undefined };
  }
  const configuration = { name, help, labelNames: [...labels], registers: [registry] };
  const series = metric.type === 'gauge' ? new Gauge(configuration) : new Counter(configuration);
  const hold = (samples: readonly Sample[]): void => {
    series.reset();
    // One without labels is 0 after that, but what is not known must not be there.
    if (labels.length === 0) series.remove();
    // From nothing, so that what it grows by is what it is.
    for (const [values, value] of samples) series.inc(cut(values), value);
  };
  return { name, read: metric.read, hold };
}

function cut(labels: Labels): Labels {
  const values = Object.entries(labels);
  return values.every(([, value]) => value.length <= longestValue)
    ? labels
    : Object.fromEntries(values.map(([name, value]) => [name, value.slice(0, longestValue)]));
}

/** Without its help and type, which stand before the first of its series. */
function withoutHead(text: string): string {
  return text.slice(text.indexOf('\n', text.indexOf('\n') + 1) + 1);
}

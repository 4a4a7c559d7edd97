import * as vega from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import { numberText } from './number-text.js';
import { made } from './report.js';
import type { Result } from './results.js';
import { comparable, type FigureSummary, type SystemSummary } from './summary.js';

/** All figures of a group that more than one system has. */
export interface Chart {
  group: string;
  svg: string;
}

const COLUMNS = 2;
const BAR_PIXELS = 17;
const PLOT_PIXELS = 330;

/** An opaque ground of its own, so that it reads the same on light and dark pages. */
const colours = {
  ground: '#ffffff',
  frame: '#d0d7de',
  text: '#1f2328',
  faint: '#656d76',
  spread: '#424a53',
  subject: '#0969da',
  kernel: '#57606a',
  other: '#afb8c1',
};
const font = "-apple-system, 'Segoe UI', 'Noto Sans', Helvetica, Arial, sans-serif";

/** What is drawn of one figure of one system. */
interface Bar {
  system: string;
  /** Best first; those without a value last. */
  rank: number;
  /** Null where nothing was measured. */
  median: number | null;
  low: number | null;
  high: number | null;
  /** Where the text begins. */
  end: number;
  text: string;
  textColour: string;
  colour: string;
}

/** One chart a group, in the order of the figures. The same result gives the same text. */
export async function drawCharts(result: Result, figures: readonly FigureSummary[]): Promise<Chart[]> {
  const charts: Chart[] = [];
  for (const [group, shown] of comparable(figures)) {
    const spec = groupSpec(result, shown);
    const view = new vega.View(vega.parse(compile(spec).spec), { renderer: 'none' });
    const svg = await view.toSVG();
    view.finalize();
    charts.push({ group, svg: finished(svg) });
  }
  return charts;
}

function groupSpec(result: Result, figures: readonly FigureSummary[]): TopLevelSpec {
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    background: colours.ground,
    padding: 12,
    columns: COLUMNS,
    spacing: { row: 22, column: 30 },
    concat: figures.map((summary) => figureSpec(result, summary)),
    config: {
      aria: false,
      font,
      view: { stroke: null },
      axis: { labelColor: colours.text, labelFontSize: 11, domain: false, ticks: false, grid: false },
      title: {
        color: colours.text,
        subtitleColor: colours.faint,
        anchor: 'start',
        frame: 'group',
        fontSize: 13,
      },
    },
  };
}

function figureSpec(result: Result, { figure, systems }: FigureSummary) {
  const bars = barsOf(result, made(systems, result), figure.higherIsBetter);
  const highest = Math.max(...bars.map(({ end }) => end));
  const y = {
    field: 'system',
    type: 'nominal' as const,
    sort: { field: 'rank', op: 'min' as const },
    axis: { title: null, labelPadding: 6 },
  };
  // Room for the text behind the longest bar.
  const scale = { domain: [0, highest > 0 ? highest * 1.3 : 1] };
  const value = { type: 'quantitative' as const, scale, axis: null };
  return {
    title: {
      text: figure.title,
      subtitle: `${figure.unit}, ${figure.higherIsBetter ? 'more' : 'less'} is better`,
    },
    width: PLOT_PIXELS,
    height: { step: BAR_PIXELS },
    data: { values: bars },
    layer: [
      {
        mark: { type: 'bar' as const, height: { band: 0.72 } },
        encoding: {
          y,
          x: { field: 'median', ...value },
          color: { field: 'colour', type: 'nominal' as const, scale: null },
        },
      },
      {
        mark: { type: 'rule' as const, color: colours.spread, strokeWidth: 1.5 },
        encoding: { y, x: { field: 'low', ...value }, x2: { field: 'high' } },
      },
      ...(['low', 'high'] as const).map((field) => ({
        mark: { type: 'tick' as const, color: colours.spread, thickness: 1.5, size: 7 },
        encoding: { y, x: { field, ...value } },
      })),
      {
        mark: { type: 'text' as const, align: 'left' as const, dx: 5, fontSize: 11 },
        encoding: {
          y,
          x: { field: 'end', ...value },
          text: { field: 'text', type: 'nominal' as const },
          color: { field: 'textColour', type: 'nominal' as const, scale: null },
        },
      },
    ],
  };
}

function barsOf(result: Result, systems: readonly SystemSummary[], higherIsBetter: boolean): Bar[] {
  const goodness = ({ value }: SystemSummary) => {
    if (value === null) return Number.NEGATIVE_INFINITY;
    return higherIsBetter ? value.median : -value.median;
  };
  const sorted = systems.toSorted((a, b) => goodness(b) - goodness(a));
  return sorted.map(({ system, value }, rank) => {
    const layer = result.systems.find(({ key }) => key === system)?.layer;
    const { median, low, high } = value ?? { median: null, low: null, high: null };
    return {
      system: layer === 3 ? `${system} (L3)` : system,
      rank,
      ...{ median, low, high, end: high ?? 0 },
      text: median === null ? 'not measured' : numberText(median),
      textColour: median === null ? colours.faint : colours.text,
      colour: colourOf(system, result.subject),
    };
  });
}

function colourOf(system: string, subject: string): string {
  if (system === subject) return colours.subject;
  return system === 'kernel' ? colours.kernel : colours.other;
}

/** With a line around the ground, which separates it from a page as bright as itself, and the font said once. */
function finished(svg: string): string {
  const [, width = '0', height = '0'] = /viewBox="0 0 ([\d.]+) ([\d.]+)"/.exec(svg) ?? [];
  const size = `width="${Number(width) - 1}" height="${Number(height) - 1}"`;
  const frame = `<rect x="0.5" y="0.5" ${size} rx="6" fill="none" stroke="${colours.frame}"/>`;
  const attribute = ` font-family="${font}"`;
  const body = svg.replaceAll(attribute, '').replace('<svg', `<svg${attribute}`);
  return `${body.replace(/<\/svg>\s*$/, `${frame}</svg>`)}\n`;
}

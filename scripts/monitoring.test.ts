/** What config/ has for Prometheus and Grafana goes by metrics and labels that there are. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { commandTree, isGroup } from '../daemon/cli/tree.js';
import { sections } from '../daemon/telemetry/metrics/all.js';
import { dashboard } from './dashboard.js';
import { rows } from './dashboard-panels.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const metrics = new Map(sections.flatMap(({ metrics: all }) => all.map((metric) => [metric.name, metric])));

interface Alert {
  alert: string;
  expr: string;
  labels: { severity: string };
  annotations: { summary: string; description: string };
}

interface Case {
  name: string;
  input_series: { series: string }[];
  promql_expr_test: { expr: string; exp_samples: { labels: string }[] }[];
}

/** Commands of weft, by the words that choose them. */
const commands = new Map(
  commandTree.flatMap((entry) =>
    isGroup(entry)
      ? entry.commands.map((command) => [`${entry.name} ${command.name}`, command] as const)
      : [[entry.name, entry] as const],
  ),
);

const read = (name: string) => parse(readFileSync(join(root, 'config/prometheus', name), 'utf8'));
const alerts: Alert[] = read('weft.rules.yaml').groups[0].rules;
const cases: Case[] = read('weft.rules.test.yaml').tests;

/** Metrics of weft in an expression, with the labels by which it chooses among their series. */
function selectors(expr: string): { name: string; labels: string[] }[] {
  return [...expr.matchAll(/\b(weft_\w+)(?:\{([^}]*)\})?/g)].map(([, name = '', braces = '']) => ({
    name,
    labels: [...braces.matchAll(/(\w+)\s*[=!]~?=?\s*"/g)].map(([, label = '']) => label),
  }));
}

function expectKnown(expr: string): void {
  for (const { name, labels } of selectors(expr)) {
    const metric = metrics.get(name) ?? metrics.get(name.replace(/_bucket$/, ''));
    expect(metric, `${name} in ${expr}`).toBeDefined();
    if (metric?.type === 'histogram') expect(name, expr).toMatch(/_bucket$/);
    const known = [...(metric?.labels ?? []), 'job', 'instance', 'le'];
    expect(
      labels.filter((label) => !known.includes(label)),
      `labels of ${name} in ${expr}`,
    ).toEqual([]);
  }
}

describe('alerts', () => {
  it.each(alerts.map((alert) => [alert.alert, alert] as const))('%s is what it should be', (name, alert) => {
    expectKnown(alert.expr);
    expect(name).toMatch(/^Weft[A-Z]\w+$/);
    expect(['critical', 'warning', 'info']).toContain(alert.labels.severity);
    expect(Object.keys(alert.annotations)).toEqual(['summary', 'description']);
  });

  it.each(alerts.map((alert) => [alert.alert, alert] as const))('%s is tried', (name, { annotations }) => {
    const fires = cases.find((one) => one.name === `${name} fires`)?.promql_expr_test[0];
    const quiet = cases.find((one) => one.name === `${name} is quiet`)?.promql_expr_test[0];
    expect([fires?.expr, quiet?.expr]).toEqual(
      Array(2).fill(`ALERTS{alertname="${name}", alertstate="firing"}`),
    );
    expect([fires?.exp_samples.length, quiet?.exp_samples.length]).toEqual([1, 0]);
    // What it says can be filled in.
    const labels = [...(fires?.exp_samples[0]?.labels ?? '').matchAll(/(\w+)="/g)].map(([, label]) => label);
    const used = [
      ...Object.values(annotations)
        .join(' ')
        .matchAll(/\$labels\.(\w+)/g),
    ];
    expect(labels).toEqual(expect.arrayContaining(used.map(([, label]) => label)));
  });

  it.each(alerts.map(({ alert, annotations }) => [alert, annotations.description] as const))(
    '%s has whoever reads it type what there is',
    (_, description) => {
      for (const [, line = ''] of description.matchAll(/"weft ([^"]+)"/g)) {
        const words = line.split(' ');
        const command = commands.get(words.slice(0, 2).join(' ')) ?? commands.get(words[0] ?? '');
        expect(command, line).toBeDefined();
        const options = command?.options.map((option) => `--${option}`) ?? [];
        expect(options, line).toEqual(expect.arrayContaining(words.filter((word) => word.startsWith('--'))));
      }
    },
  );

  it('are tried with series that there are', () => {
    expect(cases).toHaveLength(2 * alerts.length);
    for (const { input_series: all } of cases)
      for (const { series } of all) if (!series.startsWith('up{')) expectKnown(series);
  });
});

describe('the dashboard', () => {
  const panels = rows.flatMap((row) => row.panels);

  it.each(panels.map((panel) => [panel.title, panel] as const))('%s asks for what there is', (_, panel) => {
    expect(panel.queries.length).toBeGreaterThan(0);
    for (const { expr, legend = '' } of panel.queries) {
      expectKnown(expr);
      // A legend names labels that are left by the grouping.
      const grouped = /\bby \(([^)]*)\)/.exec(expr)?.[1]?.split(/, */);
      const named = [...legend.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label);
      if (grouped !== undefined) expect(grouped).toEqual(expect.arrayContaining(named));
    }
  });

  it('lays its panels out beside each other', () => {
    const board = JSON.parse(dashboard('')) as {
      panels: { id: number; gridPos: { x: number; y: number; w: number; h: number } }[];
    };
    expect(board.panels).toHaveLength(panels.length + rows.length);
    expect(new Set(board.panels.map(({ id }) => id)).size).toBe(board.panels.length);
    const cells = board.panels.flatMap(({ gridPos: { x, y, w, h } }) => {
      expect(x + w).toBeLessThanOrEqual(24);
      return Array.from({ length: w * h }, (_, index) => `${x + (index % w)} ${y + Math.floor(index / w)}`);
    });
    expect(new Set(cells).size).toBe(cells.length);
  });

  it('shows most of what there is', () => {
    const shown = new Set(
      panels.flatMap(({ queries }) => queries.flatMap(({ expr }) => selectors(expr))).map(({ name }) => name),
    );
    expect(shown.size).toBeGreaterThan(metrics.size / 2);
  });
});

/** config/grafana/weft.json: the dashboard of Grafana, made of a short table of its panels. */
import { host, type Panel, rows } from './dashboard-panels.js';

const datasource = { type: 'prometheus', uid: '$datasource' } as const;

export function dashboard(notice: string): string {
  const panels: object[] = [];
  let y = 0;
  let id = 1;
  for (const row of rows) {
    panels.push({
      id: id++,
      type: 'row',
      title: row.title,
      collapsed: false,
      gridPos: { x: 0, y, w: 24, h: 1 },
      panels: [],
    });
    y++;
    let x = 0;
    for (const panel of row.panels) {
      if (x + panel.width > 24) {
        x = 0;
        y += row.height;
      }
      panels.push(drawn(panel, id++, { x, y, w: panel.width, h: row.height }));
      x += panel.width;
    }
    y += row.height;
  }
  const board = {
    uid: 'weft',
    title: 'weft',
    description: `Hosts with weft. ${notice}`,
    tags: ['weft', 'network'],
    schemaVersion: 39,
    version: 1,
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    timezone: '',
    annotations: {
      list: [
        {
          name: 'Starts of weftd',
          datasource,
          enable: true,
          iconColor: 'blue',
          target: { refId: 'Anno', expr: `changes(weft_process_start_time_seconds{${host}}[1m]) > 0` },
          titleFormat: 'weftd was started on {{instance}}',
        },
      ],
    },
    templating: {
      list: [
        { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus' },
        variable('job', 'Job', 'label_values(weft_build_info, job)', false),
        variable('instance', 'Host', 'label_values(weft_build_info{job="$job"}, instance)', true),
        variable('network', 'Network', `label_values(weft_network_info{${host}}, network)`, true),
      ],
    },
    panels,
  };
  return `${JSON.stringify(board, null, 2)}\n`;
}

function variable(name: string, label: string, query: string, many: boolean): object {
  const all = many
    ? { includeAll: true, multi: true, allValue: '.*', current: { text: 'All', value: '$__all' } }
    : {};
  const refresh = 2; // when the time range changes
  return { name, label, type: 'query', datasource, query: { query, refId: name }, refresh, sort: 1, ...all };
}

function drawn(panel: Panel, id: number, gridPos: object): object {
  const { title, about, kind, queries } = panel;
  return {
    id,
    type: kind,
    title,
    description: about,
    datasource,
    gridPos,
    fieldConfig: { defaults: defaults(panel), overrides: [] },
    options: options(kind),
    targets: queries.map(({ expr, legend }, index) => ({
      refId: String.fromCharCode('A'.charCodeAt(0) + index),
      datasource,
      expr,
      ...(legend === undefined ? {} : { legendFormat: legend }),
      ...(kind === 'timeseries' ? {} : { instant: true }),
      ...(kind === 'table' ? { format: 'table' } : {}),
    })),
    ...(kind === 'table' ? { transformations: [{ id: 'organize', options: columns(panel) }] } : {}),
  };
}

/** Time and the name of the metric say nothing in a table of what is now. */
function columns({ valueName }: Panel): object {
  const excludeByName = { Time: true, __name__: true, job: true };
  return valueName === undefined
    ? { excludeByName: { ...excludeByName, Value: true } }
    : { excludeByName, renameByName: { Value: valueName } };
}

function defaults({ kind, unit, warn, alarm, least, stacked = false }: Panel): object {
  const steps =
    least === undefined
      ? [
          { color: 'green', value: null },
          ...(warn === undefined ? [] : [{ color: 'yellow', value: warn }]),
          ...(alarm === undefined ? [] : [{ color: 'red', value: alarm }]),
        ]
      : [
          { color: 'red', value: null },
          { color: 'green', value: least },
        ];
  const lines = {
    drawStyle: 'line',
    lineWidth: 1,
    fillOpacity: stacked ? 30 : 5,
    showPoints: 'never',
    stacking: { mode: stacked ? 'normal' : 'none', group: 'A' },
  };
  return {
    unit,
    ...(kind === 'timeseries' ? { min: 0, custom: lines } : {}),
    ...(kind === 'stat' ? { thresholds: { mode: 'absolute', steps } } : {}),
  };
}

function options(kind: Panel['kind']): object {
  switch (kind) {
    case 'timeseries':
      return {
        legend: { displayMode: 'list', placement: 'bottom', showLegend: true, calcs: [] },
        tooltip: { mode: 'multi', sort: 'desc' },
      };
    case 'stat':
      return {
        reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
        colorMode: 'value',
        graphMode: 'none',
        textMode: 'auto',
        justifyMode: 'auto',
        orientation: 'auto',
      };
    case 'table':
      return {
        showHeader: true,
        cellHeight: 'sm',
        footer: { show: false, reducer: ['sum'], countRows: false, fields: '' },
      };
  }
}

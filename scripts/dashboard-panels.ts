/** What the dashboard of Grafana shows. */

interface Query {
  expr: string;
  legend?: string;
}

type Unit =
  | 'short'
  | 'pps'
  | 'Bps'
  | 'bps'
  | 'percentunit'
  | 's'
  | 'bytes'
  | 'bool_yes_no'
  | 'reqps'
  | 'ops'
  | 'none';

export interface Panel {
  title: string;
  /** What it shows, for the mark in its corner. */
  about: string;
  kind: 'timeseries' | 'stat' | 'table';
  unit: Unit;
  queries: readonly Query[];
  /** Of 24. */
  width: number;
  /** Values from which a stat is yellow and red. */
  warn?: number;
  alarm?: number;
  /** Below this a stat is red. */
  least?: number;
  stacked?: boolean;
  /** What the value in each line of a table is; without it, its labels say all. */
  valueName?: string;
}

/** Of the variables of the dashboard. */
export const host = 'job="$job", instance=~"$instance"';
const ofNetwork = `${host}, network=~"$network"`;
const rate = '$__rate_interval';
const named = 'on (instance, port) group_left (name) weft_port_info';

/** Rows of the dashboard, each of panels of one height. */
export const rows: readonly { title: string; height: number; panels: readonly Panel[] }[] = [
  {
    title: 'Overview',
    height: 4,
    panels: [
      {
        title: 'Hosts',
        about: 'Hosts whose weftd answers.',
        kind: 'stat',
        unit: 'none',
        width: 3,
        least: 1,
        queries: [{ expr: `sum(up{${host}})` }],
      },
      {
        title: 'Stopped data planes',
        about: 'Hosts whose weftd answers but forwards nothing.',
        kind: 'stat',
        unit: 'none',
        width: 3,
        alarm: 1,
        queries: [{ expr: `count(weft_healthy{${host}}) - sum(weft_healthy{${host}})` }],
      },
      {
        title: 'Errors',
        about: 'Findings of severity error: something does not work.',
        kind: 'stat',
        unit: 'none',
        width: 3,
        alarm: 1,
        queries: [{ expr: `sum(weft_findings{${host}, severity="error"})` }],
      },
      {
        title: 'Warnings',
        about: 'Findings of severity warning: something works less well than it should.',
        kind: 'stat',
        unit: 'none',
        width: 3,
        warn: 1,
        queries: [{ expr: `sum(weft_findings{${host}, severity="warning"})` }],
      },
      {
        title: 'Ports up',
        about: 'Ports that can forward, and all.',
        kind: 'stat',
        unit: 'none',
        width: 4,
        queries: [
          { expr: `sum(weft_ports{${host}, state="up"})`, legend: 'up' },
          { expr: `sum(weft_ports{${host}})`, legend: 'all' },
        ],
      },
      {
        title: 'Peers active',
        about: 'Peers from which datagrams come, summed over the hosts, and all but the hosts themselves.',
        kind: 'stat',
        unit: 'none',
        width: 4,
        queries: [
          { expr: `sum(weft_peers{${host}, state="active"})`, legend: 'active' },
          { expr: `sum(weft_peers{${host}, state!="self"})`, legend: 'all' },
        ],
      },
      {
        title: 'Versions',
        about: 'Hosts by version of weft.',
        kind: 'stat',
        unit: 'none',
        width: 4,
        queries: [{ expr: `count by (version) (weft_build_info{${host}})`, legend: '{{version}}' }],
      },
    ],
  },
  {
    title: 'What is wrong',
    height: 7,
    panels: [
      {
        title: 'Findings',
        about:
          'Objects by finding; "weft status" on the host names them, docs/findings.md explains the codes.',
        kind: 'table',
        unit: 'none',
        width: 10,
        valueName: 'objects',
        queries: [{ expr: `sum by (instance, severity, code) (weft_findings{${host}}) > 0` }],
      },
      {
        title: 'Drops by reason',
        about: 'Wire frames a second; docs/drops.md explains the reasons.',
        kind: 'timeseries',
        unit: 'pps',
        width: 14,
        stacked: true,
        queries: [
          {
            expr: `sum by (reason) (rate(weft_drops_total{${host}}[${rate}])) > 0`,
            legend: '{{reason}}',
          },
        ],
      },
    ],
  },
  {
    title: 'Frames',
    height: 8,
    panels: [
      {
        title: 'Received, by verdict',
        about: 'Wire frames a second from ports and peers: a super-frame counts its segments.',
        kind: 'timeseries',
        unit: 'pps',
        width: 8,
        stacked: true,
        queries: [
          { expr: `sum by (verdict) (rate(weft_frames_total{${host}}[${rate}]))`, legend: '{{verdict}}' },
          {
            expr: `sum(rate(weft_drops_total{${host}, stage="ingress"}[${rate}]))`,
            legend: 'dropped',
          },
        ],
      },
      {
        title: 'Worker',
        about: 'Part of the time in which the worker forwards. At 1 it is full, and frames are dropped.',
        kind: 'timeseries',
        unit: 'percentunit',
        width: 8,
        queries: [
          {
            expr: `clamp_min(1 - rate(weft_worker_idle_seconds_total{${host}}[${rate}]), 0)`,
            legend: '{{instance}}',
          },
        ],
      },
      {
        title: 'Datagrams lost before weft',
        about: 'The kernel dropped them, because the worker did not read them in time.',
        kind: 'timeseries',
        unit: 'pps',
        width: 8,
        queries: [{ expr: `rate(weft_underlay_overflow_total{${host}}[${rate}])`, legend: '{{instance}}' }],
      },
    ],
  },
  {
    title: 'Ports',
    height: 8,
    panels: [
      {
        title: 'From ports, the ten busiest',
        about: 'Bits a second that containers send.',
        kind: 'timeseries',
        unit: 'bps',
        width: 8,
        queries: [
          {
            expr: `topk(10, 8 * rate(weft_port_rx_bytes_total{${ofNetwork}}[${rate}]) * ${named})`,
            legend: '{{instance}} {{name}}',
          },
        ],
      },
      {
        title: 'To ports, the ten busiest',
        about: 'Bits a second that containers receive.',
        kind: 'timeseries',
        unit: 'bps',
        width: 8,
        queries: [
          {
            expr: `topk(10, 8 * rate(weft_port_tx_bytes_total{${ofNetwork}}[${rate}]) * ${named})`,
            legend: '{{instance}} {{name}}',
          },
        ],
      },
      {
        title: 'Drops, the ten worst ports',
        about: 'Wire frames a second that were received from a port or queued to it, and dropped.',
        kind: 'timeseries',
        unit: 'pps',
        width: 8,
        queries: [
          {
            expr: `topk(10, (rate(weft_port_rx_dropped_total{${ofNetwork}}[${rate}]) + rate(weft_port_tx_dropped_total{${ofNetwork}}[${rate}])) * ${named})`,
            legend: '{{instance}} {{name}}',
          },
        ],
      },
      {
        title: 'Frames in super-frames',
        about: 'Super-frames for each wire frame: the lower, the more frames travel together.',
        kind: 'timeseries',
        unit: 'short',
        width: 8,
        queries: [
          {
            expr: `sum by (instance) (rate(weft_port_rx_super_frames_total{${ofNetwork}}[${rate}])) / sum by (instance) (rate(weft_port_rx_frames_total{${ofNetwork}}[${rate}]) > 0)`,
            legend: '{{instance}} from ports',
          },
          {
            expr: `sum by (instance) (rate(weft_port_tx_super_frames_total{${ofNetwork}}[${rate}])) / sum by (instance) (rate(weft_port_tx_frames_total{${ofNetwork}}[${rate}]) > 0)`,
            legend: '{{instance}} to ports',
          },
        ],
      },
      {
        title: 'Ports that are not up',
        about: 'weft_port_info has the name of a port.',
        kind: 'table',
        unit: 'none',
        width: 8,
        queries: [{ expr: `(weft_port_up{${ofNetwork}} == 0) + ${named}` }],
      },
      {
        title: 'Refused by guards',
        about: 'Frames of ports with spoof: deny that claimed to be another: of the ten worst ports.',
        kind: 'timeseries',
        unit: 'pps',
        width: 8,
        queries: [
          {
            expr: `topk(10, rate(weft_port_refused_total{${ofNetwork}}[${rate}]) * ${named})`,
            legend: '{{instance}} {{name}} {{reason}}',
          },
        ],
      },
    ],
  },
  {
    title: 'Peers',
    height: 8,
    panels: [
      {
        title: 'To peers, the ten busiest',
        about: 'Bits a second of inner frames.',
        kind: 'timeseries',
        unit: 'bps',
        width: 8,
        queries: [
          {
            expr: `topk(10, 8 * rate(weft_peer_tx_bytes_total{${host}}[${rate}]))`,
            legend: '{{instance}} to {{peer}}',
          },
        ],
      },
      {
        title: 'From peers, the ten busiest',
        about: 'Bits a second of inner frames.',
        kind: 'timeseries',
        unit: 'bps',
        width: 8,
        queries: [
          {
            expr: `topk(10, 8 * rate(weft_peer_rx_bytes_total{${host}}[${rate}]))`,
            legend: '{{instance}} from {{peer}}',
          },
        ],
      },
      {
        title: 'Last heard',
        about: 'Time since the last datagram of a peer.',
        kind: 'timeseries',
        unit: 's',
        width: 8,
        queries: [
          { expr: `topk(10, weft_peer_idle_seconds{${host}})`, legend: '{{instance}} from {{peer}}' },
        ],
      },
      {
        title: 'State of peers',
        about: 'As in "weft peer ls".',
        kind: 'table',
        unit: 'none',
        width: 8,
        queries: [{ expr: `weft_peer_state{${host}, state!="self"}` }],
      },
      {
        title: 'Peers by hello',
        about: 'alive: weft, and answers. silent: weft, and does not answer any more. foreign: another make.',
        kind: 'timeseries',
        unit: 'none',
        width: 8,
        stacked: true,
        queries: [
          {
            expr: `count by (state) (weft_peer_hello_state{${host}})`,
            legend: '{{state}}',
          },
        ],
      },
      {
        title: 'Jitter',
        about: 'By how much round trips differ: the ten worst peers.',
        kind: 'timeseries',
        unit: 's',
        width: 8,
        queries: [
          { expr: `topk(10, weft_peer_jitter_seconds{${host}})`, legend: '{{instance}} to {{peer}}' },
        ],
      },
      {
        title: 'Round trip',
        about: 'To peers that are weft, by their answers to hellos: the ten longest.',
        kind: 'timeseries',
        unit: 's',
        width: 8,
        queries: [{ expr: `topk(10, weft_peer_rtt_seconds{${host}})`, legend: '{{instance}} to {{peer}}' }],
      },
      {
        title: 'Path MTU',
        about:
          'Bytes of the largest IP packet that the underlay carries to a peer: of the ten with the least.',
        kind: 'timeseries',
        unit: 'none',
        width: 8,
        queries: [
          { expr: `bottomk(10, weft_peer_path_mtu_bytes{${host}})`, legend: '{{instance}} to {{peer}}' },
        ],
      },
      {
        title: 'Without offloads',
        about: 'Peers and ports for which offloads were given up: frames flow, with more CPU time.',
        kind: 'timeseries',
        unit: 'none',
        width: 8,
        queries: [
          {
            expr: `count by (instance) (weft_peer_offload_enabled{${host}}) - sum by (instance) (weft_peer_offload_enabled{${host}})`,
            legend: '{{instance}} peers',
          },
          {
            expr: `count by (instance) (weft_port_offload_enabled{${host}}) - sum by (instance) (weft_port_offload_enabled{${host}})`,
            legend: '{{instance}} ports',
          },
        ],
      },
    ],
  },
  {
    title: 'Networks',
    height: 8,
    panels: [
      {
        title: 'FDB entries',
        about: 'MACs by network, as part of what the network may have.',
        kind: 'timeseries',
        unit: 'percentunit',
        width: 8,
        queries: [
          {
            expr: `sum by (instance, network) (weft_fdb_entries{${ofNetwork}}) / on (instance, network) weft_fdb_entries_limit`,
            legend: '{{instance}} {{network}}',
          },
        ],
      },
      {
        title: 'FDB changes',
        about:
          'Over all networks. Many moves are a loop; refused and evicted ones are a flood of made-up MACs.',
        kind: 'timeseries',
        unit: 'ops',
        width: 8,
        queries: [
          {
            expr: `sum by (change) (rate(weft_fdb_changes_total{${host}}[${rate}]))`,
            legend: '{{change}}',
          },
        ],
      },
      {
        title: 'Addresses given',
        about: 'Part of the addresses that a host may give to containers.',
        kind: 'timeseries',
        unit: 'percentunit',
        width: 8,
        queries: [
          {
            expr: `weft_pool_addresses{${host}, state="used"} / ignoring (state) sum without (state) (weft_pool_addresses{${host}})`,
            legend: '{{instance}} {{subnet}}',
          },
        ],
      },
    ],
  },
  {
    title: 'Control plane',
    height: 8,
    panels: [
      {
        title: 'Rounds of the reconciler',
        about: 'How long it takes to compare what should be with what is.',
        kind: 'timeseries',
        unit: 's',
        width: 8,
        queries: [
          { expr: quantile('0.5', 'weft_reconcile_round_seconds'), legend: '{{instance}} half of them' },
          { expr: quantile('0.99', 'weft_reconcile_round_seconds'), legend: '{{instance}} 99 of 100' },
        ],
      },
      {
        title: 'Steps that failed',
        about: 'They are tried again in the next round.',
        kind: 'timeseries',
        unit: 'ops',
        width: 8,
        queries: [
          {
            expr: `sum by (instance, step) (rate(weft_reconcile_steps_failed_total{${host}}[${rate}]))`,
            legend: '{{instance}} {{step}}',
          },
        ],
      },
      {
        title: 'Writing the state',
        about: '99 of 100 changes were on the disk after so long. Docker waits for it.',
        kind: 'timeseries',
        unit: 's',
        width: 8,
        queries: [{ expr: quantile('0.99', 'weft_state_commit_seconds'), legend: '{{instance}}' }],
      },
      {
        title: 'Requests to the API',
        about: 'By answer.',
        kind: 'timeseries',
        unit: 'reqps',
        width: 8,
        queries: [
          {
            expr: `sum by (route, status) (rate(weft_api_requests_total{${host}}[${rate}]))`,
            legend: '{{status}} {{route}}',
          },
        ],
      },
      {
        title: 'Requests of Docker',
        about: 'By outcome. refused: with a reason that Docker prints; failed: by a defect of weft.',
        kind: 'timeseries',
        unit: 'reqps',
        width: 8,
        queries: [
          {
            expr: `sum by (outcome) (rate(weft_docker_requests_total{${host}}[${rate}]))`,
            legend: '{{outcome}}',
          },
        ],
      },
      {
        title: 'How long requests take',
        about: '99 of 100 were answered after so long.',
        kind: 'timeseries',
        unit: 's',
        width: 8,
        queries: [
          { expr: quantile('0.99', 'weft_api_request_seconds'), legend: '{{instance}} API' },
          { expr: quantile('0.99', 'weft_docker_request_seconds'), legend: '{{instance}} Docker' },
        ],
      },
    ],
  },
  {
    title: 'Process',
    height: 8,
    panels: [
      {
        title: 'CPU time',
        about: 'Cores, all threads. Busy polling uses time that nobody else wants.',
        kind: 'timeseries',
        unit: 'short',
        width: 6,
        queries: [
          { expr: `rate(weft_process_cpu_seconds_total{${host}}[${rate}])`, legend: '{{instance}} all' },
          {
            expr: `rate(weft_control_busy_seconds_total{${host}}[${rate}])`,
            legend: '{{instance}} control plane',
          },
        ],
      },
      {
        title: 'Memory',
        about: 'Resident memory, and what the FDB has of it.',
        kind: 'timeseries',
        unit: 'bytes',
        width: 6,
        queries: [
          { expr: `weft_process_resident_memory_bytes{${host}}`, legend: '{{instance}}' },
          { expr: `weft_fdb_memory_bytes{${host}}`, legend: '{{instance}} FDB' },
        ],
      },
      {
        title: 'Lag of the control plane',
        about: 'How late it comes to a timer, 99 of 100 times: what a request may have to wait for.',
        kind: 'timeseries',
        unit: 's',
        width: 6,
        queries: [{ expr: quantile('0.99', 'weft_control_lag_seconds'), legend: '{{instance}}' }],
      },
      {
        title: 'Open files',
        about: 'Part of the files that weftd may have open. Every port needs one or two.',
        kind: 'timeseries',
        unit: 'percentunit',
        width: 6,
        queries: [
          {
            expr: `weft_process_open_fds{${host}} / weft_process_max_fds{${host}}`,
            legend: '{{instance}}',
          },
        ],
      },
    ],
  },
];

function quantile(part: string, metric: string): string {
  return `histogram_quantile(${part}, sum by (instance, le) (rate(${metric}_bucket{${host}}[${rate}])))`;
}

/** `weft status`. */
import type { Finding, Status } from '../../api/schema.js';
import { defineCommand } from '../command.js';
import { block } from '../layout.js';
import { count, duration, plural } from '../text.js';

/** More than a person reads; the worst come first. */
const mostFindings = 50;

export const status = defineCommand({
  syntax: 'status',
  describe:
    'Show what this host does and what is wrong with it. ' +
    'Counts are wire frames since the daemon started: every received one was unicast, flooded, consumed or dropped; ' +
    'every queued one was sent or dropped.',
  examples: [
    ['status', 'the whole picture, findings with their remedies last'],
    ['--json status | jq .findings', 'the findings for a script'],
  ],
  async run(_args, context) {
    context.show(await context.api.get<Status>('/v1/status'), render);
  },
});

function render(status: Status): string {
  const { underlay, offloads, frames } = status;
  const uptime = duration((Date.now() - Date.parse(status.startedAt)) / 1000);
  const text = block([
    ['Host', `${status.host.name} (${status.host.id})`],
    ['Daemon', `weft ${status.version}, PID ${status.pid}, up ${uptime}`],
    ['Kernel', status.kernel],
    ['Config', status.config ?? 'none'],
    [
      'Underlay',
      `${underlay.addresses.join(', ') || 'no address'}, UDP port ${underlay.port}, ${withReason(underlay)}`,
    ],
    [
      'Offloads',
      [
        `tso ${offloads.tso}, uso ${offloads.uso}, coalesce_tcp ${offloads.coalesceTcp}, coalesce_udp ${offloads.coalesceUdp}`,
        `udp_gso ${offloads.udpGso}, udp_gro ${offloads.udpGro}, carry_checksum ${offloads.carryChecksum}`,
      ],
    ],
    ['Networks', count(status.networks)],
    ['Ports', `${count(status.ports.total)}, ${count(status.ports.up)} up`],
    ['Peers', peers(status.peers)],
    ['Docker', docker(status.docker)],
    ['FDB', `${count(status.fdb.learned)} learned, ${count(status.fdb.declared)} declared`],
    [
      'Received',
      `${plural(frames.received, 'frame')}: ${count(frames.unicast)} unicast, ${count(frames.flooded)} flooded, ` +
        `${count(frames.consumed)} consumed, ${count(frames.dropped)} dropped`,
    ],
    [
      'Queued',
      `${plural(frames.queued, 'frame')}: ${count(frames.sent)} sent, ${count(frames.droppedEgress)} dropped`,
    ],
    ...pathMtu(status.pathMtu),
    ['Findings', status.findings.length === 0 ? 'none' : count(status.findings.length)],
  ]);
  const shown = status.findings.slice(0, mostFindings);
  const rest = status.findings.length - shown.length;
  const more = rest === 0 ? '' : `\n... and ${count(rest)} more: "weft --json status" has them all\n`;
  return text + shown.map(renderFinding).join('') + more;
}

function peers({ total, active, alive, silent, foreign }: Status['peers']): string {
  const kinds = Object.entries({ alive, silent, foreign }).filter(([, number]) => number > 0);
  const hello = kinds.map(([kind, number]) => `, ${count(number)} ${kind}`).join('');
  return `${count(total)}, ${count(active)} active${hello}`;
}

/** Where guests have packets that do not fit to a peer. */
function pathMtu({ answered, unanswered }: Status['pathMtu']): [string, string][] {
  if (answered + unanswered === 0) return [];
  const told = `${plural(answered, 'packet')} too big for a peer answered by ICMP`;
  return [
    [
      'Path MTU',
      unanswered === 0 ? told : `${told}, ${count(unanswered)} not (more than 100 a second from a port)`,
    ],
  ];
}

/** What Docker knows of weft, then what weft knows of Docker. */
function docker(seen: Status['docker']): string[] {
  if (seen.state === 'off') return ['off (docker.plugin)'];
  const { socket, state, reason, activated, engine, api, networks, endpoints } = seen;
  const asked =
    activated === null
      ? 'not asked for since weftd was started (Docker asks once after its own start)'
      : `asked for ${duration((Date.now() - Date.parse(activated)) / 1000)} ago`;
  const plugin =
    state === 'failed'
      ? `plugin failed: ${reason ?? 'the reason is not known'}`
      : `plugin on ${socket}, ${asked}`;
  return [
    plugin,
    engine === null
      ? `Docker cannot be asked for names: ${api ?? 'no answer yet'}`
      : `Docker ${engine} tells names`,
    `${plural(networks, 'network')}, ${plural(endpoints, 'endpoint')}`,
  ];
}

function withReason(part: { state: string; reason: string | null }): string {
  return part.reason === null ? part.state : `${part.state} (${part.reason})`;
}

function renderFinding(finding: Finding): string {
  return `\n${finding.severity} ${finding.code}: ${finding.object}, since ${finding.since}\n  ${finding.message}\n  ${finding.remedy}\n`;
}

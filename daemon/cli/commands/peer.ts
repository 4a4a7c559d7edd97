/** `weft peer`. */
import type { Peer, PeerCreate } from '../../api/schema.js';
import { peerAddress, segment, wholeNumber } from '../arguments.js';
import { defineCommand, type Group } from '../command.js';
import { counterProperties } from '../counters.js';
import { isRemote, usageError } from '../failure.js';
import { block, table } from '../layout.js';
import { duration, milliseconds } from '../text.js';

const ref = { type: 'string', describe: 'ID or address of the peer', demandOption: true } as const;

const add = defineCommand({
  syntax: 'add <address>',
  describe:
    'Add a peer: another host whose VTEP takes part in every network. ' +
    'A weftd, a Linux vxlan device and Open vSwitch are peers alike. Add each host to the others too.',
  positionals: {
    address: {
      type: 'string',
      describe: 'IPv4 address, IPv6 address or host name, with a port as 10.0.0.2:4789 or [fd00::2]:4789',
      demandOption: true,
    },
  },
  options: {
    port: {
      type: 'string',
      describe: 'UDP port of its VTEP, 1 to 65535 [default: underlay.port, which is 4789]',
    },
    checksum: {
      type: 'string',
      choices: ['full', 'zero'],
      describe: 'Outer UDP checksum: "zero" for receivers that refuse unfinished ones [default: full]',
    },
    offload: {
      type: 'string',
      choices: ['auto', 'off'],
      describe: 'UDP_SEGMENT towards this peer: "off" sends every datagram by itself [default: auto]',
    },
  },
  examples: [
    ['peer add 10.99.0.2', 'a host on the usual port'],
    ['peer add [fd00::2]:8472', 'over IPv6, on the port that Linux took before 4789 was assigned'],
    ['peer add ovs.example --checksum zero --offload off', 'Open vSwitch over AF_PACKET'],
  ],
  async run(args, context) {
    const { address, port } = peerAddress(args.address);
    const body: PeerCreate = { address };
    if (args.port !== undefined) {
      if (port !== null) throw usageError('the port is given twice, in <address> and with --port');
      body.port = wholeNumber('--port', args.port, 1, 65535);
    } else if (port !== null) {
      body.port = port;
    }
    if (args.checksum !== undefined) body.checksum = args.checksum;
    if (args.offload !== undefined) body.offload = args.offload;
    context.show(
      await context.api.post<Peer>('/v1/peers', body),
      (peer) => `Peer ${peer.id} (${peer.address}, UDP port ${peer.port}) is added${asAdded(peer)}.\n`,
    );
  },
});

const ls = defineCommand({
  syntax: 'ls',
  describe:
    'List the peers. HELLO says whether a weft host is there: alive, silent (it was), foreign (a VTEP of another make), or unknown. ' +
    'RTT is how long its answers take, IDLE the time since the last datagram from there.',
  examples: [['peer ls', 'one line a peer']],
  async run(_args, context) {
    const peers = await context.api.list<Peer>('/v1/peers');
    context.showList(peers, 'There are no peers.', (rows) =>
      table(
        rows,
        [
          { header: 'ID', cell: (row) => row.id },
          { header: 'ADDRESS', cell: (row) => row.address },
          { header: 'PORT', cell: (row) => String(row.port), right: true },
          {
            header: 'PATH-MTU',
            cell: (row) => (row.pathMtu === null ? '-' : String(row.pathMtu)),
            right: true,
          },
          { header: 'HELLO', cell: (row) => row.hello.state },
          { header: 'RTT', cell: rtt, right: true },
          { header: 'IDLE', cell: idle, right: true },
          { header: 'ORIGIN', cell: (row) => row.owner.kind },
          {
            header: 'STATE',
            cell: (row) => (row.reason === null ? row.state : `${row.state}: ${row.reason}`),
          },
        ],
        context,
      ),
    );
  },
});

const inspect = defineCommand({
  syntax: 'inspect <ref>',
  describe: 'Show one peer with its counters.',
  positionals: { ref },
  examples: [['peer inspect 10.99.0.2', 'by address']],
  async run(args, context) {
    context.show(await context.api.get<Peer>(`/v1/peers/${segment('<ref>', args.ref)}`), (peer) =>
      block([
        ['ID', peer.id],
        ['Address', peer.address],
        ['Endpoint', peer.endpoint ?? 'unresolved'],
        ['UDP port', String(peer.port)],
        ['Checksum', peer.checksum],
        [
          'Offload',
          peer.offloadDisabled === null ? peer.offload : `${peer.offload}, not used: ${peer.offloadDisabled}`,
        ],
        ['Offload check', checkedWhen(peer)],
        ['Inner checksums', peer.carryChecksum ? 'carried unfinished' : 'finished here'],
        ['Path MTU', pathMtu(peer)],
        ['Hello', hello(peer)],
        ...whoIsThere(peer),
        ['Origin', `${peer.owner.kind} ${peer.owner.ref}`],
        ['State', peer.reason === null ? peer.state : `${peer.state} (${peer.reason})`],
        ['Idle', idle(peer)],
        ...counterProperties(peer.counters),
      ]),
    );
  },
});

const check = defineCommand({
  syntax: 'check <ref>',
  describe:
    'Check now whether bursts that leave by UDP_SEGMENT arrive at a peer as they were sent, and how large a datagram may be, and print what came of it. ' +
    'weftd does so by itself now and then. Only another weftd answers.',
  positionals: { ref },
  examples: [['peer check 10.99.0.2', 'after an update of the kernel or of a driver']],
  async run(args, context) {
    const path = `/v1/peers/${segment('<ref>', args.ref)}/check`;
    context.show(
      await context.api.post<Peer>(path, {}),
      (peer) => `Peer ${peer.address}: ${checked(peer)}; path MTU ${pathMtu(peer)}.\n`,
    );
  },
});

const rm = defineCommand({
  syntax: 'rm <ref>',
  describe: 'Remove a peer. What was learned from it is forgotten.',
  positionals: { ref },
  options: {
    'if-exists': { type: 'boolean', describe: 'Succeed when there is no such peer [default: off]' },
  },
  examples: [['peer rm 10.99.0.2', 'by address']],
  async run(args, context) {
    try {
      await context.api.send('DELETE', `/v1/peers/${segment('<ref>', args.ref)}`);
    } catch (error) {
      if (args['if-exists'] !== true || !isRemote(error, ['WEFT_PEER_NOT_FOUND'])) throw error;
      context.say(`There is no peer "${args.ref}".`);
      return;
    }
    context.say(`Peer ${args.ref} is removed.`);
  },
});

function asAdded({ state, reason, idle }: Peer): string {
  if (state === 'self') return ', and ignored here: it is an address of this host';
  const why = reason === null ? '' : ` (${reason})`;
  if (state === 'silent' && idle === null) return `; nothing was heard from it yet${why}`;
  return ` and ${state}${why}`;
}

function checked({ offloadCheck: { state, detail } }: Peer): string {
  return detail === null ? state : `${state} (${detail})`;
}

function checkedWhen(peer: Peer): string {
  const { at } = peer.offloadCheck;
  if (at === null) return checked(peer);
  const ago = Math.max(0, Date.now() - Date.parse(at)) / 1000;
  return `${checked(peer)}, ${duration(ago)} ago`;
}

function pathMtu({ pathMtu: arrives, routeMtu }: Peer): string {
  if (arrives === null) return 'unknown';
  const more = routeMtu === null || routeMtu === arrives ? '' : `; the kernel knows only of ${routeMtu}`;
  return `${arrives} bytes${more}`;
}

function rtt({ hello: { rtt: time } }: Peer): string {
  return time === null ? '-' : milliseconds(time);
}

function hello({ hello: { state, rtt: time, jitter, reason } }: Peer): string {
  if (state === 'alive' && time !== null)
    return `${state}, RTT ${milliseconds(time)}, jitter ${milliseconds(jitter ?? 0)}`;
  return reason === null ? state : `${state} (${reason})`;
}

function whoIsThere({ hello: { host, version, seenAs } }: Peer): [string, string][] {
  if (host === null) return [];
  return [
    ['Host', `${host}, weft ${version}`],
    ['Sees us as', seenAs ?? 'unknown'],
  ];
}

function idle(peer: Peer): string {
  return peer.idle === null ? 'never heard' : duration(peer.idle);
}

export const peer: Group = {
  name: 'peer',
  describe: 'Add, list, inspect, check and remove peers: the VTEPs of other hosts.',
  commands: [add, ls, inspect, check, rm],
};

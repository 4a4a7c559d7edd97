/** `weft port`. */
import { resolve } from 'node:path';
import type { Network, Port, PortChange, PortCreate } from '../../api/schema.js';
import { mac, portAddress, segment } from '../arguments.js';
import { defineCommand, type Group } from '../command.js';
import { counterProperties } from '../counters.js';
import { isRemote } from '../failure.js';
import { block, table } from '../layout.js';
import { count } from '../text.js';

const ref = {
  type: 'string',
  describe: 'ID or --name of the port, IFNAME@NETNS, or IFNAME while only one port has it',
  demandOption: true,
} as const;

const spoof = {
  type: 'string',
  choices: ['allow', 'deny'] as const,
  describe:
    'Sources of what the namespace sends. allow: any. deny: only the MAC of the port and the addresses of --address, in Ethernet, ' +
    'ARP, neighbour discovery, IPv4 and IPv6; router advertisements, redirects and answers of DHCP are dropped too. ' +
    'Always allowed are the IPv6 link-local address that is made from the MAC, and what a host sends before it has an address ' +
    '(DHCP requests, ARP probes, DAD), so without --address nothing else of IP passes',
} as const;

const add = defineCommand({
  syntax: 'add <network> [ifname]',
  describe:
    'Attach a network namespace to a network. ' +
    'A TAP device appears there as IFNAME, up, with its MAC, its addresses and the MTU of the network; ' +
    'it keeps them when weftd restarts.',
  positionals: {
    network: { type: 'string', describe: 'Name of the network', demandOption: true },
    ifname: { type: 'string', describe: 'Name of the interface in the namespace [default: eth0]' },
  },
  options: {
    netns: {
      type: 'string',
      describe:
        'Network namespace: a name in /run/netns, a path, or the PID of a process in it [default: that of weftd]',
    },
    name: { type: 'string', describe: 'A unique name for the port' },
    mac: { type: 'string', describe: 'MAC of the interface [default: a random one]' },
    address: { type: 'string', array: true, describe: 'Address with prefix; once for each address' },
    spoof: { ...spoof, describe: `${spoof.describe} [default: allow]` },
  },
  examples: [
    ['port add blue --netns c1 --address 10.42.0.2/24', 'eth0 in the namespace c1'],
    ['port add blue net1 --netns 4711 --name web', 'net1 for the process 4711, called web'],
    ['port add blue --netns c1 --address 10.42.0.2/24 --spoof deny', 'c1 cannot send in the name of others'],
  ],
  async run(args, context) {
    segment('<network>', args.network);
    const body: PortCreate = { network: args.network };
    if (args.ifname !== undefined) body.ifname = args.ifname;
    if (args.netns !== undefined)
      body.netns = args.netns.includes('/') ? resolve(context.io.cwd, args.netns) : args.netns;
    if (args.name !== undefined) body.name = args.name;
    if (args.mac !== undefined) body.mac = mac('--mac', args.mac);
    if (args.address !== undefined) body.addresses = args.address.map(portAddress);
    if (args.spoof !== undefined) body.spoof = args.spoof;
    context.show(await context.api.post<Port>('/v1/ports', body), (port) => {
      const reason = port.reason === null ? '' : `: ${port.reason}`;
      return `Port ${port.id} (${place(port)}) is ${port.state} on network ${port.network}${reason}.\n`;
    });
  },
});

const ls = defineCommand({
  syntax: 'ls [network]',
  describe: 'List the ports of this host.',
  positionals: { network: { type: 'string', describe: 'Only the ports of this network' } },
  examples: [
    ['port ls', 'all ports'],
    ['port ls blue', 'those of blue'],
  ],
  async run(args, context) {
    const wanted = args.network;
    // The network is asked for first, so that a mistyped name is an error and not an empty list.
    if (wanted !== undefined) await context.api.get<Network>(`/v1/networks/${segment('<network>', wanted)}`);
    const all = await context.api.list<Port>('/v1/ports');
    const ports = wanted === undefined ? all : all.filter((port) => port.network === wanted);
    const nothing = wanted === undefined ? 'There are no ports.' : `Network ${wanted} has no ports.`;
    context.showList(ports, nothing, (rows) =>
      table(
        rows,
        [
          { header: 'ID', cell: (row) => row.id },
          { header: 'NAME', cell: (row) => row.name ?? '-' },
          ...(rows.some(({ container }) => container !== null)
            ? [{ header: 'CONTAINER', cell: (row: Port) => row.container ?? '-' }]
            : []),
          { header: 'NETWORK', cell: (row) => row.network },
          { header: 'INTERFACE', cell: place },
          { header: 'MAC', cell: (row) => row.mac },
          { header: 'ADDRESSES', cell: (row) => row.addresses.join(', ') || '-' },
          { header: 'SPOOF', cell: (row) => row.spoof },
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
  describe: 'Show one port with its counters.',
  positionals: { ref },
  examples: [
    ['port inspect web', 'by name'],
    ['port inspect eth0@c1', 'by interface and namespace'],
  ],
  async run(args, context) {
    context.show(await context.api.get<Port>(`/v1/ports/${segment('<ref>', args.ref)}`), (port) =>
      block([
        ['ID', port.id],
        ['Name', port.name ?? '-'],
        ...(port.container === null ? [] : [['Container', port.container] as const]),
        ['Network', port.network],
        ['Interface', port.ifname],
        [
          'Namespace',
          port.netns ?? (port.owner.kind === 'docker' ? 'that of its container' : 'that of weftd'),
        ],
        ['Attached by', port.attach],
        ['MAC', port.mac],
        ['Addresses', port.addresses],
        ['MTU', `${port.mtu} bytes of IP`],
        [
          'Sources',
          port.spoof === 'deny'
            ? 'only its own MAC and addresses (spoof: deny)'
            : 'any MAC and address (spoof: allow)',
        ],
        ['Origin', `${port.owner.kind} ${port.owner.ref}`],
        ['State', port.reason === null ? port.state : `${port.state} (${port.reason})`],
        ...(port.offloadDisabled === null ? [] : [['Gets single frames', port.offloadDisabled] as const]),
        ...counterProperties(port.counters),
        ...refused(port),
      ]),
    );
  },
});

const set = defineCommand({
  syntax: 'set <ref>',
  describe:
    'Change a port while it is in use. With deny, other MACs that were learned from it are forgotten. ' +
    'The ports of containers always have deny.',
  positionals: { ref },
  options: { spoof: { ...spoof, demandOption: true } },
  examples: [
    ['port set web --spoof deny', 'from its next frame on, web sends from its own MAC and addresses only'],
    ['port set web --spoof allow', 'a router or a bridge in the namespace works again'],
  ],
  async run(args, context) {
    const body: PortChange = { spoof: args.spoof };
    const path = `/v1/ports/${segment('<ref>', args.ref)}`;
    context.show(await context.api.patch<Port>(path, body), (port) => {
      const sources = port.spoof === 'deny' ? 'its own MAC and addresses only' : 'any MAC and address';
      return `Port ${port.id} (${place(port)}) may send from ${sources}.\n`;
    });
  },
});

const rm = defineCommand({
  syntax: 'rm <ref>',
  describe: 'Remove a port and its interface.',
  positionals: { ref },
  options: {
    'if-exists': { type: 'boolean', describe: 'Succeed when there is no such port [default: off]' },
  },
  examples: [
    ['port rm web', 'by name'],
    ['port rm eth0@c1 --if-exists', 'it is gone afterwards, whatever there was'],
  ],
  async run(args, context) {
    try {
      await context.api.send('DELETE', `/v1/ports/${segment('<ref>', args.ref)}`);
    } catch (error) {
      if (args['if-exists'] !== true || !isRemote(error, ['WEFT_PORT_NOT_FOUND'])) throw error;
      context.say(`There is no port "${args.ref}".`);
      return;
    }
    context.say(`Port ${args.ref} is removed.`);
  },
});

/** There once anything was refused, also while it is not any more. */
function refused({ refused: counts }: Port): [string, string][] {
  if (counts === null) return [];
  const { spoofedMac, spoofedAddress, rogueService } = counts;
  if (spoofedMac + spoofedAddress + rogueService === 0) return [];
  const reasons = `${count(spoofedMac)} spoofed_mac, ${count(spoofedAddress)} spoofed_address, ${count(rogueService)} rogue_service`;
  return [['Refused', `${reasons} (of those dropped)`]];
}

function place(port: Port): string {
  return port.netns === null ? port.ifname : `${port.ifname}@${port.netns}`;
}

export const port: Group = {
  name: 'port',
  describe: 'Add, list, inspect, change and remove ports: the TAP devices in network namespaces.',
  commands: [add, ls, inspect, set, rm],
};

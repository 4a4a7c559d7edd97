/** `weft network`. */
import type { Network, NetworkCreate } from '../../api/schema.js';
import { mtu, segment, subnet, wholeNumber } from '../arguments.js';
import { defineCommand, type Group } from '../command.js';
import { isRemote } from '../failure.js';
import { block, type Column, table } from '../layout.js';
import { count, shortId } from '../text.js';

const name = { type: 'string', describe: 'Name of the network', demandOption: true } as const;

const create = defineCommand({
  syntax: 'create <name>',
  describe:
    'Create a network: one Ethernet segment, the same on every host that has a network of this name. ' +
    'Without --vni the VNI follows from the name, so that all hosts agree on it.',
  positionals: { name },
  options: {
    vni: { type: 'string', describe: 'VXLAN network identifier, 1 to 16777214 [default: from the name]' },
    subnet: { type: 'string', array: true, describe: 'Subnet in CIDR form; once for each subnet' },
    mtu: { type: 'string', describe: 'Bytes of IP, or "auto": what fits through every path [default: auto]' },
    vlan: {
      type: 'string',
      choices: ['drop', 'pass'],
      describe: 'What happens to frames with a VLAN tag [default: drop]',
    },
  },
  examples: [
    ['network create blue', 'a network with all defaults'],
    [
      'network create blue --vni 42 --subnet 10.42.0.0/24 --subnet fd42::/64',
      'VNI and subnets of your choice',
    ],
  ],
  async run(args, context) {
    segment('<name>', args.name);
    const body: NetworkCreate = { name: args.name };
    if (args.vni !== undefined) body.vni = wholeNumber('--vni', args.vni, 1, 0xfffffe);
    if (args.subnet !== undefined) body.subnets = args.subnet.map(subnet);
    if (args.mtu !== undefined) body.mtu = mtu(args.mtu);
    if (args.vlan !== undefined) body.vlan = args.vlan;
    context.show(await context.api.post<Network>('/v1/networks', body), (network) => {
      const subnets = network.subnets.length === 0 ? '' : `, subnets ${network.subnets.join(', ')}`;
      return `Network ${network.name} is ready: VNI ${network.vni}, MTU ${network.mtu.effective}${subnets}.\n`;
    });
  },
});

const ls = defineCommand({
  syntax: 'ls',
  describe: 'List the networks of this host.',
  examples: [['network ls', 'one line a network']],
  async run(_args, context) {
    const networks = await context.api.list<Network>('/v1/networks');
    context.showList(networks, 'There are no networks.', (rows) =>
      table(
        rows,
        [
          { header: 'NAME', cell: (row) => row.name },
          { header: 'VNI', cell: (row) => String(row.vni), right: true },
          { header: 'MTU', cell: (row) => String(row.mtu.effective), right: true },
          { header: 'PORTS', cell: (row) => count(row.ports), right: true },
          { header: 'FDB', cell: (row) => count(row.fdb.learned + row.fdb.declared), right: true },
          { header: 'SUBNETS', cell: (row) => row.subnets.join(', ') || '-' },
          { header: 'ORIGIN', cell: (row) => row.owner.kind },
          ...(rows.some(({ engines }) => engines.length > 0)
            ? [{ header: 'DOCKER', cell: dockerNames } satisfies Column<Network>]
            : []),
        ],
        context,
      ),
    );
  },
});

const inspect = defineCommand({
  syntax: 'inspect <name>',
  describe: 'Show one network, with the networks of Docker that are on it.',
  positionals: { name },
  examples: [['network inspect blue', 'everything about blue']],
  async run(args, context) {
    const network = await context.api.get<Network>(`/v1/networks/${segment('<name>', args.name)}`);
    context.show(network, ({ mtu: size, fdb, ...rest }) =>
      block([
        ['Name', rest.name],
        ['VNI', String(rest.vni)],
        ['Subnets', rest.subnets],
        [
          'MTU',
          `${size.effective} bytes of IP (${size.declared === 'auto' ? 'auto' : `declared ${size.declared}`})`,
        ],
        ['VLAN', rest.vlan],
        ['Origin', `${rest.owner.kind} ${rest.owner.ref}`],
        ['Ports', count(rest.ports)],
        ['FDB', `${count(fdb.learned)} learned, ${count(fdb.declared)} declared`],
        ...(rest.engines.length === 0 ? [] : [['Docker', rest.engines.map(engineNetwork)] as const]),
      ]),
    );
  },
});

function dockerNames({ engines }: Network): string {
  return engines.map(({ id, name: given }) => given ?? shortId(id)).join(', ') || '-';
}

function engineNetwork({ id, name: given, subnets, internal }: Network['engines'][number]): string {
  const details = [subnets.join(', '), internal ? 'internal' : ''].filter((text) => text !== '').join(', ');
  return `network ${given ?? '(name not known)'} (${shortId(id)})${details === '' ? '' : `: ${details}`}`;
}

const rm = defineCommand({
  syntax: 'rm <name>',
  describe: 'Remove a network. One that still has ports is refused, unless --force removes them with it.',
  positionals: { name },
  options: {
    force: { type: 'boolean', describe: 'Remove its ports too [default: off]' },
    'if-exists': { type: 'boolean', describe: 'Succeed when there is no such network [default: off]' },
  },
  examples: [
    ['network rm blue', 'refused while blue has ports'],
    ['network rm blue --force --if-exists', 'blue is gone afterwards, whatever there was'],
  ],
  async run(args, context) {
    const query = { force: args.force === true ? 'true' : undefined };
    try {
      await context.api.send('DELETE', `/v1/networks/${segment('<name>', args.name)}`, { query });
    } catch (error) {
      if (args['if-exists'] !== true || !isRemote(error, ['WEFT_NETWORK_NOT_FOUND'])) throw error;
      context.say(`There is no network "${args.name}".`);
      return;
    }
    context.say(`Network ${args.name} is removed.`);
  },
});

export const network: Group = {
  name: 'network',
  describe: 'Create, list, inspect and remove networks.',
  commands: [create, ls, inspect, rm],
};

/** `weft fdb`. */
import type { FdbAdd, FdbEntry } from '../../api/schema.js';
import { mac, segment, wholeNumber } from '../arguments.js';
import { defineCommand, type Group } from '../command.js';
import { isRemote, usageError } from '../failure.js';
import { table } from '../layout.js';
import { count, duration } from '../text.js';

const network = { type: 'string', describe: 'Name of the network', demandOption: true } as const;
const address = { type: 'string', describe: 'MAC, such as 02:00:5e:10:00:01', demandOption: true } as const;

const ls = defineCommand({
  syntax: 'ls [network]',
  describe: 'List the FDB: which MAC is where. IDLE is the time since the last frame from the MAC.',
  positionals: { network: { type: 'string', describe: 'Only the entries of this network' } },
  options: {
    limit: { type: 'string', describe: 'Print this many entries at most [default: 10000]' },
  },
  examples: [
    ['fdb ls', 'the entries of all networks'],
    ['fdb ls blue --limit 20', 'the first 20 of blue'],
  ],
  async run(args, context) {
    if (args.network !== undefined) segment('<network>', args.network);
    const limit = args.limit === undefined ? undefined : wholeNumber('--limit', args.limit, 1, 1_000_000);
    const query = { network: args.network, limit };
    const { items: entries, more } = await context.api.page<FdbEntry>('/v1/fdb', query);
    const nothing =
      args.network === undefined ? 'The FDB is empty.' : `The FDB of network ${args.network} is empty.`;
    context.showList(entries, nothing, (rows) =>
      table(
        rows,
        [
          { header: 'NETWORK', cell: (row) => row.network },
          { header: 'MAC', cell: (row) => row.mac },
          { header: 'WHERE', cell: (row) => `${row.kind} ${row.label}` },
          { header: 'TYPE', cell: (row) => (row.frozen ? `${row.type}, frozen` : row.type) },
          { header: 'IDLE', cell: (row) => (row.type === 'static' ? '-' : duration(row.idle)), right: true },
        ],
        context,
      ),
    );
    if (more) context.remark(`These are the first ${count(entries.length)} entries; --limit N shows more.`);
  },
});

const add = defineCommand({
  syntax: 'add <network> <mac>',
  describe:
    'Declare where a MAC is. A declared entry beats learned ones, does not age, and survives restarts.',
  positionals: { network, mac: address },
  options: {
    port: { type: 'string', describe: 'It is behind this port (ID, name, IFNAME@NETNS)' },
    peer: { type: 'string', describe: 'It is behind this peer (ID or address)' },
  },
  examples: [
    ['fdb add blue 02:00:5e:10:00:01 --port web', 'behind a port of this host'],
    ['fdb add blue 02:00:5e:10:00:02 --peer 10.99.0.2', 'behind a peer'],
  ],
  async run(args, context) {
    segment('<network>', args.network);
    const body: FdbAdd = { network: args.network, mac: mac('<mac>', args.mac) };
    if ((args.port === undefined) === (args.peer === undefined))
      throw usageError('one of --port and --peer is needed');
    if (args.port !== undefined) body.port = args.port;
    if (args.peer !== undefined) body.peer = args.peer;
    context.show(
      await context.api.post<FdbEntry>('/v1/fdb', body),
      (entry) => `${entry.mac} is declared at ${entry.kind} ${entry.label} on network ${entry.network}.\n`,
    );
  },
});

const rm = defineCommand({
  syntax: 'rm <network> <mac>',
  describe: 'Remove a declared entry.',
  positionals: { network, mac: address },
  options: {
    'if-exists': {
      type: 'boolean',
      describe: 'Succeed when there is no such entry or network [default: off]',
    },
  },
  examples: [['fdb rm blue 02:00:5e:10:00:01', 'frames to it are flooded until it is learned again']],
  async run(args, context) {
    segment('<network>', args.network);
    const query = { network: args.network, mac: mac('<mac>', args.mac) };
    try {
      await context.api.send('DELETE', '/v1/fdb', { query });
    } catch (error) {
      if (args['if-exists'] !== true || !isRemote(error, ['WEFT_FDB_NOT_FOUND', 'WEFT_NETWORK_NOT_FOUND']))
        throw error;
      context.say(`Network ${query.network} has no FDB entry for ${query.mac}.`);
      return;
    }
    context.say(`The entry for ${query.mac} is removed from network ${query.network}.`);
  },
});

const flush = defineCommand({
  syntax: 'flush [network]',
  describe:
    'Forget what was learned. Declared entries stay; frames are flooded until their MACs are learned again.',
  positionals: { network: { type: 'string', describe: 'Only in this network [default: all]' } },
  examples: [['fdb flush blue', 'forget the learned entries of blue']],
  async run(args, context) {
    if (args.network !== undefined) segment('<network>', args.network);
    await context.api.send('POST', '/v1/fdb/flush', {
      body: args.network === undefined ? {} : { network: args.network },
    });
    context.say(
      args.network === undefined
        ? 'All learned entries are forgotten.'
        : `The learned entries of network ${args.network} are forgotten.`,
    );
  },
});

export const fdb: Group = {
  name: 'fdb',
  describe: 'List, declare, remove and flush the entries of the FDB: which MAC is where.',
  commands: [ls, add, rm, flush],
};

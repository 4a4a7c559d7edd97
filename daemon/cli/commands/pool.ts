/** `weft pool`. */
import type { Pool } from '../../api/schema.js';
import { WeftError } from '../../errors.js';
import { parseSubnet } from '../../model/address.js';
import { segment } from '../arguments.js';
import { defineCommand, type Group } from '../command.js';
import type { Context } from '../context.js';
import { isRemote } from '../failure.js';
import { block, table } from '../layout.js';
import { count, duration } from '../text.js';

const ls = defineCommand({
  syntax: 'ls',
  describe:
    'List the subnets that Docker has addresses from. ' +
    'RANGE is the part that this host gives from when no address is asked for; USED counts what is taken of it. ' +
    'SCOPE is the network that the subnet belongs to, or the subnet itself where none was named.',
  examples: [['pool ls', 'one line a subnet']],
  async run(_args, context) {
    const pools = await context.api.list<Pool>('/v1/pools');
    context.showList(pools, 'There are no pools.', (rows) =>
      table(
        rows,
        [
          { header: 'SUBNET', cell: (row) => row.subnet },
          { header: 'SCOPE', cell: (row) => row.scope },
          { header: 'RANGE', cell: (row) => row.range },
          { header: 'USED', cell: (row) => count(row.used), right: true },
          { header: 'SIZE', cell: (row) => grouped(row.size), right: true },
          { header: 'ID', cell: (row) => row.id },
        ],
        context,
      ),
    );
  },
});

const inspect = defineCommand({
  syntax: 'inspect <ref>',
  describe:
    'Show who has which address of a subnet. ' +
    'Several networks may have the same subnet: then each of its pools is shown. Gateways and auxiliary addresses are reserved on ' +
    'every host. With --json a list is printed, also of one pool.',
  positionals: { ref: { type: 'string', describe: 'ID of the pool, or its subnet', demandOption: true } },
  examples: [
    ['pool inspect 10.32.0.0/16', 'by subnet'],
    [
      `--json pool inspect 10.32.0.0/16 | jq '.[].leases[] | select(.address == "10.32.0.7")'`,
      'who has 10.32.0.7',
    ],
  ],
  async run(args, context) {
    const parsed = parseSubnet(args.ref);
    const wanted = 'subnet' in parsed ? parsed.subnet : null;
    const all = await context.api.list<Pool>('/v1/pools');
    const pools = all.filter(({ id, subnet }) => id === args.ref || subnet === wanted);
    if (pools.length === 0) throw new WeftError('WEFT_POOL_NOT_FOUND', { pool: args.ref });
    context.show(pools, (found) => found.map((pool) => render(pool, context)).join('\n'));
  },
});

const rm = defineCommand({
  syntax: 'rm <ref>',
  describe:
    'Remove a pool that a crash left: Docker ends pools itself with the networks that have them. ' +
    'Refused while a network of weft uses it or a port has an address of it. One with addresses that no port has is refused too, ' +
    'unless --force is given: containers on a network of another driver (--ipam-driver weft) may have them.',
  positionals: {
    ref: {
      type: 'string',
      describe: 'ID of the pool, or its subnet while one pool has it',
      demandOption: true,
    },
  },
  options: {
    force: { type: 'boolean', describe: 'Remove it although addresses of it were given [default: off]' },
    'if-exists': { type: 'boolean', describe: 'Succeed when there is no such pool [default: off]' },
  },
  examples: [
    ['pool rm 10.32.0.0/16', 'refused while somebody may have an address'],
    ['pool rm weft:1:10.32.0.0/16,network=blue --force', 'its addresses are given again'],
  ],
  async run(args, context) {
    const query = { force: args.force === true ? 'true' : undefined };
    try {
      await context.api.send('DELETE', `/v1/pools/${segment('<ref>', args.ref)}`, { query });
    } catch (error) {
      if (args['if-exists'] !== true || !isRemote(error, ['WEFT_POOL_NOT_FOUND'])) throw error;
      context.say(`There is no pool "${args.ref}".`);
      return;
    }
    context.say(`Pool ${args.ref} is removed.`);
  },
});

function render(pool: Pool, context: Context): string {
  const properties = block([
    ['ID', pool.id],
    ['Scope', pool.scope],
    ['Subnet', pool.subnet],
    ['Range', `${pool.range} (${grouped(pool.size)} addresses, ${count(pool.used)} used)`],
  ]);
  if (pool.leases.length === 0) return properties;
  const leases = table(
    pool.leases,
    [
      { header: 'ADDRESS', cell: (row) => row.address },
      { header: 'KIND', cell: (row) => row.kind },
      { header: 'CONTAINER', cell: (row) => row.name ?? '-' },
      { header: 'PORT', cell: (row) => row.port ?? '-' },
      { header: 'FOR', cell: (row) => duration((Date.now() - Date.parse(row.since)) / 1000), right: true },
    ],
    context,
  );
  return `${properties}\n${leases}`;
}

/** The sizes of IPv6 subnets are beyond what a number holds exactly. */
function grouped(digits: string): string {
  return digits.replace(/\B(?=(\d{3})+$)/g, ',');
}

export const pool: Group = {
  name: 'pool',
  describe: 'List, inspect and remove the subnets that Docker has addresses from.',
  commands: [ls, inspect, rm],
};

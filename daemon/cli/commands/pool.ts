/** `weft pool`. */
import type { Pool } from '../../api/schema.js';
import { WeftError } from '../../errors.js';
import { parseSubnet } from '../../model/address.js';
import { defineCommand, type Group } from '../command.js';
import type { Context } from '../context.js';
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
  describe: 'List and inspect the subnets that Docker has addresses from, and who has them.',
  commands: [ls, inspect],
};

/** `weft ps`. */
import type { Container, Network } from '../../api/schema.js';
import { segment } from '../arguments.js';
import { defineCommand } from '../command.js';
import { type Column, table } from '../layout.js';
import { bytes, count, shortId } from '../text.js';

export const ps = defineCommand({
  syntax: 'ps [network]',
  describe:
    'List the containers of this host that are on networks of weft. ' +
    'A container on two networks has two lines. RECEIVED is what weft received from it, SENT what it sent there, since the port ' +
    'was made. Names come from Docker: while it cannot be asked, an endpoint is shown by its ID in parentheses.',
  positionals: {
    network: {
      type: 'string',
      describe: 'Only the containers on this network, by its name here or that of Docker',
    },
  },
  options: {
    wide: {
      type: 'boolean',
      describe: 'Also container ID, image, interface, network of Docker, aliases and labels [default: off]',
    },
    'no-trunc': { type: 'boolean', describe: 'IDs in full [default: off]' },
  },
  examples: [
    ['ps', 'one line for each container and network'],
    ['ps blue --wide', 'all that is known of those on blue'],
    [`--json ps | jq -r '.[] | select(.name == "web").addresses[]'`, 'the addresses of web'],
  ],
  async run(args, context) {
    const wanted = args.network;
    // The network is asked for first, so that a mistyped name is an error and not an empty list.
    const found =
      wanted === undefined
        ? null
        : await context.api.get<Network>(`/v1/networks/${segment('<network>', wanted)}`);
    const all = await context.api.list<Container>('/v1/containers');
    const containers = wanted === undefined ? all : all.filter(({ network }) => network === found?.name);
    const nothing =
      wanted === undefined
        ? 'There are no containers on networks of weft.'
        : `Network ${wanted} has no containers here.`;
    const id = (value: string) => (args['no-trunc'] === true ? value : shortId(value));
    const usual = columns(id);
    context.showList(containers, nothing, (rows) =>
      table(rows, args.wide === true ? [...usual, ...furtherColumns(id)] : usual, context),
    );
  },
});

type Shorten = (id: string) => string;

function columns(id: Shorten): Column<Container>[] {
  return [
    { header: 'NAME', cell: (row) => row.name ?? `(${id(row.endpoint)})` },
    { header: 'NETWORK', cell: (row) => row.network },
    { header: 'ADDRESSES', cell: (row) => row.addresses.join(', ') || '-' },
    { header: 'MAC', cell: (row) => row.mac },
    { header: 'PORT', cell: (row) => row.port },
    { header: 'RECEIVED', cell: (row) => traffic(row.counters, 'rx'), right: true },
    { header: 'SENT', cell: (row) => traffic(row.counters, 'tx'), right: true },
    { header: 'STATE', cell: (row) => (row.reason === null ? row.state : `${row.state}: ${row.reason}`) },
  ];
}

function furtherColumns(id: Shorten): Column<Container>[] {
  return [
    { header: 'CONTAINER ID', cell: (row) => (row.id === null ? '-' : id(row.id)) },
    { header: 'IMAGE', cell: (row) => row.image ?? '-' },
    { header: 'INTERFACE', cell: (row) => row.ifname },
    { header: 'ENGINE NETWORK', cell: ({ engineNetwork }) => engineNetwork.name ?? id(engineNetwork.id) },
    { header: 'ALIASES', cell: (row) => row.aliases.join(', ') || '-' },
    {
      header: 'LABELS',
      cell: (row) =>
        Object.entries(row.labels)
          .map(([key, value]) => `${key}=${value}`)
          .join(', ') || '-',
    },
  ];
}

function traffic(counters: Container['counters'], direction: 'rx' | 'tx'): string {
  if (counters === null) return '-';
  const octets = direction === 'rx' ? counters.rxBytes : counters.txBytes;
  const frames = direction === 'rx' ? counters.rxFrames : counters.txFrames;
  return `${bytes(octets)} (${count(frames)})`;
}

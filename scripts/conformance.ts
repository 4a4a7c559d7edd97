/**
 * docs/conformance.md: what RFC 7348 asks for, what weft does, and which test shows it; and what passes with which foreign peer. The tests
 * of the former are found by their names, which begin with the number of the requirement, those of the latter by the calls that make
 * them (`speaksTo('linux4')`), so the page cannot claim a test that is not there.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

import {
  type Behaviour,
  behaviours,
  columns,
  type Mesh,
  type MeshBehaviour,
  meshBehaviours,
  type Variant,
} from '../tests/foreign/peers.js';

export interface Requirement {
  id: string;
  section: string;
  level: string;
  /** In our words. */
  asks: string;
  /** What weft does. */
  does: string;
}

export interface NamedTest {
  id: string;
  file: string;
  /** Without the number. */
  name: string;
}

/** Numbered and in the order of the RFC's normative text; the numbers are not the RFC's own. */
export const rfc7348: readonly Requirement[] = [
  {
    id: 'V1',
    section: '4.3',
    level: 'MUST NOT',
    asks: 'A VTEP does not fragment VXLAN packets.',
    does: 'Sends with DF (IPv4) and without fragmentation (IPv6). What does not fit is not sent; see V4.',
  },
  {
    id: 'V2',
    section: '4.3',
    level: 'MAY',
    asks: 'A VTEP may discard fragments that it receives.',
    does: 'Takes what the kernel puts together from them.',
  },
  {
    id: 'V3',
    section: '4.3',
    level: 'RECOMMENDED',
    asks: 'The MTU of the underlay has room for the encapsulated frame.',
    does: 'Ports get the MTU of the underlay less 50 bytes (IPv4) or 70 (IPv6). A declared MTU that does not fit is a finding in `weft status`.',
  },
  {
    id: 'V4',
    section: '4.3',
    level: 'MAY',
    asks: 'Path MTU discovery may be used.',
    does: 'Follows the path MTU to every peer, and tells guests with ICMP and ICMPv6 what fits; what does not is dropped as `too_big`.',
  },
  {
    id: 'V5',
    section: '5',
    level: 'MUST',
    asks: 'The I flag is set for a valid VNI.',
    does: 'Sets it, and drops what comes without it (`bad_vxlan_header`).',
  },
  {
    id: 'V6',
    section: '5',
    level: 'MUST',
    asks: 'The other seven flags are zero when sent and ignored on receipt.',
    does: 'As asked. (Linux drops packets with flags that it does not know.)',
  },
  {
    id: 'V7',
    section: '5',
    level: 'MUST',
    asks: 'The reserved 24 and 8 bits are zero when sent and ignored on receipt.',
    does: 'As asked.',
  },
  {
    id: 'V8',
    section: '5',
    level: 'definition',
    asks: 'A VNI has 24 bits, and different VNIs cannot communicate.',
    does: 'A network may have VNI 1 to 16777214. 16777215 is reserved for what hosts with weft tell each other.',
  },
  {
    id: 'V9',
    section: '5',
    level: 'SHOULD',
    asks: 'The destination port is 4789 by default.',
    does: 'As asked.',
  },
  {
    id: 'V10',
    section: '5',
    level: 'SHOULD',
    asks: 'The destination port can be configured.',
    does: '`underlay.port`, and `port` of a peer; datagrams are received on all of these ports.',
  },
  {
    id: 'V11',
    section: '5',
    level: 'RECOMMENDED',
    asks: 'The source port is a hash of the inner headers, from 49152 to 65535.',
    does: 'As many ports of this range as `underlay.source_ports` says (four), chosen at random; a hash of addresses, protocol and ports binds a flow to one of them.',
  },
  {
    id: 'V12',
    section: '5',
    level: 'SHOULD',
    asks: 'The outer UDP checksum is sent as zero.',
    does: 'Deviates: sends checksums, which segmentation offload needs and which IPv6 asks for. `checksum: zero` of a peer sends none.',
  },
  {
    id: 'V13',
    section: '5',
    level: 'MUST',
    asks: 'A packet with UDP checksum zero is accepted.',
    does: 'As asked, on IPv4 and IPv6.',
  },
  {
    id: 'V14',
    section: '5',
    level: 'MUST',
    asks: 'A checksum that is sent covers the IP pseudo-header, UDP, VXLAN and the inner frame.',
    does: 'As asked: the kernel or the network card computes it.',
  },
  {
    id: 'V15',
    section: '5',
    level: 'MAY, MUST',
    asks: 'A receiver may verify a checksum that is not zero, and then drops what fails.',
    does: 'The kernel verifies, drops, and counts it in `UdpInCsumErrors`.',
  },
  {
    id: 'V16',
    section: '5',
    level: 'definition',
    asks: 'The outer source is the address of the VTEP, the destination that of the VTEP behind which the inner destination is.',
    does: 'As asked. Datagrams whose source is no configured peer are dropped (`unknown_peer`), unless `underlay.accept` is `any`.',
  },
  {
    id: 'V17',
    section: '4.1',
    level: 'behaviour',
    asks: 'A VTEP checks the VNI of what it receives and learns the inner source MAC at the outer source address.',
    does: 'As asked. Nothing is learned from strangers, and nothing learned replaces what was declared.',
  },
  {
    id: 'V18',
    section: '4.2',
    level: 'behaviour',
    asks: 'Broadcast and unknown destinations go to a multicast group of the VNI, the answer by unicast.',
    does: 'Deviates: a copy goes to every peer (head-end replication); multicast groups are not joined. Answers are unicast.',
  },
  {
    id: 'V19',
    section: '6',
    level: 'SHOULD',
    asks: 'A gateway discards decapsulated frames with an inner VLAN tag and removes tags before it encapsulates, unless configured otherwise.',
    does: 'Discards them in both directions (`inner_vlan`); `vlan: pass` of a network forwards them unchanged.',
  },
  {
    id: 'V20',
    section: '6.1',
    level: 'SHOULD (NOT)',
    asks: 'A VTEP discards decapsulated frames with an inner VLAN tag and includes none when it encapsulates, unless configured otherwise.',
    does: 'The same.',
  },
  {
    id: 'V21',
    section: '7',
    level: 'security',
    asks: 'VXLAN has no authentication; other means protect the underlay.',
    does: 'Datagrams of strangers are dropped. Their address can be forged, so the underlay must be trusted or encrypted by other means.',
  },
];

/** Where their tests are; a name begins with the number of a requirement, or is about none. */
const testFiles = ['native/test/rfc7348_test.cc', 'tests/lab/rfc7348.test.ts'];

export function findTests(root: string): NamedTest[] {
  return testFiles.flatMap((file) => testsIn(file, readFileSync(join(root, file), 'utf8')));
}

/** `TEST_CASE("V5: …")` of doctest and `it('V5: …')` of vitest. */
export function testsIn(file: string, source: string): NamedTest[] {
  return [...source.matchAll(/(?:TEST_CASE\("|\bit\('|\bit\("|\bit\(`)(V\d+): (.*?)["'`](?:\)|,)/g)].map(
    ([, id = '', name = '']) => ({ id, file, name }),
  );
}

/** Throws when a requirement has no test, or a test is about a requirement that is not in the table. */
export function conformancePage(requirements: readonly Requirement[], tests: readonly NamedTest[]): string {
  for (const { id, file } of tests) {
    if (!requirements.some((requirement) => requirement.id === id))
      throw new Error(`${file}: there is no requirement ${id}`);
  }
  const rows = requirements.map(({ id, section, level, asks, does }) => {
    const own = tests.filter((test) => test.id === id);
    if (own.length === 0) throw new Error(`requirement ${id} has no test`);
    const names = own.map(({ file, name }) => `\`${basename(file)}\`: ${name}`);
    return `| ${id} | ${section} | ${level} | ${asks} | ${does} | ${names.join('; ')} |\n`;
  });
  return `# Conformance

## RFC 7348, VXLAN

What the RFC requires, in our words, and the tests that show what weft does; each row has at least one, named after its number, and all
of them run in \`sudo npm test\`. \`rfc7348_test.cc\` is in \`native/test\`, \`rfc7348.test.ts\` in \`tests/lab\`, where it runs over IPv4
and over IPv6.

| | section | level | what is asked | what weft does | tests |
|---|---|---|---|---|---|
${rows.join('')}`;
}

/** What the test files of foreign peers call. */
export interface ForeignCalls {
  /** `speaksTo('…')` */
  variants: string[];
  /** `meshOf('…')` */
  meshes: string[];
  /** `it('known: …')`, without the word. */
  known: string[];
}

export function findForeign(root: string): ForeignCalls {
  const dir = join(root, 'tests/foreign');
  const files = readdirSync(dir).filter((name) => name.endsWith('.test.ts'));
  return foreignIn(
    files
      .sort()
      .map((name) => readFileSync(join(dir, name), 'utf8'))
      .join('\n'),
  );
}

export function foreignIn(source: string): ForeignCalls {
  const all = (pattern: RegExp) => [...source.matchAll(pattern)].map(([, found = '']) => found);
  return {
    variants: all(/^speaksTo\('(.*)'\);$/gm),
    meshes: all(/^meshOf\('(.*)'\);$/gm),
    known: all(/^ *it\('known: (.*?)',/gm),
  };
}

/** Throws when a peer or a mesh of the tables is not tested, or tested twice. */
export function foreignSection(
  variants: readonly Variant[],
  meshes: readonly Mesh[],
  { variants: tested, meshes: testedMeshes, known }: ForeignCalls,
): string {
  const needs = (call: string, id: string, ids: string[]) => {
    const times = ids.filter((one) => one === id).length;
    if (times !== 1) throw new Error(`tests/foreign has ${times} of ${call}('${id}'), not one`);
  };
  for (const { id } of variants) needs('speaksTo', id, tested);
  for (const { id } of meshes) needs('meshOf', id, testedMeshes);

  const every = Object.keys(behaviours) as Behaviour[];
  const rows = variants.map(({ make, underlay, what, fails = {} }) =>
    row([make, familyName(underlay), what, ...every.map((behaviour) => fails[behaviour] ?? '✓')]),
  );
  const everyOfMesh = Object.keys(meshBehaviours) as MeshBehaviour[];
  const meshRows = meshes.map(({ makes, underlay }) =>
    row([makes.join(', '), familyName(underlay), ...everyOfMesh.map(() => '✓')]),
  );
  return `
## Foreign peers

What passes with VTEPs of other makes: each line is a set-up, and each ✓ is a test of it in \`tests/foreign\`, which \`sudo npm test\` runs. A
cell with words is what does not pass, and why.

${table(['peer', 'underlay', 'set-up', ...every.map((behaviour) => columns[behaviour])], rows)}
Both the weft host and the peer have two guests each, and what is sent goes both ways:

${every.map((behaviour) => `- ${columns[behaviour]}: ${behaviours[behaviour]}.\n`).join('')}
### Meshes of mixed make

Three hosts, all peers of each other, a guest on each, and one that moves from host to host.

${table(['hosts', 'underlay', ...everyOfMesh.map((behaviour) => meshBehaviours[behaviour])], meshRows)}
### What to know of peers

Each of these is shown by a test, too.

${known.map((sentence) => `- ${sentence}.\n`).join('')}`;
}

const familyName = (family: 'ipv4' | 'ipv6') => (family === 'ipv4' ? 'IPv4' : 'IPv6');

const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |\n`;

function table(head: readonly string[], rows: readonly string[]): string {
  return `${row(head)}|${'---|'.repeat(head.length)}\n${rows.join('')}`;
}

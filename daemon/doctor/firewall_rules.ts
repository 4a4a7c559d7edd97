/**
 * Reads rule sets for rules that look as if they drop VXLAN. It knows the plain ways to say so and no others: what it finds is a hint
 * beside a probe, never a proof.
 */

export interface SuspectRule {
  /** Packets that come to this host, or leave it. */
  direction: 'in' | 'out';
  /** As its tool prints it, or nearly so. */
  rule: string;
  /** What takes it away, or lets VXLAN pass it: a sentence without its full stop. */
  remedy: string;
  /** A chain that drops all that no rule lets through, and no rule names the port: other rules may let it through. */
  byDefault?: boolean;
}

interface NftItem {
  chain?: { family: string; table: string; name: string; hook?: string; policy?: string };
  rule?: { family: string; table: string; chain: string; handle?: number; expr?: unknown };
}

const incoming = ['input', 'prerouting', 'ingress'];
const outgoing = ['output', 'postrouting', 'egress'];

/** `nft -j list ruleset`. Nothing for text that is none. */
export function suspectsOfNft(json: string, port: number): SuspectRule[] {
  let items: NftItem[];
  try {
    const parsed: unknown = JSON.parse(json);
    const list = (parsed as { nftables?: unknown }).nftables;
    items = Array.isArray(list)
      ? (list.filter((item) => typeof item === 'object' && item !== null) as NftItem[])
      : [];
  } catch {
    return [];
  }
  const hooks = new Map(
    items.flatMap(({ chain }) =>
      chain?.hook === undefined ? [] : [[keyOf(chain.family, chain.table, chain.name), chain.hook] as const],
    ),
  );
  const accepted = items.some(
    ({ rule }) =>
      concerns(expressionsOf(rule), port) && expressionsOf(rule).some((one) => has(one, 'accept')),
  );
  const closed = items.flatMap(({ chain }): SuspectRule[] => {
    if (accepted || chain?.policy !== 'drop' || (chain.hook !== 'input' && chain.hook !== 'output'))
      return [];
    const place = `${chain.family} ${chain.table} ${chain.name}`;
    const remedy = `"nft insert rule ${place} udp dport ${port} accept" lets it through until the firewall is loaded again`;
    return [
      {
        direction: chain.hook === 'input' ? 'in' : 'out',
        rule: `nftables: ${place}: policy drop`,
        remedy,
        byDefault: true,
      },
    ];
  });
  const dropping = items.flatMap(({ rule }): SuspectRule[] => {
    if (rule === undefined || !dropsPort(expressionsOf(rule), port)) return [];
    const { family, table, chain, handle } = rule;
    // A chain without a hook is jumped to from others; most are from the way in.
    const direction = directionOf(hooks.get(keyOf(family, table, chain)) ?? 'input');
    if (direction === null) return [];
    const place = `${family} ${table} ${chain}`;
    const verdict = expressionsOf(rule).some((one) => has(one, 'reject')) ? 'reject' : 'drop';
    return [
      {
        direction,
        rule: `nftables: ${place}: udp dport ${port} ${verdict}`,
        remedy: `"nft delete rule ${place} handle ${handle ?? 'N'}" removes it until the firewall is loaded again`,
      },
    ];
  });
  return [...dropping, ...closed];
}

function keyOf(...parts: string[]): string {
  return parts.join('\0');
}

function directionOf(hook: string): SuspectRule['direction'] | null {
  if (incoming.includes(hook)) return 'in';
  return outgoing.includes(hook) ? 'out' : null;
}

function expressionsOf(rule: NftItem['rule']): unknown[] {
  return Array.isArray(rule?.expr) ? rule.expr : [];
}

function has(value: unknown, key: string): boolean {
  return typeof value === 'object' && value !== null && key in value;
}

interface Match {
  op?: string;
  left?: { payload?: { protocol?: string; field?: string } };
  right?: unknown;
}

function dropsPort(expressions: readonly unknown[], port: number): boolean {
  return expressions.some((one) => has(one, 'drop') || has(one, 'reject')) && concerns(expressions, port);
}

/** It matches on this destination port of UDP. */
function concerns(expressions: readonly unknown[], port: number): boolean {
  return expressions.some((one) => {
    if (!has(one, 'match')) return false;
    const { match } = one as { match: Match | null };
    const { protocol = '', field } = match?.left?.payload ?? {};
    if (field !== 'dport' || (protocol !== 'udp' && protocol !== 'th')) return false;
    const covers = coversPort(match?.right, port);
    return match?.op === '!=' ? !covers : covers;
  });
}

/** A number, a range, or a set of them. */
function coversPort(right: unknown, port: number): boolean {
  if (typeof right === 'number') return right === port;
  if (typeof right !== 'object' || right === null) return false;
  const { range, set } = right as { range?: unknown; set?: unknown };
  if (Array.isArray(set)) return set.some((one) => coversPort(one, port));
  if (!Array.isArray(range)) return false;
  const [first, last] = range as unknown[];
  return typeof first === 'number' && typeof last === 'number' && first <= port && port <= last;
}

/** `iptables-save` or `ip6tables-save`. */
export function suspectsOfIptables(
  text: string,
  port: number,
  tool: 'iptables' | 'ip6tables',
): SuspectRule[] {
  let table = 'filter';
  const lines = text.split('\n');
  const accepted = lines.some((line) => line.endsWith(' -j ACCEPT') && namesPort(line, port));
  const closed = lines.flatMap((line): SuspectRule[] => {
    const [, chain = ''] = /^:(INPUT|OUTPUT) DROP\b/.exec(line) ?? [];
    if (chain === '' || accepted) return [];
    const remedy = `"${tool} -I ${chain} -p udp --dport ${port} -j ACCEPT" lets it through until the firewall is loaded again`;
    return [
      {
        direction: chain === 'INPUT' ? 'in' : 'out',
        rule: `${tool}: -P ${chain} DROP`,
        remedy,
        byDefault: true,
      },
    ];
  });
  const dropping = lines.flatMap((line): SuspectRule[] => {
    table = /^\*(\w+)/.exec(line)?.[1] ?? table;
    const [, chain = ''] = /^-A (\S+)/.exec(line) ?? [];
    if (chain === '' || !/ -j (DROP|REJECT)\b/.test(line) || !namesPort(line, port)) return [];
    const direction = chain.toUpperCase().startsWith('OUT') || chain === 'POSTROUTING' ? 'out' : 'in';
    const where = table === 'filter' ? '' : ` -t ${table}`;
    return [
      {
        direction,
        rule: `${tool}: ${line}`,
        remedy: `"${tool}${where} ${line.replace(/^-A/, '-D')}" removes it until the firewall is loaded again`,
      },
    ];
  });
  return [...dropping, ...closed];
}

function namesPort(line: string, port: number): boolean {
  const [, not = '', ports = ''] = /( !)? --dports? (\S+)/.exec(line) ?? [];
  if (ports === '' || !/ -p udp\b/.test(line)) return false;
  return (not === '') === ports.split(',').some((one) => withinPorts(one, port));
}

function withinPorts(text: string, port: number): boolean {
  const [first, last = first] = text.split(':').map(Number);
  return first !== undefined && last !== undefined && first <= port && port <= last;
}

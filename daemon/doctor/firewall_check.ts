/** Whether datagrams for the VXLAN port reach weftd: tried from this host, where the truth can be seen, and read in the rules beside it. */
import type { Drop } from '../api/schema.js';
import type { ApiClient } from '../cli/client.js';
import { type Check, error, ok, skipped, type Verdict, warning } from './check.js';
import type { Facts } from './facts.js';
import { type SuspectRule, suspectsOfIptables, suspectsOfNft } from './firewall_rules.js';
import type { Machine } from './machine.js';

const burst = 20;
const attempts = 3;
/** Milliseconds in which datagrams of this host arrive, on a busy one too. */
const patience = 1500;
const step = 50;

/** A datagram of a source that is no peer, on a VNI that no network has: weftd counts it and does nothing else. */
const payload = new Uint8Array([0x08, 0, 0, 0, 0xff, 0xff, 0xff, 0, ...Array.from({ length: 60 }, () => 0)]);

export function firewallCheck(api: Pick<ApiClient, 'list'>): Check {
  return {
    name: 'firewall',
    looksAt:
      'No firewall rule of this host eats datagrams for the VXLAN port: a probe to its own address arrives, and no rule reads as if it dropped them.',
    ofNetwork: true,
    async examine(facts) {
      const { machine, daemon } = facts;
      const port = daemon.state === 'answers' ? daemon.status.underlay.port : facts.config.underlay.port;
      const rules = await suspects(machine, port);
      const addresses = addressesToTry(facts);
      if (addresses.length === 0)
        return [skipped('this host has no address to try'), ...hints(rules ?? [], facts)];
      const verdicts: Verdict[] = [];
      for (const address of addresses) {
        const lost =
          daemon.state === 'answers'
            ? await tryDaemon(api, machine, address, port)
            : await tryAlone(machine, address, port);
        verdicts.push(...judge(lost, address, port, rules ?? []));
      }
      const complaints = verdicts.filter(({ result }) => result !== 'ok');
      if (complaints.some(({ result }) => result === 'error')) return complaints;
      const hinted = hints(rules ?? [], facts);
      if (complaints.length + hinted.length > 0) return [...complaints, ...hinted];
      const read =
        rules === null ? `; its rules were not read${machine.uid === 0 ? '' : ', which needs root'}` : '';
      return [ok(`what is sent to UDP port ${port} of ${addresses.join(' and ')} arrives${read}`)];
    },
  };
}

/** One of each family at most. */
function addressesToTry({ daemon, config, targets, native, machine }: Facts): string[] {
  const told = daemon.state === 'answers' ? daemon.status.underlay.addresses : config.underlay.addresses;
  const own = new Set(machine.addresses().map(({ address }) => address));
  const present = told.filter((address) => own.has(address));
  if (present.length > 0 || 'problem' in native) return present;
  const sources = targets.flatMap(({ address }) => {
    try {
      return [native.sourceAddress(address)];
    } catch {
      return [];
    }
  });
  return [false, true].flatMap((ipv6) => sources.find((one) => one.includes(':') === ipv6) ?? []);
}

type Loss =
  | { kind: 'arrived' }
  | { kind: 'refused'; code: string }
  | { kind: 'lost'; received: number }
  | { kind: 'unknown'; reason: string };

/** Counts what weftd drops as sent by nobody it knows. */
async function tryDaemon(
  api: Pick<ApiClient, 'list'>,
  machine: Machine,
  address: string,
  port: number,
): Promise<Loss> {
  const counted = async (): Promise<number> => {
    const drops = await api.list<Drop>('/v1/drops');
    const own = drops.filter(({ reason }) => reason === 'unknown_peer' || reason === 'unknown_vni');
    return own.reduce((sum, { count }) => sum + count, 0);
  };
  const first = await counted();
  await machine.wait(200);
  const noise = (await counted()) - first;
  if (noise >= 4)
    return {
      kind: 'unknown',
      reason: 'too much comes from strangers to tell a probe from it ("weft drops --watch")',
    };
  return await tryOften(machine, address, port, counted);
}

/** With weftd away its port is free, and this process takes its place for a moment. */
async function tryAlone(machine: Machine, address: string, port: number): Promise<Loss> {
  try {
    const receiver = await machine.receive(address, port);
    try {
      return await tryOften(machine, address, port, async () => receiver.received);
    } finally {
      receiver.close();
    }
  } catch (thrown) {
    return {
      kind: 'unknown',
      reason: `UDP port ${port} cannot be opened (${(thrown as NodeJS.ErrnoException).code})`,
    };
  }
}

async function tryOften(
  machine: Machine,
  address: string,
  port: number,
  counted: () => Promise<number>,
): Promise<Loss> {
  let received = 0;
  for (let attempt = 0; attempt < attempts; attempt++) {
    const before = await counted();
    try {
      await machine.sendDatagrams(address, port, payload, burst);
    } catch (thrown) {
      return { kind: 'refused', code: (thrown as NodeJS.ErrnoException).code ?? String(thrown) };
    }
    for (let waited = 0; waited < patience; waited += step) {
      received = (await counted()) - before;
      if (received >= burst) return { kind: 'arrived' };
      await machine.wait(step);
    }
  }
  return { kind: 'lost', received };
}

function judge(loss: Loss, address: string, port: number, rules: readonly SuspectRule[]): Verdict[] {
  if (loss.kind === 'arrived') return [ok('')];
  if (loss.kind === 'unknown') return [skipped(loss.reason)];
  const details = rules.map(({ rule }) => rule);
  const [first] = rules;
  const iptables = address.includes(':') ? 'ip6tables' : 'iptables';
  const open = `"nft insert rule inet filter input udp dport ${port} accept", "${iptables} -I INPUT -p udp --dport ${port} -j ACCEPT", "ufw allow ${port}/udp" or "firewall-cmd --add-port=${port}/udp"`;
  const remedy =
    first === undefined
      ? `Find the rule ("nft list ruleset", "${iptables}-save"), and let UDP port ${port} in and out: ${open}.`
      : `${first.remedy}; take it out of where the firewall is loaded from as well.`;
  const message =
    loss.kind === 'refused'
      ? `a firewall of this host refuses what is sent to UDP port ${port} of ${address} (${loss.code})`
      : loss.received > 0
        ? `of ${burst} datagrams from this host to its UDP port ${port} of ${address} only ${loss.received} arrive`
        : `nothing that this host sends to its UDP port ${port} of ${address} arrives: a firewall rule drops it`;
  return [error(message, remedy, details)];
}

/** Rules that let this host's own probe pass may drop what comes from others. Peers that are heard say that they do not. */
function hints(rules: readonly SuspectRule[], { daemon, targets }: Facts): Verdict[] {
  const heard = daemon.state === 'answers' && daemon.peers.some(({ state }) => state === 'active');
  // Other rules than those that name the port may let peers through.
  const telling = rules.filter(({ byDefault }) => byDefault !== true || (!heard && targets.length > 0));
  return telling.map(({ rule, remedy, direction }) => {
    const sentence = `a rule looks as if it dropped VXLAN on its way ${direction}: ${rule}`;
    const also = heard ? ', though at least one peer is heard' : '';
    return warning(sentence + also, `Where it is not meant for strangers alone: ${remedy}.`);
  });
}

/** null when none of them can be read. */
async function suspects(machine: Machine, port: number): Promise<SuspectRule[] | null> {
  if (machine.uid !== 0) return null;
  const [nft, iptables, ip6tables] = await Promise.all(
    [['nft', '-j', 'list', 'ruleset'], ['iptables-save'], ['ip6tables-save']].map((argv) =>
      machine.run(argv, 10),
    ),
  );
  if (nft === null && iptables === null && ip6tables === null) return null;
  const viaNft = nft?.status === 0 ? suspectsOfNft(nft.stdout, port) : [];
  const viaIptables = suspectsOfIptables(iptables?.stdout ?? '', port, 'iptables');
  const viaIp6tables = suspectsOfIptables(ip6tables?.stdout ?? '', port, 'ip6tables');
  // iptables writes nftables today, so both may show one rule; the one that iptables shows is changed by iptables.
  const covered = new Set([...viaIptables, ...viaIp6tables].map(({ direction }) => direction));
  return [
    ...viaIptables,
    ...viaIp6tables,
    ...viaNft.filter(
      ({ rule, direction }) => !/nftables: ip6? filter /.test(rule) || !covered.has(direction),
    ),
  ];
}

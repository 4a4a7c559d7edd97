/** What must hold after any scenario, whatever it did, asked of every host and every namespace of a lab. */
import { expect } from 'vitest';
import type { Drop, Finding, Status } from '../../daemon/api/schema.js';
import type { Host } from '../../lab/host.js';
import type { Lab } from '../../lab/lab.js';
import type { Namespace } from '../../lab/namespace.js';
import { until } from '../../lab/wait.js';

/** What a scenario does on purpose, and nothing else may be seen of. */
export interface Exceptions {
  /** Reasons for which frames may have been dropped. */
  drops?: readonly string[];
  /** Codes of findings that may be there. */
  findings?: readonly string[] | 'any';
  /** MACs that are at no port of the lab may be in the MAC tables: made up by a guest, behind a foreign VTEP, or gone again. */
  otherMacs?: boolean;
  /** Datagrams may be lost or be counted by one end only: a host began anew, the path was cut, or somebody else sends too. */
  unequalEnds?: boolean;
  /** The host behind an address that a NAT has for it, by that address. */
  translated?: Readonly<Record<string, Host>>;
}

/** A host without a port on a network gets the broadcasts of it all the same, and has nowhere to send them. */
const ordinaryDrops = ['no_destination'];

/** `lab` may be a lab with hosts of its own besides those it made. */
export async function expectInvariants(
  lab: Pick<Lab, 'hosts' | 'namespaces'>,
  exceptions: Exceptions = {},
): Promise<void> {
  const hosts = lab.hosts.filter((host) => host.running);
  for (const host of hosts) {
    await expectAlive(host);
    await expectBalance(host, exceptions);
  }
  if (!exceptions.unequalEnds) await expectEqualEnds(hosts);
  await expectTrueFdb(hosts, exceptions);
  await expectRightChecksums(lab.namespaces);
}

/** I10: the process that was started is the one that answers. */
async function expectAlive(host: Host): Promise<void> {
  expect((await host.status()).pid, `PID of weftd on ${host.name}`).toBe(host.pid);
}

/** I6, by status, by the table of drops, and by the metrics. */
async function expectBalance(host: Host, { drops = [], findings = [] }: Exceptions): Promise<void> {
  const { frames, found } = await settled(host);
  const of = (what: string) => `${what} on ${host.name}: ${JSON.stringify(frames)}`;
  expect(frames.received, of('received')).toBe(
    frames.unicast + frames.flooded + frames.consumed + frames.dropped,
  );
  expect(frames.queued, of('queued')).toBe(frames.sent + frames.droppedEgress);

  const expected = [...ordinaryDrops, ...drops];
  const unexpected = found.filter(({ reason, count }) => count > 0 && !expected.includes(reason));
  expect(
    unexpected.map(({ reason, count }) => `${count} ${reason}`),
    of('drops'),
  ).toEqual([]);
  await expectNoFindings(host, findings);
}

/** What a scenario stirred up may hold for some seconds yet: a host that began anew is silent until it has answered again. */
async function expectNoFindings(host: Host, expected: readonly string[] | 'any'): Promise<void> {
  if (expected === 'any') return;
  let found: Finding[] = [];
  await until(`${host.name} has nothing to complain of`, async () => {
    found = (await host.status()).findings.filter(({ code }) => !expected.includes(code));
    return found.length === 0;
  }).catch((error: unknown) => {
    expect(found, `findings of ${host.name}`).toEqual([]);
    throw error;
  });
}

/**
 * The counters once nothing moves any more; the API reads them one after the other while the worker counts. Hosts say hello to each other
 * every second, so they stand still only for a moment: for the readings between two that are alike.
 */
export async function settled(host: Host): Promise<{ frames: Status['frames']; found: Drop[] }> {
  return until(`the counters of ${host.name} stand still and agree with each other`, async () => {
    const before = JSON.stringify((await host.status()).frames);
    const metrics = await frameMetrics(host);
    const found = await host.api.list<Drop>('/v1/drops');
    const { frames } = await host.status();
    const still = JSON.stringify(frames) === before;
    const sum = (stage: string) =>
      found.filter((drop) => drop.stage === stage).reduce((total, { count }) => total + count, 0);
    return (
      still &&
      sum('ingress') === frames.dropped &&
      sum('egress') === frames.droppedEgress &&
      metrics.get('weft_frames_received_total') === frames.received &&
      metrics.get('weft_frames_queued_total') === frames.queued &&
      metrics.get('weft_frames_sent_total') === frames.sent && { frames, found }
    );
  });
}

async function frameMetrics(host: Host): Promise<Map<string, number>> {
  const text = await host.namespace.run(['busybox', 'wget', '-qO-', 'http://127.0.0.1:9478/metrics']);
  const lines = text.match(/^weft_(frames_\w+|underlay_overflow)_total \d+$/gm) ?? [];
  return new Map(lines.map((line) => [line.split(' ')[0] ?? '', Number(line.split(' ')[1])]));
}

/**
 * What one host has sent to another is what that one has received from it, frame by frame (I1 on the underlay). Hosts speak to each other
 * at any time, also between the readings of two hosts: a way is judged by a reading of its far end between two alike of its near one. What
 * was said to a host before its weftd ran is counted by its kernel.
 */
async function expectEqualEnds(hosts: readonly Host[]): Promise<void> {
  const at = new Map<string, Host>();
  for (const host of hosts) for (const address of await addressesOf(host)) at.set(address, host);
  for (const far of hosts) {
    let unheard = await far.namespace.counter('NoPorts');
    for (const near of hosts) {
      if (near === far) continue;
      let lost = 0;
      await until(`what is under way from ${near.name} to ${far.name} has arrived`, async () => {
        const before = await framesBetween(near, far, 'txFrames', at);
        const received = await framesBetween(far, near, 'rxFrames', at);
        const sent = await framesBetween(near, far, 'txFrames', at);
        if (before === sent) lost = sent - received;
        return before === sent && lost >= 0 && lost <= unheard;
      }).catch(() => expect(lost, `frames from ${near.name} that ${far.name} never got`).toBe(0));
      unheard -= lost;
    }
  }
}

async function framesBetween(
  one: Host,
  other: Host,
  direction: 'txFrames' | 'rxFrames',
  at: ReadonlyMap<string, Host>,
): Promise<number> {
  const peers = (await one.peers()).filter(({ endpoint }) => at.get(endpoint ?? '') === other);
  return peers.reduce((sum, { counters }) => sum + (counters?.[direction] ?? 0), 0);
}

/** I3 and I5: whatever a host knows of the MAC of a port of the lab is where that port is, in its network. */
async function expectTrueFdb(
  hosts: readonly Host[],
  { otherMacs = false, translated = {} }: Exceptions,
): Promise<void> {
  const places = new Map<string, { host: Host; port: string }[]>();
  const addresses = new Map<Host, string[]>();
  const vnis = new Map<Host, Map<string, number>>();
  for (const host of hosts) {
    const vniOf = new Map((await host.networks()).map(({ name, vni }) => [name, vni]));
    vnis.set(host, vniOf);
    addresses.set(host, await addressesOf(host));
    for (const { id, network, mac } of await host.ports()) {
      const key = `${vniOf.get(network)} ${mac}`;
      places.set(key, [...(places.get(key) ?? []), { host, port: id }]);
    }
  }
  for (const host of hosts) {
    const endpoints = new Map((await host.peers()).map(({ id, endpoint }) => [id, endpoint]));
    for (const entry of await host.fdb()) {
      const says = `${host.name} has ${entry.mac} of ${entry.network} at ${entry.label}`;
      const truth = places.get(`${vnis.get(host)?.get(entry.network)} ${entry.mac}`);
      if (truth === undefined) {
        expect(otherMacs, `${says}, and it is nowhere`).toBe(true);
        continue;
      }
      const here = truth.some((place) => place.host === host && place.port === entry.where);
      const endpoint = endpoints.get(entry.where) ?? 'none';
      const there = truth.some(
        (place) =>
          place.host !== host &&
          (addresses.get(place.host)?.includes(endpoint) || translated[endpoint] === place.host),
      );
      expect(here || there, `${says}, and it is on ${truth.map((place) => place.host.name)}`).toBe(true);
    }
  }
}

/** I7, of every kernel: no packet had a checksum that was wrong. */
async function expectRightChecksums(namespaces: readonly Namespace[]): Promise<void> {
  const wrong = await Promise.all(
    namespaces.map(async (namespace) => [namespace.name, await namespace.counter('InCsumErrors')]),
  );
  expect(wrong.filter(([, count]) => count !== 0)).toEqual([]);
}

async function addressesOf(host: Host): Promise<string[]> {
  const text = await host.namespace.ip('-o', 'address', 'show', 'scope', 'global');
  return [...text.matchAll(/inet6? ([^/\s]+)/g)].flatMap(([, address]) => address ?? []);
}

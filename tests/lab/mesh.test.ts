import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Port } from '../../daemon/api/schema.js';
import type { Guest } from '../../lab/guest.js';
import type { Host } from '../../lab/host.js';
import { Lab } from '../../lab/lab.js';
import { until } from '../../lab/wait.js';
import { type Exceptions, expectInvariants } from './invariants.js';
import { networks } from './pair.js';

interface Member {
  guest: Guest;
  /** Where it is now, and its port there. */
  host: Host;
  port: Port;
  /** Its addresses are 10.42.0.N and fd42::N, in blue and in red. */
  number: number;
}

const addresses = (number: number) => [`10.42.0.${number}`, `fd42::${number.toString(16)}`];
const prefixed = (number: number) => addresses(number).map((one) => `${one}/${one.includes(':') ? 64 : 24}`);

describe.each([2, 3, 8])('a mesh of %i hosts with two networks of equal addresses', (size) => {
  let lab: Lab;
  let hosts: Host[];
  let blue: Member[];
  let red: Member[];
  let exceptions: Exceptions = {};

  beforeAll(async () => {
    lab = await Lab.open();
    const names = Array.from({ length: size }, (_, index) => `h${index + 1}`);
    hosts = [];
    for (const name of names) hosts.push(await lab.host(name));
    const peers = hosts.map(({ ipv4 }) => ipv4);
    for (const host of hosts) await host.start({ peers, networks });
    blue = await populate('blue');
    red = await populate('red');
    return () => lab.close();
  }, 180_000);

  afterEach(() => expectInvariants(lab, exceptions), 120_000);

  async function populate(network: string): Promise<Member[]> {
    const members: Member[] = [];
    for (const [index, host] of hosts.entries()) {
      const guest = await lab.guest(`${network}${index + 1}`);
      await guest.namespace.run(['sysctl', '-qw', 'net.ipv4.icmp_echo_ignore_broadcasts=0']);
      const number = index + 1;
      // The same MACs in both networks.
      const mac = `02:00:00:00:00:${number.toString(16).padStart(2, '0')}`;
      members.push({ guest, host, number, port: await plug(guest, host, network, number, mac) });
    }
    return members;
  }

  function plug(guest: Guest, host: Host, network: string, number: number, mac: string): Promise<Port> {
    const request = { network, netns: guest.name, mac, addresses: prefixed(number) };
    return host.api.post<Port>('/v1/ports', request);
  }

  /** The addresses of other members that do not answer this one. */
  async function silent({ guest, number }: Member, members: readonly Member[]): Promise<string[]> {
    const targets = members.flatMap((other) => (other.number === number ? [] : addresses(other.number)));
    const script = 'for a; do ping -q -n -c 1 -W 2 "$a" >/dev/null || echo "$a"; done';
    const output = await guest.namespace.run(['sh', '-c', script, 'sh', ...targets]);
    return output.split('\n').filter(Boolean);
  }

  async function expectAllReachAll(members: readonly Member[]): Promise<void> {
    for (const member of members) expect(await silent(member, members), member.guest.name).toEqual([]);
  }

  const echoes = (members: readonly Member[]) =>
    Promise.all(members.map(({ guest }) => guest.counter('InEchos')));

  it('every guest reaches every other of its network by IPv4 and IPv6', async () => {
    await expectAllReachAll(blue);
    await expectAllReachAll(red);
    for (const host of hosts) {
      const known = (await host.fdb()).map(({ network, mac }) => `${network} ${mac}`).sort();
      const all = [blue, red].flatMap((members) => members.map(({ port }) => `${port.network} ${port.mac}`));
      expect(known, host.name).toEqual(all.sort());
    }
  });

  it.each([
    ['broadcast', ['-b', '10.42.0.255'], '10.42.0.'],
    ['multicast', ['-6', 'ff02::1%eth0'], 'fd42::'],
  ])(
    'every %s arrives once at every guest of its network, and at none of the other',
    async (_, to, prefix) => {
      for (const sender of [blue[0], blue.at(-1)] as Member[]) {
        const others = blue.filter((member) => member !== sender);
        const before = { blue: await echoes(others), red: await echoes(red) };
        await sender.guest.namespace.run(['ping', '-q', '-n', '-c', '10', '-i', '0.02', ...to]);
        // Frames to one destination stay in order: when this echo is there, so is all that was sent before.
        for (const { number } of others)
          expect(await sender.guest.ping(`${prefix}${number}`, { count: 1 })).toBe(true);
        const after = { blue: await echoes(others), red: await echoes(red) };
        expect(after.blue.map((count, index) => count - (before.blue[index] ?? 0))).toEqual(
          others.map(() => 11),
        );
        expect(after.red).toEqual(before.red);
      }
    },
  );

  it('a guest that moves to another host is found there by all, from wherever they are', async () => {
    // Until they hear of the move, others send to the host it left, which has it behind a peer by then: nothing goes from peer to peer.
    exceptions = { drops: ['same_port'] };
    for (const member of [blue[0], blue[0], blue.at(-1)] as Member[]) {
      const next = hosts[(hosts.indexOf(member.host) + 1) % hosts.length] as Host;
      await member.host.api.send('DELETE', `/v1/ports/${member.port.id}`);
      member.host = next;
      member.port = await plug(member.guest, next, 'blue', member.number, member.port.mac);
      await until('the others find it', async () => (await silent(member, blue)).length === 0);
    }
    await expectAllReachAll(blue);
    expect(await silent(red[0] as Member, red)).toEqual([]);
  });

  it('a host that is killed and comes back reaches all, and is reached by all', async () => {
    // The counters are those since weftd began: on the other hosts, of what was before, too.
    exceptions = { ...exceptions, unequalEnds: true };
    const host = hosts.at(-1) as Host;
    const others = blue.filter((member) => member.host !== host);
    await host.kill();
    await expectAllReachAll(others);
    await host.start();
    await until(
      'all reach all again',
      async () => {
        for (const member of blue) if ((await silent(member, blue)).length > 0) return false;
        return true;
      },
      30,
    );
    await expectAllReachAll(red);
  });
});

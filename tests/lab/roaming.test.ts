/** One configuration for all hosts, whose peers are names: a host may get another address, and only its name's record is changed. */
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Peer } from '../../daemon/api/schema.js';
import type { Guest } from '../../lab/guest.js';
import type { Host } from '../../lab/host.js';
import { Lab } from '../../lab/lab.js';
import { Names } from '../../lab/names.js';
import { until } from '../../lab/wait.js';
import { ethernet, sendRaw, vxlanHeader } from './datagrams.js';
import { expectInvariants } from './invariants.js';
import { networks } from './pair.js';

/** Seconds. Names are resolved every 30 s by rounds that come every 2 s; the rest is for a machine under load. */
const followed = 50;

describe('peers given by name', () => {
  const moved = '10.77.0.102';
  let lab: Lab;
  let names: Names;
  let h1: Host;
  let h2: Host;
  let a: Guest;
  let b: Guest;
  /** Beside b; it says nothing after the beginning. */
  let silent: Guest;

  const peer = async (host: Host, name: string): Promise<Peer> => {
    const found = (await host.peers()).find(({ address }) => address === name);
    if (found === undefined) throw new Error(`${host.name} has no peer ${name}`);
    return found;
  };

  /** Where h1 has learned the MAC of a guest: a peer's ID. */
  const placeOf = async (guest: Guest) => {
    const mac = await guest.sys('address');
    return (await h1.fdb()).find((entry) => entry.mac === mac)?.where;
  };

  beforeAll(async () => {
    lab = await Lab.open();
    h1 = await lab.host('h1');
    h2 = await lab.host('h2');
    a = await lab.guest('a');
    b = await lab.guest('b');
    silent = await lab.guest('silent');
    names = new Names(join(lab.dir, 'names'), { 'h1.test': h1.ipv4, 'h2.test': h2.ipv4 });
    // Hosts follow the source address of their default route.
    const config = { peers: ['h1.test', 'h2.test'], networks, underlay: { addresses: undefined } };
    for (const host of [h1, h2]) {
      await host.namespace.ip('route', 'add', 'default', 'dev', 'eth0');
      await host.start(config, { wrapper: names.wrapper });
      await until('the names are resolved', async () =>
        (await host.peers()).every(({ endpoint }) => endpoint !== null),
      );
    }
    await h1.attach(a, 'blue', { addresses: ['10.42.0.1/24', 'fd42::1/64'] });
    await h2.attach(b, 'blue', { addresses: ['10.42.0.2/24', 'fd42::2/64'] });
    await h2.attach(silent, 'blue', { addresses: ['10.42.0.3/24'] });
    await a.reach('10.42.0.2');
    await a.reach('10.42.0.3');
    return () => lab.close();
  });

  it('are resolved on every host, which leaves itself out', async () => {
    for (const [host, own, other, endpoint] of [
      [h1, 'h1.test', 'h2.test', h2.ipv4],
      [h2, 'h2.test', 'h1.test', h1.ipv4],
    ] as const) {
      expect(await peer(host, own)).toMatchObject({ state: 'self', endpoint: host.ipv4 });
      expect(await peer(host, other)).toMatchObject({ state: 'active', endpoint });
    }
    // Hellos may come before the name of their sender is resolved, and are a stranger's then.
    await expectInvariants(lab, { drops: ['unknown_peer'], unequalEnds: true });
  });

  it('are followed to another address: guests reach each other again, and nobody has told weftd', {
    timeout: 120_000,
  }, async () => {
    expect((await a.iperf(b, '10.42.0.2', '-n', '20M', '--bidir')).gbitPerSecond).toBeGreaterThan(0);
    const former = await peer(h1, 'h2.test');
    expect(await placeOf(silent)).toBe(former.id);
    await h2.namespace.run(['sysctl', '-qw', 'net.ipv4.conf.eth0.promote_secondaries=1']);
    await h2.namespace.ip('address', 'add', `${moved}/24`, 'dev', 'eth0');
    await h2.namespace.ip('address', 'del', `${h2.ipv4}/24`, 'dev', 'eth0');
    // While the record is the old one, the new address is nobody's.
    expect(await a.ping('10.42.0.2', { count: 1 })).toBe(false);
    expect(await b.ping('10.42.0.1', { count: 1 })).toBe(false);
    await until('h1 drops what h2 sends', async () => (await h1.dropped('unknown_peer')) > 0);

    names.set('h2.test', moved);
    await Promise.all([a.reach('10.42.0.2', followed), b.reach('10.42.0.1', followed)]);
    // It is the same peer, with what was learned and counted of it, and is asked anew whether it is there.
    const now = await until('h1 knows that h2 is there', async () => {
      const one = await peer(h1, 'h2.test');
      return one.state === 'active' && one;
    });
    expect(now).toMatchObject({ id: former.id, endpoint: moved });
    expect(now.counters?.rxFrames).toBeGreaterThan(former.counters?.rxFrames ?? 0);
    expect(await placeOf(silent)).toBe(former.id);
    await until(
      'h2 leaves itself out again',
      async () => (await peer(h2, 'h2.test')).state === 'self',
      followed,
    );
    expect(await a.ping('fd42::2')).toBe(true);
    expect((await a.iperf(b, '10.42.0.2', '-n', '20M', '--bidir')).gbitPerSecond).toBeGreaterThan(0);
    expect(await h1.weft('peer', 'inspect', 'h2.test')).toMatch(/^ *Endpoint: 10\.77\.0\.102$/m);
    expect(await peer(h2, 'h2.test')).toMatchObject({ state: 'self', endpoint: moved });
    await expectInvariants(lab, { drops: ['unknown_peer', 'no_route'], unequalEnds: true });
  });

  it("leave an address behind that is a stranger's", async () => {
    const heir = (await lab.kernelHost('heir')).namespace;
    await heir.ip('address', 'add', `${h2.ipv4}/24`, 'dev', 'eth0');
    const [before, place] = [await h1.dropped('unknown_peer'), await placeOf(b)];
    const frame = ethernet('ff:ff:ff:ff:ff:ff', await b.sys('address'), 0x88b5);
    const payload = Buffer.concat([vxlanHeader(42), frame, Buffer.alloc(46)]);
    for (let i = 0; i < 3; i++) await sendRaw(heir, { source: h2.ipv4, destination: h1.ipv4, payload });
    await until('they are counted', async () => (await h1.dropped('unknown_peer')) >= before + 3);
    expect(await h1.dropped('unknown_peer')).toBe(before + 3);
    expect(await placeOf(b)).toBe(place);
    expect(await a.ping('10.42.0.2')).toBe(true);
    await expectInvariants(lab, { drops: ['unknown_peer', 'no_route'], unequalEnds: true });
  });
});

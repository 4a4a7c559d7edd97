import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { leaseKey, type PoolRecord, type PortRecord } from '../model/objects.js';
import { openState } from '../state/open_state.js';
import type { Store } from '../state/store.js';
import { Ipam, type IpamRules } from './ipam.js';
import { addressOf, numberOf } from './range.js';
import { bare, Crash, codeOf, errorOf, Host, minute } from './testing/host.js';

let host: Host;
let pool: PoolRecord;
beforeEach(async () => {
  host = new Host();
  pool = await host.pool('10.32.0.0/16');
});

describe('an address that is not asked for', () => {
  it('is the lowest that is free, with the prefix of the subnet', async () => {
    expect(await host.any(pool)).toBe('10.32.0.1/16');
    expect(await host.any(pool)).toBe('10.32.0.2/16');
    await host.asked(pool, '10.32.0.3');
    await host.gateway(pool, '10.32.0.4');
    expect(await host.any(pool)).toBe('10.32.0.5/16');
    expect(host.ipam.lease(pool.scope, '10.32.0.2')).toEqual({
      scope: pool.scope,
      address: '10.32.0.2',
      kind: 'endpoint',
      name: null,
      port: null,
      state: 'active',
      since: host.now,
    });
  });

  it('is on the disk before it is told', async () => {
    const address = await host.any(pool);
    expect(host.active()).toEqual([bare(address)]);
  });

  it('comes from the share, and from the range within it', async () => {
    host.share = { of: 16, index: 3 };
    expect(await host.any(pool)).toBe('10.32.48.0/16');
    const part = await host.pool('10.32.0.0/16', { range: '10.32.60.0/22' });
    expect(await host.any(part)).toBe('10.32.60.0/16');
    host.share = { of: 16, index: 4 };
    expect(await host.any(pool)).toBe('10.32.64.0/16');
    expect(await codeOf(host.any(part))).toBe('WEFT_IPAM_POOL_INVALID');
    host.share = null;
    host.peers = true;
    expect(await codeOf(host.any(pool))).toBe('WEFT_IPAM_NO_SHARE');
  });

  it('is no network, broadcast or anycast address', async () => {
    const small = await host.pool('10.1.0.0/30');
    expect([await host.any(small), await host.any(small)]).toEqual(['10.1.0.1/30', '10.1.0.2/30']);
    const error = await errorOf(host.any(small));
    expect(error.message).toContain(
      'no address is left in 10.1.0.1-10.1.0.2 of subnet 10.1.0.0/30: 2 are in use',
    );
    const six = await host.pool('fd42::/126');
    const given = [await host.any(six), await host.any(six), await host.any(six)];
    expect(given).toEqual(['fd42::1/126', 'fd42::2/126', 'fd42::3/126']);
    expect(await codeOf(host.any(six))).toBe('WEFT_IPAM_EXHAUSTED');
  });

  it('rests for ten minutes after its release', async () => {
    await host.release(pool, await host.any(pool));
    expect(await host.any(pool)).toBe('10.32.0.2/16');
    host.now += 10 * minute - 1;
    await host.ipam.collect();
    expect(await host.any(pool)).toBe('10.32.0.3/16');
    host.now += 1;
    await host.ipam.collect();
    expect(await host.any(pool)).toBe('10.32.0.1/16');
  });

  it('is the one released longest ago when no other is left', async () => {
    const small = await host.pool('10.1.0.0/29');
    for (let count = 0; count < 6; count++) await host.any(small);
    for (const address of ['10.1.0.4', '10.1.0.2', '10.1.0.6']) {
      host.now += 1000;
      await host.release(small, address);
    }
    host.restart();
    expect(await host.any(small)).toBe('10.1.0.4/29');
    expect(await host.any(small)).toBe('10.1.0.2/29');
    await host.release(small, '10.1.0.2');
    expect(await host.any(small)).toBe('10.1.0.6/29');
    expect(await host.any(small)).toBe('10.1.0.2/29');
    expect(await codeOf(host.any(small))).toBe('WEFT_IPAM_EXHAUSTED');
  });

  it('is the same for a container of the same name', async () => {
    const web = await host.any(pool, 'web');
    await host.release(pool, web);
    expect(await host.any(pool, 'db')).toBe('10.32.0.2/16');
    expect(await host.any(pool, 'web')).toBe(web);
    await host.release(pool, web);
    host.now += 24 * 60 * minute;
    await host.ipam.collect();
    host.restart();
    expect(await host.any(pool)).toBe('10.32.0.3/16');
    expect(await host.any(pool, 'web')).toBe(web);
  });

  it('is the last one that the name had', async () => {
    await host.asked(pool, '10.32.0.9', 'web');
    await host.release(pool, '10.32.0.9');
    host.now += 1;
    await host.asked(pool, '10.32.0.8', 'web');
    await host.release(pool, '10.32.0.8');
    expect(await host.any(pool, 'web')).toBe('10.32.0.8/16');
  });

  it('is not one outside the share, although the name had it', async () => {
    host.share = { of: 2, index: 0 };
    await host.asked(pool, '10.32.200.1', 'web');
    await host.release(pool, '10.32.200.1');
    expect(await host.any(pool, 'web')).toBe('10.32.0.1/16');
  });

  it('is given away from a name only when no other is left', async () => {
    const small = await host.pool('10.1.0.0/30');
    await host.release(small, await host.any(small, 'web'));
    host.now += 60 * minute;
    await host.ipam.collect();
    expect(await host.any(small)).toBe('10.1.0.2/30');
    expect(await host.any(small)).toBe('10.1.0.1/30');
    expect(await codeOf(host.any(small, 'web'))).toBe('WEFT_IPAM_EXHAUSTED');
  });

  it('is no longer that of a name when another one had it', async () => {
    const small = await host.pool('10.1.0.0/30');
    await host.release(small, await host.any(small, 'web'));
    await host.any(small, 'db');
    expect(await host.any(small, 'mail')).toBe('10.1.0.1/30');
    await host.release(small, '10.1.0.2');
    await host.release(small, '10.1.0.1');
    expect(await host.any(small, 'web')).toBe('10.1.0.2/30');
  });

  it('is the same again when a container asks again and no port has it', async () => {
    const web = await host.any(pool, 'web');
    expect(await host.any(pool, 'web')).not.toBe(web);
    await host.bind(pool);
    const db = await host.any(pool, 'db');
    host.now += minute;
    expect(await host.any(pool, 'db')).toBe(db);
    expect(host.ipam.lease(pool.scope, bare(db))?.since).toBe(host.now);
    await host.claim(pool.scope, db);
    expect(await host.any(pool, 'db')).not.toBe(db);
  });

  it('is never given twice, however many ask at once', async () => {
    const given = await Promise.all(Array.from({ length: 200 }, () => host.any(pool)));
    expect(new Set(given).size).toBe(200);
  });

  it('is not lost or given twice when the store refuses', async () => {
    host.store.next('refuse');
    expect(await codeOf(host.any(pool))).toBe('WEFT_STATE_UNUSABLE');
    expect(host.ipam.lease(pool.scope, '10.32.0.1')).toBeUndefined();
    expect(await host.any(pool)).toBe('10.32.0.1/16');
    host.store.next('refuse');
    expect(await codeOf(host.release(pool, '10.32.0.1'))).toBe('WEFT_STATE_UNUSABLE');
    expect(await host.any(pool)).toBe('10.32.0.2/16');
  });
});

describe('an address that is asked for', () => {
  it('may be outside the share and the range', async () => {
    host.share = { of: 16, index: 3 };
    const part = await host.pool('10.32.0.0/16', { range: '10.32.60.0/22' });
    expect(await host.asked(part, '10.32.255.254')).toBe('10.32.255.254/16');
    const six = await host.pool('fd42::/64');
    expect(await host.asked(six, 'FD42:0:0::F')).toBe('fd42::f/64');
  });

  it.each([
    ['10.33.0.1', 'it is not in the subnet 10.32.0.0/16'],
    ['10.32.0.0', 'it is the network address of 10.32.0.0/16'],
    ['10.32.255.255', 'it is the broadcast address of 10.32.0.0/16'],
    ['fd42::1', 'it is not in the subnet'],
    ['10.32.0.300', 'it is no IP address'],
    ['', 'it is no IP address'],
  ])('is refused when it is "%s"', async (address, reason) => {
    for (const refused of [host.asked(pool, address), host.gateway(pool, address)]) {
      const error = await errorOf(refused);
      expect(error.code).toBe('WEFT_IPAM_ADDRESS_OUTSIDE');
      expect(error.message).toContain(reason);
    }
  });

  it('is refused when it is the anycast address of an IPv6 subnet', async () => {
    const six = await host.pool('fd42::/64');
    expect((await errorOf(host.asked(six, 'fd42::'))).message).toContain('subnet-router anycast');
  });

  it('is refused when it is taken, and says by whom', async () => {
    await host.asked(pool, '10.32.0.5', 'web');
    expect((await errorOf(host.asked(pool, '10.32.0.5'))).message).toBe(
      'address 10.32.0.5 of subnet 10.32.0.0/16 is taken: it is that of container "web"',
    );
    await host.claim(pool.scope, '10.32.0.5', 'p-1');
    expect((await errorOf(host.asked(pool, '10.32.0.5'))).message).toContain('container "web" (port p-1)');
    await host.claim(pool.scope, await host.any(pool), 'p-2');
    expect((await errorOf(host.asked(pool, '10.32.0.1'))).message).toContain('that of port p-2');
    await host.any(pool);
    expect((await errorOf(host.asked(pool, '10.32.0.2'))).message).toContain(
      'a container that is being started',
    );
    expect(await codeOf(host.gateway(pool, '10.32.0.2'))).toBe('WEFT_IPAM_ADDRESS_TAKEN');
  });

  it('is refused when it is reserved', async () => {
    await host.gateway(pool);
    await host.asked(pool, '10.32.0.9');
    await host.bind(pool, 'n1', ['10.32.0.9']);
    expect((await errorOf(host.asked(pool, '10.32.0.1'))).message).toContain('it is the gateway');
    expect((await errorOf(host.asked(pool, '10.32.0.9'))).message).toContain('it is an auxiliary address');
  });

  it('is given at once after its release', async () => {
    await host.asked(pool, '10.32.0.5', 'web');
    await host.release(pool, '10.32.0.5');
    expect(await host.asked(pool, '10.32.0.5', 'db')).toBe('10.32.0.5/16');
    expect(host.ipam.lease(pool.scope, '10.32.0.5')?.name).toBe('db');
  });

  it('is given again to the container that asked for it', async () => {
    await host.bind(pool);
    await host.asked(pool, '10.32.0.5', 'web');
    expect(await host.asked(pool, '10.32.0.5', 'web')).toBe('10.32.0.5/16');
    await host.claim(pool.scope, '10.32.0.5');
    expect(await codeOf(host.asked(pool, '10.32.0.5', 'web'))).toBe('WEFT_IPAM_ADDRESS_TAKEN');
  });

  it('is given again when a crash took the answer', async () => {
    await host.bind(pool);
    host.now += 10 * minute;
    host.store.next('keep');
    await expect(host.asked(pool, '10.32.0.5')).rejects.toThrow(Crash);
    host.restart();
    expect(await host.asked(pool, '10.32.0.5')).toBe('10.32.0.5/16');
    expect(await codeOf(host.asked(pool, '10.32.0.5'))).toBe('WEFT_IPAM_ADDRESS_TAKEN');
    await host.claim(pool.scope, '10.32.0.5');
    host.restart();
    expect(await codeOf(host.asked(pool, '10.32.0.5'))).toBe('WEFT_IPAM_ADDRESS_TAKEN');
  });

  it('of a pool that no network of ours has is given again only while the pool is new', async () => {
    await host.asked(pool, '10.32.0.5');
    host.restart();
    expect(await host.asked(pool, '10.32.0.5')).toBe('10.32.0.5/16');
    host.restart();
    host.now += minute + 1;
    expect(await codeOf(host.asked(pool, '10.32.0.5'))).toBe('WEFT_IPAM_ADDRESS_TAKEN');
  });
});

describe('an address of a port that IPAM did not give it', () => {
  beforeEach(() => {
    host.taken = new Map([
      ['10.32.0.1', { port: 'router', leased: false }],
      ['10.32.0.3', { port: 'eth0@c1', leased: false }],
      ['fd42::2', { port: 'router', leased: false }],
    ]);
  });

  it('is not given, until the port is gone', async () => {
    expect([await host.any(pool), await host.any(pool), await host.any(pool)]).toEqual([
      '10.32.0.2/16',
      '10.32.0.4/16',
      '10.32.0.5/16',
    ]);
    const six = await host.pool('fd42::/64');
    expect([await host.any(six), await host.any(six)]).toEqual(['fd42::1/64', 'fd42::3/64']);
    host.taken.delete('10.32.0.3');
    expect([await host.any(pool), await host.any(pool)]).toEqual(['10.32.0.3/16', '10.32.0.6/16']);
    host.taken.clear();
    expect([await host.any(pool), await host.any(pool)]).toEqual(['10.32.0.1/16', '10.32.0.7/16']);
  });

  it('is not given back to a name, nor as the one released longest ago', async () => {
    const small = await host.pool('10.1.0.0/29');
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) await host.release(small, await host.any(small, name));
    host.taken = new Map([
      ['10.1.0.1', { port: 'router', leased: false }],
      ['10.1.0.4', { port: 'web', leased: false }],
    ]);
    expect(await host.any(small, 'd')).toBe('10.1.0.2/29');
    for (const address of ['10.1.0.3', '10.1.0.5', '10.1.0.6'])
      expect(await host.any(small)).toBe(`${address}/29`);
    const error = await errorOf(host.any(small));
    expect(error.code).toBe('WEFT_IPAM_EXHAUSTED');
    expect(error.message).toContain('6 are in use');
  });

  it('is refused to a container that asks for it, by the name of the port', async () => {
    expect(await codeOf(host.asked(pool, '10.32.0.3', 'web'))).toBe('WEFT_IPAM_ADDRESS_TAKEN');
    host.now += minute + 1;
    for (let count = 0; count < 2; count++) {
      const error = await errorOf(host.asked(pool, '10.32.0.3'));
      expect(error.code).toBe('WEFT_IPAM_ADDRESS_TAKEN');
      expect(error.message).toContain('it is that of port "eth0@c1"');
      expect(host.leases()).toEqual([]);
    }
  });

  it('is given again, when a port had it from IPAM, to who asks for it, or when no other is left', async () => {
    const small = await host.pool('10.1.0.0/30');
    await host.claim(small.scope, await host.any(small), 'p-1');
    host.taken = new Map([['10.1.0.1', { port: 'web', leased: true }]]);
    await host.release(small, '10.1.0.1');
    host.now += 10 * minute;
    await host.ipam.collect();
    expect(host.ipam.lease(small.scope, '10.1.0.1')).toBeUndefined();
    expect(await host.any(small)).toBe('10.1.0.2/30');
    expect(await host.any(small)).toBe('10.1.0.1/30');
    await host.release(small, '10.1.0.1');
    expect(await host.asked(small, '10.1.0.1')).toBe('10.1.0.1/30');
  });

  it('may be a gateway or an auxiliary address', async () => {
    expect(await host.gateway(pool)).toBe('10.32.0.1/16');
    expect(await host.asked(pool, '10.32.0.3')).toBe('10.32.0.3/16');
  });
});

describe('reservations', () => {
  it('give the first usable address of the subnet as gateway, on every host', async () => {
    host.share = { of: 16, index: 3 };
    expect(await host.gateway(pool)).toBe('10.32.0.1/16');
    expect(await host.gateway(pool)).toBe('10.32.0.1/16');
    expect(await host.gateway(await host.pool('10.32.0.0/16', { range: '10.32.60.0/22' }))).toBe(
      '10.32.0.1/16',
    );
    expect(await host.gateway(await host.pool('fd42::/64'))).toBe('fd42::1/64');
    expect(await host.gateway(pool, '10.32.255.254')).toBe('10.32.255.254/16');
    expect(await host.gateway(pool, '10.32.255.254')).toBe('10.32.255.254/16');
  });

  it('give the next one when a container has it', async () => {
    await host.any(pool);
    await host.release(pool, await host.any(pool));
    expect(await host.gateway(pool)).toBe('10.32.0.2/16');
    expect(await host.gateway(pool)).toBe('10.32.0.2/16');
    expect(await codeOf(host.gateway(pool, '10.32.0.1'))).toBe('WEFT_IPAM_ADDRESS_TAKEN');
  });

  it('are not released and not collected', async () => {
    await host.gateway(pool);
    await host.asked(pool, '10.32.0.9');
    await host.bind(pool, 'n1', ['10.32.0.9']);
    await host.release(pool, '10.32.0.1');
    await host.release(pool, '10.32.0.9');
    host.now += 60 * minute;
    await host.ipam.collect();
    expect(host.active()).toEqual(['10.32.0.1', '10.32.0.9']);
  });

  it('are shared by a second network of the engine, while it is being made', async () => {
    await host.asked(pool, '10.32.0.9');
    await host.bind(pool, 'n1', ['10.32.0.9']);
    expect(await codeOf(host.asked(pool, '10.32.0.9'))).toBe('WEFT_IPAM_ADDRESS_TAKEN');
    await host.pool('10.32.0.0/16');
    expect(await host.asked(pool, '10.32.0.9')).toBe('10.32.0.9/16');
    expect(host.ipam.lease(pool.scope, '10.32.0.9')?.kind).toBe('auxiliary');
    await host.bind(pool, 'n2', ['10.32.0.9']);
    expect(await codeOf(host.asked(pool, '10.32.0.9'))).toBe('WEFT_IPAM_ADDRESS_TAKEN');
    await host.pool('10.32.0.0/16');
    host.now += minute + 1;
    expect(await codeOf(host.asked(pool, '10.32.0.9'))).toBe('WEFT_IPAM_ADDRESS_TAKEN');
  });
});

describe('releaseAddress', () => {
  it('accepts what was never given, and what is no address', async () => {
    await host.release(pool, '10.32.0.77');
    await host.ipam.releaseAddress(pool.id, 'nonsense');
    await host.ipam.releaseAddress('nonsense', '10.32.0.1');
    await host.ipam.releaseAddress('weft:1:10.99.0.0/16', '10.99.0.1');
    expect(host.leases()).toEqual([]);
  });

  it('accepts an address with its prefix, and an IPv6 one in any form', async () => {
    const six = await host.pool('fd42::/64');
    await host.any(six);
    await host.ipam.releaseAddress(six.id, 'FD42:0::1/64');
    expect(host.active()).toEqual([]);
  });

  it('counts the rest from the first release', async () => {
    const address = await host.any(pool);
    await host.release(pool, address);
    const since = host.now;
    host.now += minute;
    await host.release(pool, address);
    expect(host.ipam.lease(pool.scope, bare(address))).toMatchObject({ state: 'released', since });
  });
});

describe('collect', () => {
  it('takes back what nobody claimed within five minutes', async () => {
    await host.bind(pool);
    await host.any(pool);
    await host.claim(pool.scope, await host.any(pool));
    host.now += 5 * minute - 1;
    await host.ipam.collect();
    expect(host.active()).toHaveLength(2);
    host.now += 1;
    await host.ipam.collect();
    expect(host.active()).toEqual(['10.32.0.2']);
    host.now += 10 * minute;
    await host.ipam.collect();
    expect(host.leases()).toHaveLength(1);
  });

  it('takes back what a port had that is gone', async () => {
    await host.bind(pool);
    await host.claim(pool.scope, await host.any(pool), 'p-1');
    host.now += 5 * minute;
    await host.ipam.collect();
    expect(host.active()).toHaveLength(1);
    await host.disk.delete('port', 'p-1');
    await host.ipam.collect();
    expect(host.leases()).toMatchObject([{ state: 'released', port: null, since: host.now }]);
  });

  it('never touches pools and leases of other drivers', async () => {
    await host.gateway(pool);
    await host.any(pool);
    const bound = await host.pool('10.32.0.0/16', { range: '10.32.4.0/22' });
    await host.bind(bound);
    host.now += 24 * 60 * minute;
    await host.ipam.collect();
    expect(host.active()).toEqual(['10.32.0.1', '10.32.0.2']);
    await host.ipam.releasePool(bound.id);
    await host.disk.delete('engine-network', 'n'.repeat(64));
    await host.ipam.collect();
    expect(host.disk.list('pool').map(({ id }) => id)).toEqual([pool.id]);
    expect(host.active()).toEqual(['10.32.0.1', '10.32.0.2']);
  });

  describe('of a pool that a network of ours has and one of another driver', () => {
    let bridge: string;
    beforeEach(async () => {
      await host.gateway(pool);
      bridge = await host.any(pool, 'web');
      host.now += 1;
      await host.pool('10.32.0.0/16');
      await host.bind(pool, 'n1');
    });

    it('leaves what no port has to the other', async () => {
      host.now += 24 * 60 * minute;
      await host.ipam.collect();
      expect(host.active()).toEqual(['10.32.0.1', '10.32.0.2']);
      expect(await host.any(pool)).toBe('10.32.0.3/16');
    });

    it('gives no address again that the other has, to whatever name and after a restart', async () => {
      expect(await host.any(pool, 'web')).not.toBe(bridge);
      host.restart();
      expect(await codeOf(host.asked(pool, bare(bridge), 'web'))).toBe('WEFT_IPAM_ADDRESS_TAKEN');
    });

    it('does not end the pool with our network', async () => {
      await host.ipam.releasePool(pool.id);
      await host.disk.delete('engine-network', 'n1');
      host.now += 24 * 60 * minute;
      await host.ipam.collect();
      expect(host.active()).toEqual(['10.32.0.1', '10.32.0.2']);
      expect(await host.any(pool)).toBe('10.32.0.3/16');
    });

    it('takes back what a port of ours had', async () => {
      await host.claim(pool.scope, await host.any(pool), 'p-1');
      await host.disk.delete('port', 'p-1');
      host.now += 5 * minute;
      await host.ipam.collect();
      expect(host.active()).toEqual(['10.32.0.1', '10.32.0.2']);
    });

    it('takes back what nobody claims when the other is removed', async () => {
      await host.ipam.releasePool(pool.id);
      host.now += 5 * minute;
      await host.ipam.collect();
      expect(host.active()).toEqual(['10.32.0.1']);
    });
  });

  it('ends pools that networks of ours had, when none has them any more', async () => {
    await host.gateway(pool);
    await host.bind(pool, 'n1');
    await host.ipam.releasePool(pool.id);
    await host.ipam.collect();
    expect(host.disk.list('pool')).toHaveLength(1);
    await host.disk.delete('engine-network', 'n1');
    await host.ipam.collect();
    expect(host.disk.list('pool')).toEqual([]);
    expect(host.leases()).toEqual([]);
  });

  it('ends pools of which nobody wanted an address for a day', async () => {
    const idle = await host.pool('10.33.0.0/16');
    await host.gateway(idle);
    const left = await host.pool('10.34.0.0/16');
    await host.bind(left, 'n1');
    await host.disk.delete('engine-network', 'n1');
    await host.bind(await host.pool('10.35.0.0/16'), 'n2');
    host.now += 24 * 60 * minute - 1;
    await host.ipam.collect();
    expect(host.disk.list('pool')).toHaveLength(4);
    host.now += 1;
    await host.ipam.collect();
    expect(host.disk.list('pool').map(({ subnet }) => subnet)).toEqual(['10.33.0.0/16', '10.35.0.0/16']);
  });

  it('counts no request that came to nothing because this process began', async () => {
    host.now++;
    host.restart();
    await host.bind(await host.pool('10.32.0.0/16'), 'n1');
    await host.any(pool);
    host.now += 5 * minute;
    await host.ipam.collect();
    expect(host.active()).toEqual([]);
  });

  it('keeps 4096 names a network, and those that were released last', { timeout: 60_000 }, async () => {
    await host.disk.transaction((tx) => {
      for (let index = 0; index < 4100; index++) {
        const address = addressOf(numberOf('10.32.1.0') + BigInt(index), 4);
        const lease = { scope: pool.scope, address, port: null, since: host.now + index } as const;
        tx.put('lease', leaseKey(lease), {
          ...lease,
          kind: 'endpoint',
          name: `c${index}`,
          state: 'released',
        });
      }
    });
    host.now += 5000;
    await host.ipam.collect();
    expect(host.leases()).toHaveLength(4100);
    expect(host.leases().filter(({ name }) => name === null)).toHaveLength(4);
    host.now += 10 * minute;
    await host.ipam.collect();
    expect(host.leases()).toHaveLength(4096);
    expect(host.ipam.lease(pool.scope, '10.32.1.3')).toBeUndefined();
    expect(host.ipam.lease(pool.scope, '10.32.1.4')).toMatchObject({ name: 'c4' });
  });
});

describe('the names of containers', { timeout: 60_000 }, () => {
  const remember = (scope: string, subnet: string, count: number, since: number) =>
    host.disk.transaction((tx) => {
      for (let index = 1; index <= count; index++) {
        const address = addressOf(numberOf(subnet) + BigInt(index), 4);
        const lease = { scope, address, port: null, since: since + index } as const;
        tx.put('lease', leaseKey(lease), {
          ...lease,
          kind: 'endpoint',
          name: `c${index}`,
          state: 'released',
        });
      }
    });

  it('are forgotten a day after their release when no pool is left', async () => {
    await remember('gone', '10.50.0.0', 2, host.now - 2);
    await remember(pool.scope, '10.32.0.0', 2, host.now - 2);
    host.now += 24 * 60 * minute - 1;
    await host.ipam.collect();
    expect(host.leases()).toHaveLength(3);
    host.now += 1;
    await host.ipam.collect();
    expect(host.leases().map(({ scope }) => scope)).toEqual([pool.scope, pool.scope]);
    expect(host.ipam.lease('gone', '10.50.0.2')).toBeUndefined();
  });

  it('are 16384 on all networks together, those that were released last', async () => {
    for (const index of [0, 1, 2, 3, 4]) {
      await host.pool(`10.${50 + index}.0.0/16`);
      await remember(`10.${50 + index}.0.0/16`, `10.${50 + index}.0.0`, 4000, host.now + 4000 * (5 - index));
    }
    host.now += 4000 * 6 + 10 * minute;
    await host.ipam.collect();
    expect(host.leases()).toHaveLength(16_384);
    // The last network was left first.
    expect(host.ipam.lease('10.54.0.0/16', '10.54.14.32')).toBeUndefined();
    expect(host.ipam.lease('10.54.0.0/16', '10.54.14.33')).toMatchObject({ name: 'c3617' });
  });
});

describe('the limit of leases', { timeout: 60_000 }, () => {
  const fill = async (state: 'active' | 'released') =>
    host.disk.transaction((tx) => {
      for (let index = 1; index <= 65_536; index++) {
        const lease = {
          scope: 'big',
          address: addressOf(numberOf('10.0.0.0') + BigInt(index), 4),
          since: index,
        };
        const port = state === 'active' ? 'p-1' : null;
        tx.put('lease', leaseKey(lease), { ...lease, kind: 'endpoint', name: null, port, state });
      }
    });

  it('refuses one more', async () => {
    await fill('active');
    const big = await host.pool('10.0.0.0/8', { network: 'big' });
    expect((await errorOf(host.any(big))).message).toBe(
      'network "big" has 65536 addresses already, which is the limit',
    );
    expect(await codeOf(host.asked(big, '10.200.0.1'))).toBe('WEFT_IPAM_LIMIT');
    expect(await codeOf(host.gateway(big))).toBe('WEFT_IPAM_LIMIT');
  });

  it('counts those that were released, but gives them up', async () => {
    await fill('released');
    const big = await host.pool('10.0.0.0/8', { network: 'big' });
    expect(await host.any(big)).toBe('10.0.0.1/8');
    expect(await host.asked(big, '10.200.0.1')).toBe('10.200.0.1/8');
    expect(host.ipam.lease('big', '10.0.0.2')).toBeUndefined();
    expect(host.leases()).toHaveLength(65_536);
  });
});

describe('on the real store', { timeout: 60_000 }, () => {
  const rules: IpamRules = {
    subnetsOf: () => null,
    shareOf: () => null,
    meshed: () => false,
    occupied: () => [],
    takenIn: () => new Map(),
  };
  let directory: string;
  let store: Store;
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'weft-ipam-'));
    ({ store } = await openState(directory, { version: '1.2.3' }));
  });
  afterEach(async () => {
    await store.close();
    rmSync(directory, { recursive: true });
  });

  it('sees a change that is on its way to the disk', async () => {
    const ipam = new Ipam({ store, rules, now: () => 1 });
    const { id, scope } = await ipam.requestPool({
      network: null,
      subnet: '10.1.0.0/24',
      range: null,
      family: 4,
    });
    const lease = { scope, address: '10.1.0.1', name: null, port: 'p-1', since: 1 } as const;
    const change = store.put('lease', leaseKey(lease), { ...lease, kind: 'endpoint', state: 'active' });
    expect(await ipam.requestAddress({ pool: id, address: null, gateway: false, name: null })).toBe(
      '10.1.0.2/24',
    );
    await change;
    expect(ipam.lease(scope, '10.1.0.1')?.port).toBe('p-1');
  });

  it('keeps up with what other parts change at the same time', async () => {
    let now = 1_800_000_000_000;
    const ipam = new Ipam({ store, rules, now: () => now });
    const { id, scope } = await ipam.requestPool({
      network: null,
      subnet: '10.1.0.0/24',
      range: null,
      family: 4,
    });
    const change = (address: string, port: string | null) =>
      store.transaction((tx) => {
        const lease = tx.get('lease', leaseKey({ scope, address }));
        if (port !== null) tx.put('port', port, { id: port } as PortRecord);
        if (lease !== undefined)
          tx.put('lease', leaseKey(lease), {
            ...lease,
            port,
            state: port === null ? 'released' : 'active',
            since: now,
          });
      });
    const held = new Set<string>();
    const use = async (index: number) => {
      const name = `c${index % 40}`;
      const address = bare(await ipam.requestAddress({ pool: id, address: null, gateway: false, name }));
      expect(held.has(address)).toBe(false);
      held.add(address);
      await change(address, `p-${index}`);
      expect(ipam.lease(scope, address)?.port).toBe(`p-${index}`);
      held.delete(address);
      now++;
      await (index % 2 === 0 ? change(address, null) : ipam.releaseAddress(id, address));
    };
    for (let round = 0; round < 5; round++)
      await Promise.all(Array.from({ length: 200 }, (_, index) => use(200 * round + index)));
    for (const lease of store.list('lease')) expect(ipam.lease(scope, lease.address)).toEqual(lease);
    expect(ipam.pools()).toMatchObject([{ used: 0 }]);
  });
});

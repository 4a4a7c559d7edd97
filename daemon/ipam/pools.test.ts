import { beforeEach, describe, expect, it } from 'vitest';
import { leaseKey, type PoolRecord, type PortRecord } from '../model/objects.js';
import { addressOf, numberOf } from './range.js';
import { codeOf, errorOf, Host, minute } from './testing/host.js';

let host: Host;
beforeEach(() => {
  host = new Host();
});

describe('requestPool', () => {
  it('gives one pool for one request, and counts how often', async () => {
    const pool = await host.pool('10.32.0.0/16');
    expect(pool).toEqual({
      id: 'weft:1:10.32.0.0/16',
      scope: '10.32.0.0/16',
      subnet: '10.32.0.0/16',
      range: null,
      references: 1,
      bound: false,
      requestedAt: host.now,
    });
    host.now += minute;
    expect(await host.pool('10.32.0.0/16')).toEqual({ ...pool, references: 2, requestedAt: host.now });
    expect(host.disk.list('pool')).toHaveLength(1);
  });

  it('keeps what the network intent wrote', async () => {
    const pool = await host.pool('10.32.0.0/16');
    await host.bind(pool);
    expect((await host.pool('10.32.0.0/16')).bound).toBe(true);
  });

  it('takes the range for a part of the identity, unless it is all of the subnet', async () => {
    expect((await host.pool('10.32.0.0/16', { range: '10.32.4.0/22' })).id).toBe(
      'weft:1:10.32.0.0/16,range=10.32.4.0/22',
    );
    expect((await host.pool('10.32.0.0/16', { range: '10.32.0.0/16' })).id).toBe('weft:1:10.32.0.0/16');
    expect(host.disk.list('pool')).toHaveLength(2);
  });

  it('writes IPv6 subnets in canonical form', async () => {
    expect((await host.pool('FD42:0::0:0/64')).subnet).toBe('fd42::/64');
  });

  it.each([
    ['10.32.0.5/16', 4, 'it has host bits set', 'Write "--subnet 10.32.0.0/16".'],
    ['10.32.0.0', 4, 'it is not of the form ADDRESS/PREFIX', 'such as "--subnet 10.32.0.0/16"'],
    ['10.32.0.0/33', 4, 'it is not of the form ADDRESS/PREFIX', 'such as'],
    ['10.32.0.0/31', 4, 'it has no room for containers', 'at most /30'],
    ['10.32.0.1/32', 4, 'it has no room for containers', 'at most /30'],
    ['fd42::/127', 6, 'it has no room for containers', 'at most /126'],
    ['0.0.0.0/0', 4, 'it holds "this network" addresses', 'Write another one'],
    ['127.1.0.0/16', 4, 'it holds loopback addresses', 'Write another one'],
    ['169.254.0.0/16', 4, 'it holds link-local addresses', 'Write another one'],
    ['239.0.0.0/8', 4, 'it holds multicast addresses', 'Write another one'],
    ['255.255.255.0/24', 4, 'it holds the broadcast address', 'Write another one'],
    ['fe80::/64', 6, 'it holds link-local addresses', 'Write another one'],
    ['ff02::/64', 6, 'it holds multicast addresses', 'Write another one'],
    ['::/0', 6, 'it holds reserved, loopback', 'Write another one'],
    ['10.32.0.0/16', 6, 'it is not IPv6', 'Write an IPv6 one, such as "--subnet fd42::/64"'],
    ['fd42::/64', 4, 'it is not IPv4', 'Write an IPv4 one'],
  ] as const)('refuses the subnet %s for IPv%i', async (subnet, family, reason, advice) => {
    const error = await errorOf(host.pool(subnet, { family }));
    expect(error.code).toBe('WEFT_IPAM_POOL_INVALID');
    expect(error.message).toContain(reason);
    expect(error.remedy).toContain(advice);
    expect(host.disk.list('pool')).toEqual([]);
  });

  it.each([
    ['10.33.0.0/24', 'is not within it'],
    ['10.0.0.0/8', 'is not within it'],
    ['10.32.4.1/22', 'has host bits set'],
    ['fd42::/80', 'is not IPv4'],
    ['4', 'is not of the form'],
  ])('refuses the range %s', async (range, reason) => {
    const error = await errorOf(host.pool('10.32.0.0/16', { range }));
    expect(error.code).toBe('WEFT_IPAM_POOL_INVALID');
    expect(error.message).toContain(`--ip-range ${range} ${reason}`);
  });

  it('refuses a range outside the share, and says what the share is', async () => {
    host.share = { of: 16, index: 3 };
    const error = await errorOf(host.pool('10.32.0.0/16', { range: '10.32.64.0/20' }));
    expect(error.message).toContain('10.32.48.0-10.32.63.255');
    expect(error.remedy).toContain('--ip-range 10.32.48.0/20');
    expect((await host.pool('10.32.0.0/16', { range: '10.32.0.0/17' })).range).toBe('10.32.0.0/17');
  });

  it('refuses a share without a usable address', async () => {
    host.share = { of: 4, index: 0 };
    expect((await errorOf(host.pool('10.32.0.0/30'))).remedy).toContain('Use a larger subnet');
    host.share = { of: 4, index: 1 };
    await host.pool('10.32.0.0/30');
  });

  it('wants a share where there are other hosts', async () => {
    host.peers = true;
    const error = await errorOf(host.pool('10.32.0.0/16'));
    expect(error.code).toBe('WEFT_IPAM_NO_SHARE');
    host.share = { of: 2, index: 1 };
    await host.pool('10.32.0.0/16');
  });

  it('takes a declared subnet of the network', async () => {
    host.networks = { blue: ['10.42.0.0/24', 'fd42::/64'], bare: [], four: ['10.43.0.0/24'] };
    expect((await host.pool(null, { network: 'blue' })).id).toBe('weft:1:10.42.0.0/24,network=blue');
    expect((await host.pool(null, { network: 'blue', family: 6 })).subnet).toBe('fd42::/64');
    expect((await host.pool('10.42.0.0/24', { network: 'blue' })).references).toBe(2);
    const other = await errorOf(host.pool('10.44.0.0/24', { network: 'blue' }));
    expect(other.message).toContain('network "blue" has the subnets 10.42.0.0/24, fd42::/64');
    expect((await host.pool('10.44.0.0/24', { network: 'bare' })).scope).toBe('bare');
    expect((await errorOf(host.pool(null, { network: 'bare' }))).message).toContain('no IPv4 subnet');
    expect((await errorOf(host.pool(null, { network: 'four', family: 6 }))).message).toContain(
      'no IPv6 subnet',
    );
  });

  it('takes any subnet for a network that is still to be made', async () => {
    expect((await host.pool('10.44.0.0/24', { network: 'new' })).scope).toBe('new');
    const error = await errorOf(host.pool(null, { network: 'new' }));
    expect(error.code).toBe('WEFT_DOCKER_OPTION');
    expect(error.toText()).toContain(
      'Declare the network with its subnets in /etc/weft/weft.yaml, or give --subnet.',
    );
    expect(await codeOf(host.pool('10.45.0.0/24', { network: 'New,range=1' }))).toBe('WEFT_DOCKER_OPTION');
  });

  it('refuses subnets of one network that overlap', async () => {
    await host.pool('10.44.0.0/16', { network: 'new' });
    expect((await errorOf(host.pool('10.44.1.0/24', { network: 'new' }))).message).toContain('10.44.0.0/16');
    await host.pool('10.44.1.0/24', { network: 'other' });
    host.networks = { twice: ['10.50.0.0/16', '10.50.1.0/24'] };
    expect((await errorOf(host.pool(null, { network: 'twice' }))).message).toContain('overlap');
  });

  it.each([4, 6] as const)('gives another default subnet each time, and ends (IPv%i)', async (family) => {
    host.occupied = family === 4 ? ['10.33.5.0/24', '10.40.0.0/14'] : ['fdb2:2a2:e648:1::/64'];
    await host.pool(family === 4 ? '10.34.0.0/17' : 'fdb2:2a2:e648:2::/80', { network: 'mine' });
    const subnets: string[] = [];
    for (;;) {
      const pool = await host.pool(null, { family }).catch((error: unknown) => error);
      if (pool instanceof Error) {
        expect(pool).toMatchObject({ code: 'WEFT_IPAM_NO_DEFAULT_POOL' });
        break;
      }
      subnets.push((pool as PoolRecord).subnet);
    }
    expect(new Set(subnets).size).toBe(subnets.length);
    expect(subnets).toHaveLength(family === 4 ? 10 : 14);
    await host.ipam.releasePool(`weft:1:${subnets[3]}`);
    expect((await host.pool(null, { family })).subnet).toBe(subnets[3]);
  });

  it('refuses a range without a subnet', async () => {
    expect(await codeOf(host.pool(null, { range: '10.32.4.0/22' }))).toBe('WEFT_IPAM_POOL_INVALID');
  });

  it('has a limit', { timeout: 60_000 }, async () => {
    await host.disk.transaction((tx) => {
      for (let index = 0; index < 4096; index++) {
        const subnet = `10.${index >> 8}.${index & 255}.0/24`;
        const id = `weft:1:${subnet}`;
        tx.put('pool', id, {
          id,
          scope: subnet,
          subnet,
          range: null,
          references: 1,
          bound: true,
          requestedAt: host.now,
        });
      }
    });
    expect(await codeOf(host.pool('10.32.0.0/16'))).toBe('WEFT_IPAM_LIMIT');
    expect((await host.pool('10.0.1.0/24')).references).toBe(2);
  });

  it('changes nothing when the store cannot keep it', async () => {
    host.store.next('refuse');
    expect(await codeOf(host.pool('10.32.0.0/16'))).toBe('WEFT_STATE_UNUSABLE');
    expect((await host.pool('10.32.0.0/16')).references).toBe(1);
  });
});

describe('releasePool', () => {
  it('ends the pool and its reservations with the last reference', async () => {
    await host.pool('10.32.0.0/16');
    const pool = await host.pool('10.32.0.0/16');
    await host.gateway(pool);
    await host.asked(pool, '10.32.0.9');
    await host.bind(pool, 'n1', ['10.32.0.9']);
    await host.any(pool);
    await host.ipam.releasePool(pool.id);
    expect(host.active()).toHaveLength(3);
    await host.ipam.releasePool(pool.id);
    await host.disk.delete('engine-network', 'n1');
    await host.pool('10.33.0.0/16');
    expect(host.disk.get('pool', pool.id)).toBeUndefined();
    expect(host.leases()).toMatchObject([{ address: '10.32.0.2', state: 'released', since: host.now }]);
    expect(await codeOf(host.any(pool))).toBe('WEFT_IPAM_POOL_NOT_FOUND');
  });

  it('leaves the reservations to another pool of the subnet', async () => {
    const pool = await host.pool('10.32.0.0/16');
    const part = await host.pool('10.32.0.0/16', { range: '10.32.4.0/22' });
    await host.gateway(pool);
    await host.ipam.releasePool(pool.id);
    expect(host.active()).toEqual(['10.32.0.1']);
    await host.ipam.releasePool(part.id);
    expect(host.leases()).toEqual([]);
  });

  it('leaves what a port has to the port', async () => {
    const pool = await host.pool('10.32.0.0/16');
    await host.claim(pool.scope, await host.any(pool));
    await host.any(pool);
    await host.ipam.releasePool(pool.id);
    expect(host.active()).toEqual(['10.32.0.1']);
    await host.ipam.releaseAddress(pool.id, '10.32.0.1');
    expect(host.active()).toEqual([]);
  });

  it('does not take the pool from other networks when it is repeated', async () => {
    const pool = await host.pool('10.32.0.0/16');
    await host.pool('10.32.0.0/16');
    await host.bind(pool, 'n1');
    await host.bind(pool, 'n2');
    await host.ipam.releasePool(pool.id);
    await host.ipam.releasePool(pool.id);
    await host.disk.delete('engine-network', 'n1');
    await host.any(pool);
    expect((await host.pool('10.32.0.0/16')).references).toBe(2);
    await host.ipam.releasePool(pool.id);
    await host.ipam.releasePool(pool.id);
    await host.disk.delete('engine-network', 'n2');
    await host.pool('10.33.0.0/16');
    expect(host.disk.get('pool', pool.id)).toBeUndefined();
  });

  it('serves others while it takes back many addresses', { timeout: 60_000 }, async () => {
    const pool = await host.pool('10.32.0.0/16');
    await host.disk.transaction((tx) => {
      for (let index = 0; index < 5000; index++) {
        const address = addressOf(numberOf('10.32.1.0') + BigInt(index), 4);
        const lease = { scope: pool.scope, address, kind: 'endpoint', name: null, port: null } as const;
        tx.put('lease', leaseKey(lease), { ...lease, state: 'active', since: host.now });
      }
    });
    await host.gateway(pool);
    const other = await host.pool('10.33.0.0/16');
    const released = host.ipam.releasePool(pool.id);
    await host.any(other);
    expect(host.active().length).toBeGreaterThan(1);
    expect(host.active()).not.toContain('10.32.0.1');
    await released;
    expect(host.active()).toEqual(['10.33.0.1']);
  });

  it('does not mind an unknown pool', async () => {
    await host.ipam.releasePool('weft:1:10.32.0.0/16');
    await host.ipam.releasePool('');
  });
});

describe('removePool', () => {
  let pool: PoolRecord;
  beforeEach(async () => {
    pool = await host.pool('10.32.0.0/16');
    await host.gateway(pool);
  });

  it('ends a pool that a crash left, however often it was requested', async () => {
    await host.pool('10.32.0.0/16');
    await host.ipam.removePool(pool.id, false);
    expect(host.disk.list('pool')).toEqual([]);
    expect(host.leases()).toEqual([]);
  });

  it('finds it by its subnet in any spelling, while one pool has it', async () => {
    const six = await host.pool('fd42::/64');
    await host.ipam.removePool('FD42:0::/64', false);
    expect(host.disk.get('pool', six.id)).toBeUndefined();
    const part = await host.pool('10.32.0.0/16', { range: '10.32.4.0/22' });
    const error = await errorOf(host.ipam.removePool('10.32.0.0/16', true));
    expect(error.code).toBe('WEFT_POOL_AMBIGUOUS');
    expect(error.message).toContain(`${pool.id} and ${part.id}`);
    await host.ipam.removePool(part.id, false);
    await host.ipam.removePool('10.32.0.0/16', false);
    expect(host.disk.list('pool')).toEqual([]);
  });

  it.each(['10.99.0.0/16', 'weft:1:10.99.0.0/16', 'nonsense', ''])(
    'knows no pool "%s"',
    async (reference) => {
      expect(await codeOf(host.ipam.removePool(reference, true))).toBe('WEFT_POOL_NOT_FOUND');
    },
  );

  it('is refused while a network of ours has it, whatever is forced', async () => {
    await host.bind(pool, 'n1');
    const error = await errorOf(host.ipam.removePool(pool.id, true));
    expect(error).toMatchObject({ code: 'WEFT_POOL_OF_ENGINE', exit: 5 });
    expect(error.message).toContain('10.32.0.0/16');
    await host.disk.delete('engine-network', 'n1');
    await host.ipam.removePool(pool.id, false);
  });

  it('is refused while a port has an address of it, whatever is forced', async () => {
    await host.claim(pool.scope, await host.any(pool), 'p-1');
    const error = await errorOf(host.ipam.removePool(pool.id, true));
    expect(error).toMatchObject({ code: 'WEFT_POOL_HAS_PORTS', exit: 5 });
    expect(error.message).toContain('p-1');
    await host.disk.delete('port', 'p-1');
    await host.ipam.removePool(pool.id, false);
    expect(host.active()).toEqual([]);
  });

  it('does not mind the ports of a network that has another pool of the subnet', async () => {
    const part = await host.pool('10.32.0.0/16', { range: '10.32.4.0/22' });
    await host.bind(part, 'n1');
    await host.claim(part.scope, await host.any(part), 'p-1');
    const port = host.disk.get('port', 'p-1') as PortRecord;
    const endpoint = { engineNetwork: 'n1', sandbox: null, bootId: '', since: 0 };
    await host.disk.put('port', 'p-1', { ...port, endpoint });
    await host.ipam.removePool(pool.id, false);
    expect(host.disk.list('pool').map(({ id }) => id)).toEqual([part.id]);
    expect(host.active()).toEqual(['10.32.0.1', '10.32.4.0']);
  });

  it('wants force when containers of another driver may have addresses', async () => {
    await host.any(pool);
    const error = await errorOf(host.ipam.removePool(pool.id, false));
    expect(error).toMatchObject({ code: 'WEFT_POOL_HAS_ADDRESSES', exit: 5 });
    expect(error.remedy).toContain('--force');
    expect(host.active()).toHaveLength(2);
    await host.ipam.removePool(pool.id, true);
    expect(host.leases()).toMatchObject([{ address: '10.32.0.2', state: 'released' }]);
  });
});

describe('pools', () => {
  it('shows what this host gives from and what is in use', async () => {
    host.share = { of: 16, index: 0 };
    const pool = await host.pool('10.32.0.0/16');
    await host.gateway(pool);
    await host.claim(pool.scope, await host.any(pool, 'web'), 'p-1');
    await host.asked(pool, '10.32.200.1');
    await host.release(pool, await host.any(pool));
    const since = new Date(host.now).toISOString();
    expect(host.ipam.pools()).toEqual([
      {
        id: pool.id,
        scope: '10.32.0.0/16',
        subnet: '10.32.0.0/16',
        range: '10.32.0.1-10.32.15.255',
        size: '4095',
        used: 2,
        leases: [
          { address: '10.32.0.1', kind: 'gateway', name: null, port: null, since },
          { address: '10.32.0.2', kind: 'endpoint', name: 'web', port: 'p-1', since },
          { address: '10.32.200.1', kind: 'endpoint', name: null, port: null, since },
        ],
      },
    ]);
  });

  it('shows the size of IPv6 pools, and that nothing can be given without a share', async () => {
    await host.pool('fd42::/64');
    expect(host.ipam.pools()).toMatchObject([{ size: '18446744073709551615' }]);
    host.peers = true;
    expect(host.ipam.pools()).toMatchObject([{ range: 'none', size: '0', used: 0 }]);
  });
});

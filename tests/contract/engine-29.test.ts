/**
 * What engines 28 and 29 say otherwise than 20.10, after their source (moby, libnetwork): no gateway is asked for when the driver needs none,
 * IPAM is told the name of the container, a default pool is asked for until none overlaps, and requests may come twice, or without their body.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Weftd } from './weftd.js';

const network = '29'.repeat(32);
const [first = '', second = ''] = ['a1', 'b2'].map((byte) => byte.repeat(32));
const subnet = '10.32.0.0/16';
const gatewayRequest = { RequestAddressType: 'com.docker.network.gateway' };

describe('an engine of version 28 or 29', { timeout: 60_000 }, () => {
  let weftd: Weftd;
  beforeEach(async () => {
    weftd = await Weftd.start();
  });
  afterEach(() => weftd.end());

  /** Throws unless it is answered 200. */
  async function call(method: string, body?: object) {
    const answer = await weftd.ask(method, body);
    expect(answer.status, `${method}: ${JSON.stringify(answer.body)}`).toBe(200);
    return answer.body;
  }

  async function createNetwork(generic: object = {}, pool: string = subnet): Promise<string> {
    const Options = {
      'com.docker.network.enable_ipv4': true,
      'com.docker.network.enable_ipv6': false,
      'com.docker.network.generic': generic,
    };
    expect(await call('NetworkDriver.GwAllocCheck', { Options })).toEqual({ SkipIPv4: true, SkipIPv6: true });
    await call('IpamDriver.GetDefaultAddressSpaces');
    const { PoolID, Pool } = await call('IpamDriver.RequestPool', {
      AddressSpace: 'weft-local',
      Pool: pool,
      SubPool: '',
      Options: {},
      V6: false,
    });
    const data = { AddressSpace: 'weft-local', Pool, AuxAddresses: null };
    await call('NetworkDriver.CreateNetwork', {
      NetworkID: network,
      Options,
      IPv4Data: [data],
      IPv6Data: [],
    });
    return PoolID;
  }

  const addressFor = async (PoolID: string, name: string): Promise<string> =>
    (
      await call('IpamDriver.RequestAddress', {
        PoolID,
        Address: '',
        Options: { 'com.docker.network.endpoint.name': name },
      })
    ).Address;

  const endpointOf = (EndpointID: string, Address: string) => ({
    NetworkID: network,
    EndpointID,
    Interface: { Address, AddressIPv6: '', MacAddress: '' },
    Options: { 'com.docker.network.endpoint.exposedports': [], 'com.docker.network.portmap': null },
  });

  async function removeNetwork(PoolID: string): Promise<void> {
    await call('IpamDriver.ReleasePool', { PoolID });
    await call('NetworkDriver.DeleteNetwork', { NetworkID: network });
    expect(weftd.leftovers()).toEqual([]);
  }

  it('has no address of the network burnt for a gateway', async () => {
    const pool = await createNetwork();
    expect(await addressFor(pool, 'web')).toBe('10.32.0.1/16');
    await call('IpamDriver.ReleaseAddress', { PoolID: pool, Address: '10.32.0.1' });
    await removeNetwork(pool);
  });

  it('gives a container of the same name the same address again', async () => {
    const pool = await createNetwork();
    const [web, db] = [await addressFor(pool, 'web'), await addressFor(pool, 'db')];
    expect(web).not.toBe(db);
    for (const address of [web, db])
      await call('IpamDriver.ReleaseAddress', { PoolID: pool, Address: address.replace('/16', '') });
    expect(await addressFor(pool, 'db')).toBe(db);
    expect(await addressFor(pool, 'web')).toBe(web);
    for (const address of [web, db])
      await call('IpamDriver.ReleaseAddress', { PoolID: pool, Address: address.replace('/16', '') });
    await removeNetwork(pool);
  });

  it('runs a container, and moves its gateway on without telling weft more than it needs', async () => {
    const pool = await createNetwork({ 'com.docker.network.driver.mtu': '1400' });
    const address = await addressFor(pool, 'web');
    const { Interface } = await call('NetworkDriver.CreateEndpoint', endpointOf(first, address));
    expect(Interface.MacAddress).toMatch(/^[0-9a-f][26ae](:[0-9a-f]{2}){5}$/);
    const ids = { NetworkID: network, EndpointID: first };
    const joined = await call('NetworkDriver.Join', {
      ...ids,
      SandboxKey: '/var/run/docker/netns/0a0b0c0d0e0f',
      Options: { 'com.docker.network.endpoint.exposedports': null },
    });
    expect(weftd.links()).toContain(joined.InterfaceName.SrcName);
    expect([joined.Gateway, joined.DisableGatewayService]).toEqual([undefined, false]);
    const Options = { 'com.docker.network.driver.private.no_proxy_6to4': true };
    expect(await call('NetworkDriver.ProgramExternalConnectivity', { ...ids, Options })).toEqual({});
    expect((await call('NetworkDriver.EndpointOperInfo', ids)).Value['weft.network']).toBe(subnet);
    expect(await call('NetworkDriver.RevokeExternalConnectivity', ids)).toEqual({});
    await call('NetworkDriver.Leave', ids);
    await call('NetworkDriver.DeleteEndpoint', ids);
    await call('IpamDriver.ReleaseAddress', { PoolID: pool, Address: address.replace('/16', '') });
    await removeNetwork(pool);
  });

  it('gets the same answer to a request that comes twice, and does not lose what it had', async () => {
    const pool = await createNetwork();
    await call('NetworkDriver.CreateNetwork', {
      NetworkID: network,
      IPv4Data: [{ AddressSpace: 'weft-local', Pool: subnet }],
    });
    const address = await addressFor(pool, 'web');
    const request = endpointOf(first, address);
    const [one, other] = await Promise.all([
      call('NetworkDriver.CreateEndpoint', request),
      call('NetworkDriver.CreateEndpoint', request),
    ]);
    expect(one).toEqual(other);
    await weftd.restart();
    expect(await call('NetworkDriver.CreateEndpoint', request)).toEqual(one);
    expect(weftd.links()).toEqual([`weft${first.slice(0, 11)}`]);
    const ids = { NetworkID: network, EndpointID: first };
    for (const method of ['Leave', 'Leave', 'DeleteEndpoint', 'DeleteEndpoint'])
      await call(`NetworkDriver.${method}`, ids);
    for (const _ of [1, 2]) await call('IpamDriver.ReleaseAddress', { PoolID: pool, Address: '10.32.0.1' });
    await removeNetwork(pool);
    await call('NetworkDriver.DeleteNetwork', { NetworkID: network });
  });

  it('is told by both clients, each in its own spelling, that a repeated request lost its body', async () => {
    for (const method of [
      'NetworkDriver.CreateEndpoint',
      'NetworkDriver.Leave',
      'IpamDriver.RequestAddress',
      'IpamDriver.ReleasePool',
    ]) {
      const { status, body } = await weftd.ask(method);
      expect(status).toBe(500);
      expect(body.Err).toContain('empty body');
      expect(body.Error).toBe(body.Err);
    }
  });

  it('may remove what weft never knew', async () => {
    const ids = { NetworkID: network, EndpointID: second };
    for (const [method, body] of [
      ['NetworkDriver.Leave', ids],
      ['NetworkDriver.DeleteEndpoint', ids],
      ['NetworkDriver.DeleteNetwork', { NetworkID: network }],
      ['IpamDriver.ReleaseAddress', { PoolID: 'never', Address: '10.9.9.9' }],
      ['IpamDriver.ReleasePool', { PoolID: 'never' }],
      ['NetworkDriver.EndpointOperInfo', ids],
    ] as const)
      expect(await call(method, body)).toEqual({});
  });

  it('is told what to do about a network that weft does not know', async () => {
    const { status, body } = await weftd.ask(
      'NetworkDriver.CreateEndpoint',
      endpointOf(first, '10.32.0.2/16'),
    );
    expect(status).toBe(500);
    expect(body.Err).toContain('WEFT_ENGINE_NETWORK_NOT_FOUND');
    expect(body.Err).toContain('docker network rm');
  });

  it('gets another default pool each time, until it finds one that overlaps nothing', async () => {
    const asked: { PoolID: string; Pool: string }[] = [];
    for (const _ of Array.from({ length: 5 }))
      asked.push(
        await call('IpamDriver.RequestPool', {
          AddressSpace: 'weft-local',
          Pool: '',
          SubPool: '',
          Options: null,
          V6: false,
        }),
      );
    expect(new Set(asked.map(({ Pool }) => Pool)).size).toBe(asked.length);
    const [kept, ...extra] = asked.reverse();
    for (const { PoolID } of extra) await call('IpamDriver.ReleasePool', { PoolID });
    const address = await call('IpamDriver.RequestAddress', {
      PoolID: kept?.PoolID,
      Address: '',
      Options: gatewayRequest,
    });
    expect(address.Address).toMatch(/\.1\/\d+$/);
    await call('IpamDriver.ReleasePool', { PoolID: kept?.PoolID });
    expect(weftd.leftovers()).toEqual([]);
  });

  it('finds its endpoints again after weftd was restarted', async () => {
    const pool = await createNetwork();
    const address = await addressFor(pool, 'web');
    const { Interface } = await call('NetworkDriver.CreateEndpoint', endpointOf(first, address));
    await weftd.restart();
    const joined = await call('NetworkDriver.Join', {
      NetworkID: network,
      EndpointID: first,
      SandboxKey: '/var/run/docker/netns/0a0b0c0d0e0f',
    });
    expect(joined.InterfaceName.SrcName).toBe(`weft${first.slice(0, 11)}`);
    expect(await call('NetworkDriver.CreateEndpoint', endpointOf(first, address))).toEqual({ Interface });
  });
});

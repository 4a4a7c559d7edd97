/** What reaches the intents and IPAM of each request, and what Docker is answered. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fakes, PluginHost } from './testing/plugin_host.js';

const network = 'ab'.repeat(32);
const endpoint = 'cd'.repeat(32);
const ids = { NetworkID: network, EndpointID: endpoint };

describe('the network driver', () => {
  let host: PluginHost;
  const port = {
    id: 'p-7',
    name: null,
    network: 'blue',
    ifname: 'weftcdcdcdcdcdc',
    netns: null,
    mac: '02:00:00:00:00:01',
    addresses: [],
    attach: 'tap' as const,
    owner: { kind: 'docker' as const, ref: endpoint },
  };
  beforeEach(async () => {
    const made = fakes([]);
    host = await PluginHost.start({
      handlers: {
        endpoints: {
          ...fakes([]).endpoints,
          create: async (request) => {
            host.calls.push(`create ${JSON.stringify(request)}`);
            return await made.endpoints.create(request);
          },
          join: async (id, sandbox) => {
            host.calls.push(`join ${id} ${sandbox}`);
            return { ifname: 'weftcdcdcdcdcdc', onLink: ['10.53.0.0/24', 'fd53::/64'] };
          },
          find: (id) => (id === endpoint ? port : undefined),
        },
      },
    });
  });
  afterEach(() => host.stop());

  const create = (options: object, ...data: object[]) =>
    host.ask('NetworkDriver.CreateNetwork', {
      NetworkID: network,
      Options: { 'com.docker.network.enable_ipv4': true, 'com.docker.network.generic': options },
      IPv4Data: data,
      IPv6Data: null,
    });

  it('translates a network', async () => {
    const { status, body } = await host.ask('NetworkDriver.CreateNetwork', {
      NetworkID: network,
      Options: {
        'com.docker.network.enable_ipv4': true,
        'com.docker.network.enable_ipv6': true,
        'com.docker.network.internal': true,
        'com.docker.network.generic': { 'weft.network': 'blue', 'com.docker.network.driver.mtu': '1400' },
      },
      IPv4Data: [
        {
          AddressSpace: 'weft-local',
          Pool: '10.32.0.0/16',
          Gateway: '10.32.0.1/16',
          AuxAddresses: { dns: '10.32.0.2/16' },
        },
        { AddressSpace: 'LocalDefault', Pool: '10.33.1.0/16', Gateway: '', AuxAddresses: null },
      ],
      IPv6Data: [{ AddressSpace: 'weft-global', Pool: 'FD32:0::/64', Gateway: 'fd32::1/64' }],
    });
    expect([status, body]).toEqual([200, {}]);
    expect(host.calls.map((call) => JSON.parse(call.slice(call.indexOf(' '))))).toEqual([
      [
        {
          id: network,
          network: 'blue',
          vni: null,
          mtu: 1400,
          internal: true,
          foreignIpam: false,
          pools: [
            { subnet: '10.32.0.0/16', gateway: '10.32.0.1', auxiliary: ['10.32.0.2'], ours: true },
            { subnet: '10.33.0.0/16', gateway: null, auxiliary: [], ours: false },
            { subnet: 'fd32::/64', gateway: 'fd32::1', auxiliary: [], ours: true },
          ],
        },
      ],
    ]);
  });

  it('passes on the pool of the null driver', async () => {
    const answer = await create(
      { 'weft.network': 'blue', 'weft.allow-foreign-ipam': 'true' },
      { AddressSpace: 'null', Pool: '0.0.0.0/0' },
    );
    expect(answer.status).toBe(200);
    expect(host.calls.join()).toContain(
      '"pools":[{"subnet":"0.0.0.0/0","gateway":null,"auxiliary":[],"ours":false}]',
    );
  });

  it('refuses options by what to write, also where the gateway is asked for', async () => {
    const bad = { 'weft.gateway': '10.0.0.1' };
    const asked = { Options: { 'com.docker.network.generic': bad } };
    for (const answer of [await create(bad), await host.ask('NetworkDriver.GwAllocCheck', asked)]) {
      expect(answer.status).toBe(500);
      expect(answer.body.Err).toContain('docker_gwbridge');
    }
    expect(host.calls).toEqual([]);
  });

  it('refuses what is no subnet and no address', async () => {
    expect((await create({}, { Pool: '10.0.0.0/33' })).body.Err).toContain('"10.0.0.0/33" is no subnet');
    const answer = await create({}, { Pool: '10.0.0.0/8', Gateway: '10.0.0.1' });
    expect(answer.body.Err).toContain('"10.0.0.1" is no address with a prefix length');
  });

  it('needs no address for a gateway', async () => {
    const { body } = await host.ask('NetworkDriver.GwAllocCheck', { Options: {} });
    expect(body).toEqual({ SkipIPv4: true, SkipIPv6: true });
  });

  it('says that swarm does not work with it', async () => {
    for (const method of ['AllocateNetwork', 'FreeNetwork']) {
      const answer = await host.ask(`NetworkDriver.${method}`, { NetworkID: 'n1x9wjx3yqzvq0nf1' });
      expect(answer.status).toBe(500);
      expect(answer.body.Err).toContain('Swarm');
    }
  });

  it('answers the MAC only when Docker did not give one', async () => {
    const Interface = { Address: '10.32.0.5/16', AddressIPv6: 'FD32::5/64', MacAddress: '' };
    const made = await host.ask('NetworkDriver.CreateEndpoint', { ...ids, Interface, Options: null });
    expect(made.body).toEqual({ Interface: { MacAddress: '02:00:00:00:00:01' } });
    expect(host.calls.pop()).toBe(
      `create {"id":"${endpoint}","engineNetwork":"${network}","addresses":["10.32.0.5/16","fd32::5/64"],"mac":null}`,
    );
    const label = { 'com.docker.network.endpoint.macaddress': 'AhEiM0RV' };
    const given = { ...Interface, AddressIPv6: null, MacAddress: '02:11:22:33:44:55' };
    const both = await host.ask('NetworkDriver.CreateEndpoint', { ...ids, Interface: given, Options: label });
    expect(both.body).toEqual({ Interface: {} });
    expect(host.calls.pop()).toContain('"addresses":["10.32.0.5/16"],"mac":"02:11:22:33:44:55"');
    const bytes = await host.ask('NetworkDriver.CreateEndpoint', { ...ids, Interface: null, Options: label });
    expect(bytes.body).toEqual({ Interface: { MacAddress: '02:11:22:33:44:55' } });
    expect(host.calls.pop()).toContain('"addresses":[],"mac":"02:11:22:33:44:55"');
  });

  it.each(['01:00:5e:00:00:01', 'ff:ff:ff:ff:ff:ff', '02:11', 'x'.repeat(1024)])(
    'refuses the MAC %s',
    async (mac) => {
      const Interface = { Address: '', AddressIPv6: '', MacAddress: mac };
      const answer = await host.ask('NetworkDriver.CreateEndpoint', { ...ids, Interface });
      expect(answer.body.Err).toContain('--mac-address');
      expect(host.calls).toEqual([]);
    },
  );

  it('joins with routes on the link and without a gateway', async () => {
    const SandboxKey = '/var/run/docker/netns/7062d73ede71';
    const { body } = await host.ask('NetworkDriver.Join', { ...ids, SandboxKey, Options: {} });
    expect(body).toEqual({
      InterfaceName: { SrcName: 'weftcdcdcdcdcdc', DstPrefix: 'eth' },
      StaticRoutes: [
        { Destination: '10.53.0.0/24', RouteType: 1 },
        { Destination: 'fd53::/64', RouteType: 1 },
      ],
      DisableGatewayService: false,
    });
    expect(host.calls).toEqual([`join ${endpoint} ${SandboxKey}`]);
  });

  it.each(['', 'netns/x', '/run/\0', `/${'x'.repeat(1024)}`])(
    'refuses the sandbox %j',
    async (SandboxKey) => {
      const answer = await host.ask('NetworkDriver.Join', { ...ids, SandboxKey });
      expect(answer.body.Err).toContain('SandboxKey');
      expect(host.calls).toEqual([]);
    },
  );

  it('tells what a port is, and nothing of one that it does not know', async () => {
    expect((await host.ask('NetworkDriver.EndpointOperInfo', ids)).body).toEqual({
      Value: { 'weft.port': 'p-7', 'weft.network': 'blue', 'weft.link': 'weftcdcdcdcdcdc' },
    });
    const unknown = { NetworkID: network, EndpointID: '99' };
    expect((await host.ask('NetworkDriver.EndpointOperInfo', unknown)).body).toEqual({});
  });

  it('has nothing to do for ports and discovery', async () => {
    for (const method of [
      'ProgramExternalConnectivity',
      'RevokeExternalConnectivity',
      'DiscoverNew',
      'DiscoverDelete',
    ]) {
      const { status, body } = await host.ask(`NetworkDriver.${method}`, {
        DiscoveryType: 1,
        Options: { secret: 1 },
      });
      expect([status, body]).toEqual([200, {}]);
    }
    expect(host.calls).toEqual([]);
  });
});

describe('the IPAM driver', () => {
  let host: PluginHost;
  beforeEach(async () => {
    host = await PluginHost.start();
  });
  afterEach(() => host.stop());

  it('tells its address spaces', async () => {
    expect((await host.ask('IpamDriver.GetDefaultAddressSpaces')).body).toEqual({
      LocalDefaultAddressSpace: 'weft-local',
      GlobalDefaultAddressSpace: 'weft-global',
    });
    expect((await host.ask('IpamDriver.GetCapabilities')).body).toEqual({
      RequiresMACAddress: false,
      RequiresRequestReplay: false,
    });
  });

  it('asks for pools', async () => {
    const { body } = await host.ask('IpamDriver.RequestPool', {
      AddressSpace: 'weft-local',
      Pool: '10.51.0.0/16',
      SubPool: '10.51.4.0/22',
      Options: { 'weft.network': 'blue' },
      V6: false,
    });
    expect(body).toEqual({ PoolID: 'pool 10.51.0.0/16', Pool: '10.51.0.0/16', Data: {} });
    await host.ask('IpamDriver.RequestPool', {
      AddressSpace: 'weft-global',
      Pool: '',
      Options: null,
      V6: true,
    });
    expect(host.calls).toEqual([
      'ipam.requestPool [{"network":"blue","subnet":"10.51.0.0/16","range":"10.51.4.0/22","family":4}]',
      'ipam.requestPool [{"network":null,"subnet":null,"range":null,"family":6}]',
    ]);
  });

  it.each([
    [{ AddressSpace: 'LocalDefault' }, 'is not of weft'],
    [{ Pool: '10.51.0.0' }, 'is no subnet of IPv4'],
    [{ Pool: '10.51.0.0/16', V6: true }, 'is no subnet of IPv6'],
    [{ SubPool: '10.51.4.0/22' }, '--subnet'],
    [{ Options: { 'weft.share': '1' } }, '--ipam-opt weft.network=NAME'],
  ])('refuses the pool %j', async (request, text) => {
    const answer = await host.ask('IpamDriver.RequestPool', request);
    expect([answer.status, answer.body.Error]).toEqual([500, expect.stringContaining(text)]);
    expect(host.calls).toEqual([]);
  });

  it('asks for addresses', async () => {
    const gateway = { RequestAddressType: 'com.docker.network.gateway' };
    const named = { 'com.docker.network.endpoint.name': '/web' };
    for (const request of [
      { PoolID: 'x', Address: '10.32.0.254', Options: gateway },
      { PoolID: 'x', Address: '', Options: named },
      { PoolID: 'x', Address: 'FD32::09', Options: null },
    ])
      expect((await host.ask('IpamDriver.RequestAddress', request)).status).toBe(200);
    expect(host.calls).toEqual([
      'ipam.requestAddress [{"pool":"x","address":"10.32.0.254","gateway":true,"name":null}]',
      'ipam.requestAddress [{"pool":"x","address":null,"gateway":false,"name":"web"}]',
      'ipam.requestAddress [{"pool":"x","address":"fd32::9","gateway":false,"name":null}]',
    ]);
  });

  it('releases what it may not know', async () => {
    expect((await host.ask('IpamDriver.ReleaseAddress', { PoolID: 'x', Address: '10.32.0.9' })).body).toEqual(
      {},
    );
    expect((await host.ask('IpamDriver.ReleasePool', { PoolID: 'x' })).body).toEqual({});
    expect(host.calls).toEqual(['ipam.releaseAddress ["x","10.32.0.9"]', 'ipam.releasePool ["x"]']);
  });
});

/** The transport: what Docker's client, of any version, may do to it. */
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { fakes, type HostOptions, PluginHost } from './testing/plugin_host.js';

const network = 'ab'.repeat(32);
const endpoint = 'cd'.repeat(32);
const createEndpoint = {
  NetworkID: network,
  EndpointID: endpoint,
  Interface: { Address: '10.32.0.2/16', AddressIPv6: '', MacAddress: '' },
  Options: {},
};

describe('the transport of the plugin', { timeout: 60_000 }, () => {
  let host: PluginHost;
  const start = async (options?: HostOptions) => {
    host = await PluginHost.start(options);
  };
  afterEach(() => host.stop());

  /** Sends bytes, and gives what comes back until the connection ends or `until` has come. */
  const raw = (bytes: string, until: string | null = null) =>
    new Promise<string>((resolve, reject) => {
      let text = '';
      const socket = connect(host.path, () => socket.write(bytes));
      socket.setEncoding('utf8');
      socket.on('data', (chunk: string) => {
        text += chunk;
        if (until !== null && text.includes(until)) socket.destroy();
      });
      socket.on('close', () => resolve(text));
      socket.on('error', reject);
    });

  it('activates before weftd is ready, and tells when that was', async () => {
    await start({ parts: { ready: new Promise(() => undefined) } });
    expect(host.server.state().activated).toBeNull();
    const answer = await host.ask('Plugin.Activate', undefined, {
      headers: { host: 'plugin.moby.localhost' },
    });
    expect(answer).toEqual({
      status: 200,
      type: 'application/vnd.docker.plugins.v1.2+json',
      body: { Implements: ['NetworkDriver', 'IpamDriver'] },
    });
    expect(host.server.state().activated).toBeInstanceOf(Date);
    expect((await host.ask('NetworkDriver.GetCapabilities')).body).toEqual({
      Scope: 'local',
      ConnectivityScope: 'global',
      GwAllocChecker: true,
    });
    expect((await host.ask('IpamDriver.GetCapabilities')).status).toBe(200);
  });

  it('makes the others wait for weftd, but not for ever', async () => {
    let open = (): void => undefined;
    const ready = new Promise<void>((resolve) => {
      open = resolve;
    });
    await start({ parts: { ready }, limits: { patience: 500 } });
    const early = await host.ask('NetworkDriver.CreateEndpoint', createEndpoint);
    expect(early.status).toBe(500);
    expect(early.body.Err).toContain('WEFT_STARTING');
    expect(host.calls).toEqual([]);
    open();
    expect((await host.ask('NetworkDriver.CreateEndpoint', createEndpoint)).status).toBe(200);
  });

  it('refuses in both spellings of the error', async () => {
    await start();
    const { status, body } = await host.ask('IpamDriver.RequestAddress', {
      PoolID: 'x',
      Address: 'no address',
    });
    expect(status).toBe(500);
    expect(body.Err).toContain('"no address" is no address (WEFT_DOCKER_REQUEST)');
    expect(body.Error).toBe(body.Err);
  });

  it('answers a body that is empty, as Docker repeats it, that is no JSON, or that is not an object', async () => {
    await start();
    for (const [body, reason] of [
      [undefined, 'empty body (WEFT_DOCKER_INTERRUPTED). Repeat the command'],
      ['{', 'the body is not JSON'],
      ['[1]', 'the body'],
      ['null', 'the body'],
      ['{"NetworkID":7}', 'NetworkID'],
      ['{"NetworkID":"xyz"}', 'NetworkID: is no ID of 1-128 hex digits'],
    ] as const) {
      const answer = await host.ask('NetworkDriver.DeleteNetwork', body);
      expect(answer.status).toBe(500);
      expect(answer.body.Err).toContain(reason);
    }
    expect(host.calls).toEqual([]);
  });

  it('says 404 for what it has not, and 405 for another verb', async () => {
    await start();
    const unknown = await host.ask('VolumeDriver.Create', {});
    expect(unknown.status).toBe(404);
    expect(unknown.body.Err).toContain('VolumeDriver.Create');
    expect((await host.ask('Plugin.Activate', undefined, { verb: 'GET' })).status).toBe(405);
    expect((await host.ask('', undefined, { verb: 'GET' })).status).toBe(404);
  });

  it('refuses a body that is too large, and the connection goes on', async () => {
    await start({ limits: { body: 1000 } });
    const answer = await host.ask('NetworkDriver.DeleteNetwork', {
      NetworkID: network,
      filler: 'x'.repeat(500_000),
    });
    expect(answer.status).toBe(500);
    expect(answer.body.Err).toContain('larger than 1000 bytes');
    await expect.poll(() => Object.values(host.agent.freeSockets).flat().length, { timeout: 30_000 }).toBe(1);
    expect((await host.ask('NetworkDriver.DeleteNetwork', { NetworkID: network })).status).toBe(200);
  });

  it('gives up a body that does not come to its end', async () => {
    await start({ limits: { receipt: 50 } });
    const text = await raw('POST /NetworkDriver.Leave HTTP/1.1\r\nHost:\r\nContent-Length: 10\r\n\r\n{');
    expect(text).toMatch(/^HTTP\/1\.1 500 /);
    expect(text).toContain('did not come within');
  });

  it('cuts a request whose headers do not end, but never a connection without a request', async () => {
    await start({ limits: { receipt: 50 } });
    let cut = false;
    const idle = connect(host.path).on('close', () => {
      cut = true;
    });
    await new Promise((resolve) => idle.once('connect', resolve));
    expect(await raw('POST /NetworkDriver.Leave HTTP/1.1\r\nHost: x')).toBe('');
    expect(cut).toBe(false);
    idle.destroy();
  });

  it('answers what is no HTTP', async () => {
    await start();
    expect(await raw('hello\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 [\s\S]*"Err":"the request/);
    const long = await raw(`POST /Plugin.Activate HTTP/1.1\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`);
    expect(long).toMatch(/^HTTP\/1\.1 431 [\s\S]*"Error":"the request/);
  });

  it('takes requests without a host, and bodies in chunks', async () => {
    await start();
    expect(await raw('POST /Plugin.Activate HTTP/1.1\r\n\r\n', '\n')).toMatch(/^HTTP\/1\.1 200 /);
    const body = JSON.stringify({ NetworkID: network });
    const chunked = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
    const head = 'POST /NetworkDriver.DeleteNetwork HTTP/1.1\r\nHost:\r\nTransfer-Encoding: chunked\r\n\r\n';
    expect(await raw(head + chunked, '{}')).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('answers a handler that takes too long, and undoes what Docker will not', async () => {
    const calls: string[] = [];
    const made = fakes(calls);
    let finish = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const slow = {
      networks: { ...made.networks, create: (r: never) => gate.then(() => made.networks.create(r)) },
      endpoints: {
        ...made.endpoints,
        create: (r: never) => gate.then(() => made.endpoints.create(r)),
        join: (id: string, sandbox: string) => gate.then(() => made.endpoints.join(id, sandbox)),
      },
      ipam: {
        ...made.ipam,
        requestPool: (r: never) => gate.then(() => made.ipam.requestPool(r)),
        requestAddress: (r: never) => gate.then(() => made.ipam.requestAddress(r)),
      },
    };
    await start({ handlers: slow, limits: { patience: 30 } });
    const pool = { AddressSpace: 'weft-local', Pool: '10.32.0.0/16', V6: false };
    for (const [method, body] of [
      ['NetworkDriver.CreateNetwork', { NetworkID: network, Options: null, IPv4Data: [pool] }],
      ['NetworkDriver.CreateEndpoint', createEndpoint],
      ['NetworkDriver.Join', { NetworkID: network, EndpointID: endpoint, SandboxKey: '/run/x' }],
      ['IpamDriver.RequestPool', pool],
      ['IpamDriver.RequestAddress', { PoolID: 'x', Address: '' }],
    ] as const) {
      const answer = await host.ask(method, body);
      expect(answer.status).toBe(500);
      expect(answer.body.Err).toContain(`weftd did not finish ${method} within 0.03 s (WEFT_DOCKER_SLOW)`);
    }
    finish();
    await expect
      .poll(() => calls.filter((call) => /remove|leave|release/.test(call)).sort(), { timeout: 30_000 })
      .toEqual([
        `endpoints.leave ["${endpoint}"]`,
        `endpoints.remove ["${endpoint}"]`,
        'ipam.releasePool ["pool 10.32.0.0/16"]',
        `networks.remove ["${network}"]`,
      ]);
  });

  it('does not undo what a repeated request was told of', async () => {
    const made = fakes([]);
    const begun: (() => void)[] = [];
    let finish = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const removed: string[] = [];
    // As the intent does: one after the other, and the same request gives the same endpoint.
    let queue: Promise<unknown> = gate;
    const endpoints = {
      ...made.endpoints,
      create: (request: never) => {
        for (const tell of begun.splice(0)) tell();
        const mine = queue.then(() => made.endpoints.create(request));
        queue = mine;
        return mine;
      },
      remove: async (id: string) => void removed.push(id),
    };
    await start({ handlers: { endpoints }, limits: { patience: 1000 } });
    const slow = await host.ask('NetworkDriver.CreateEndpoint', createEndpoint);
    expect(slow.body.Err).toContain('WEFT_DOCKER_SLOW');
    const second = new Promise<void>((resolve) => begun.push(resolve));
    const repeated = host.ask('NetworkDriver.CreateEndpoint', createEndpoint);
    await second;
    finish();
    expect((await repeated).status).toBe(200);
    expect(removed).toEqual([]);
  });

  it('tells a defect, and goes on', async () => {
    await start({
      handlers: {
        ipam: { ...fakes([]).ipam, releasePool: () => Promise.reject(new Error('no such thing')) },
      },
    });
    const answer = await host.ask('IpamDriver.ReleasePool', { PoolID: 'x' });
    expect(answer.body.Error).toContain('no such thing (WEFT_INTERNAL)');
    expect((await host.ask('Plugin.Activate')).status).toBe(200);
  });

  it('logs identifiers and never options', async () => {
    await start();
    const generic = { 'com.docker.network.generic': { password: 'hunter2' } };
    await host.ask('NetworkDriver.CreateNetwork', { NetworkID: network, Options: generic });
    await host.ask('NetworkDriver.CreateEndpoint', {
      ...createEndpoint,
      Options: { secret: 'hunter2', 'weft.x': 1 },
    });
    const text = host.logged.join('');
    expect(text).toContain(`"engineNetwork":"${network.slice(0, 12)}","endpoint":"${endpoint.slice(0, 12)}"`);
    expect(text).toContain('"method":"NetworkDriver.CreateNetwork"');
    expect(text).toContain('"ignored":["password"]');
    expect(text).not.toContain('hunter2');
    expect(text).not.toContain(network);
  });

  it('turns the connection away that is one too many', async () => {
    await start({ limits: { connections: 1 } });
    expect((await host.ask('Plugin.Activate')).status).toBe(200);
    const [second] = await Promise.allSettled([raw('POST /Plugin.Activate HTTP/1.1\r\nHost:\r\n\r\n')]);
    expect(second.status === 'rejected' || second.value === '').toBe(true);
    expect((await host.ask('Plugin.Activate')).status).toBe(200);
  });

  it('ends what is under way before it cuts the connections', async () => {
    let arrived = (): void => undefined;
    const there = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    let finish = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const leave = () => {
      arrived();
      return gate;
    };
    await start({ handlers: { endpoints: { ...fakes([]).endpoints, leave } } });
    const answer = host.ask('NetworkDriver.Leave', { NetworkID: network, EndpointID: endpoint });
    await there;
    const closed = host.server.close();
    finish();
    expect((await answer).status).toBe(200);
    await closed;
  });
});

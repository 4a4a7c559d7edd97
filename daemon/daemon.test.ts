/** The daemon from the socket to the datapath, with a fake of the addon. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { Client } from 'undici';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { until } from '../lab/wait.js';
import type { Network, Peer, Port, Status } from './api/schema.js';
import { loadConfig } from './config/load.js';
import { type Daemon, type DaemonOptions, type Surroundings, startDaemon } from './daemon.js';
import { Datapath } from './datapath/datapath.js';
import { FakeNative } from './datapath/fake_native.js';
import { WeftError } from './errors.js';
import type { Proc } from './reconcile/proc.js';
import { nothing } from './restart/inherit.js';
import { Kept } from './restart/kept.js';
import { lockDirectory } from './state/directory_lock.js';
import { openState } from './state/open_state.js';
import type { Store } from './state/store.js';

interface Answer {
  status: number;
  /** Of a list that was cut. */
  more: string | string[] | undefined;
  /** Of a path that knows other methods. */
  allow: string | string[] | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  body: any;
}

const hostConfig = `
metrics: { listen: off }
peers: [10.99.0.1, 10.99.0.2]
networks:
  blue: { vni: 42, subnets: [10.42.0.0/24] }
`;

describe('weftd on a fake kernel', () => {
  let dir: string;
  let options: DaemonOptions;
  let native: FakeNative;
  let logged: string[];
  let daemon: Daemon | null = null;
  const startTimes = new Map<number, string>([[process.pid, '77']]);
  const proc: Proc = {
    bootId: () => 'boot-1',
    startTime: (pid) => startTimes.get(pid) ?? null,
    netnsInode: () => null,
    inhabits: () => false,
  };

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'weft-daemon-'));
    options = {
      configFile: join(dir, 'weft.yaml'),
      configMayBeAbsent: true,
      stateDir: join(dir, 'state'),
      socket: join(dir, 'w.sock'),
    };
    configure(hostConfig);
    native = new FakeNative();
    logged = [];
    native.makeNamespace('/run/netns/one', '/proc/1000/root/run/netns/one');
  });

  /** Never the sockets of this machine's Docker. */
  function configure(text: string): void {
    const docker = `docker: { plugin: ${join(dir, 'plugin.sock')}, api: off }`;
    writeFileSync(options.configFile, `${text}\n${docker}\n`);
  }

  afterEach(async () => {
    await daemon?.stop();
    daemon = null;
    rmSync(dir, { recursive: true });
  });

  async function start(
    from = native,
    stopping = new AbortController().signal,
    more: Partial<Surroundings> = {},
  ): Promise<void> {
    daemon = await startDaemon(options, loadConfig(options.configFile, true), {
      native: from,
      proc,
      lookup: async () => [],
      log: pino({ level: 'info' }, { write: (line: string) => void logged.push(line) }),
      version: '1.2.3',
      openStore: async (directory) => (await openState(directory, { version: '1.2.3' })).store,
      inheritance: nothing,
      connectEngine: () => {
        throw new Error('docker.api is off');
      },
      stopping,
      ...more,
    });
  }

  async function call(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    body?: unknown,
    contentType: string | null = 'application/json',
  ): Promise<Answer> {
    const client = new Client('http://localhost', { socketPath: options.socket });
    try {
      const text = body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body);
      const answer = await client.request({
        method,
        path,
        body: text,
        headers: contentType === null ? {} : { 'content-type': contentType },
      });
      const received = await answer.body.text();
      const more = answer.headers['weft-more'];
      const { allow } = answer.headers;
      return { status: answer.statusCode, more, allow, body: received === '' ? null : JSON.parse(received) };
    } finally {
      await client.destroy();
    }
  }

  it('programs what the file says, and leaves the own address out', async () => {
    await start();
    expect([...native.engine.networks.values()].map(({ vni, mtu }) => [vni, mtu])).toEqual([[42, 1450]]);
    expect([...native.engine.peers.values()].map(({ address }) => address)).toEqual(['10.99.0.2']);
    const peers: Peer[] = (await call('GET', '/v1/peers')).body;
    expect(peers.map(({ address, state }) => [address, state])).toEqual([
      ['10.99.0.1', 'self'],
      ['10.99.0.2', 'silent'],
    ]);
    expect(native.notified).toContain('READY=1');
    expect(statSync(options.socket).mode & 0o777).toBe(0o660);
  });

  it('walks a way, and asks the far host about it', async () => {
    await start();
    native.makeNamespace('/run/netns/two', '/proc/1000/root/run/netns/two');
    for (const [name, netns, address] of [
      ['web', 'one', '10.42.0.2/24'],
      ['db', 'two', '10.42.0.3/24'],
    ] as const) {
      const port = { network: 'blue', netns, name, addresses: [address] };
      expect((await call('POST', '/v1/ports', port)).status).toBe(201);
    }
    const here = await call('GET', '/v1/why?source=web&destination=10.42.0.3');
    expect(here.status).toBe(200);
    expect(here.body).toMatchObject({ state: 'ok', network: 'blue', destination: { label: 'db' } });

    const asked: unknown[] = [];
    native.engine.onQuery = (peer, { nonce, topic, text }) => {
      if (topic !== 2) return;
      asked.push(JSON.parse(Buffer.from(text).toString()));
      const place = { where: 'port', address: null, declared: false, frozen: false, idle: 1 };
      const port = { mac: '02:00:00:00:00:09', address: '10.42.0.9', state: 'down', drop: null };
      const account = { network: 'same', mtu: 1450, to: place, from: { ...place, where: 'asker' }, port };
      const reply = Buffer.from(JSON.stringify(account));
      native.engine.raise({ type: 'reply', peer, nonce, topic, text: reply, room: 0 });
    };
    const there = await call('GET', '/v1/why?source=web&destination=10.42.0.9');
    expect(asked).toMatchObject([{ network: 'blue', vni: 42, toAddress: '10.42.0.9', toMac: null }]);
    expect(there.body).toMatchObject({
      state: 'trouble',
      destination: { mac: '02:00:00:00:00:09' },
      conclusion: expect.stringContaining(
        'at peer 10.99.0.2: the port of 10.42.0.9 at peer 10.99.0.2 is down',
      ),
    });

    const answering = native.engine.onQuery;
    native.engine.onQuery = (peer, { nonce, topic }) => {
      const nowhere = { where: 'nowhere', address: null, declared: false, frozen: false, idle: 0 };
      const none = { network: 'same', mtu: 1450, to: nowhere, from: nowhere, port: null };
      const reply = Buffer.from(JSON.stringify(none));
      native.engine.raise({ type: 'reply', peer, nonce, topic, text: reply, room: 0 });
    };
    const nobody = await call('GET', '/v1/why?source=web&destination=nosuch');
    expect([nobody.status, nobody.body.code]).toEqual([404, 'WEFT_WHY_UNKNOWN']);
    expect(JSON.stringify(nobody.body)).not.toContain('could not be asked');
    native.engine.onQuery = answering;

    expect((await call('GET', '/v1/why?source=x&destination=y')).body.code).toBe('WEFT_WHY_ELSEWHERE');
    expect((await call('GET', '/v1/why?source=web&destination=db&network=red')).status).toBe(404);
    expect((await call('GET', '/v1/why?source=web')).status).toBe(400);
    expect((await call('GET', '/v1/why?source=&destination=db')).status).toBe(400);
  });

  it('adds, shows and removes a port', async () => {
    await start();
    const created = await call('POST', '/v1/ports', {
      network: 'blue',
      netns: 'one',
      name: 'web',
      addresses: ['10.42.0.2/24'],
    });
    expect(created.status).toBe(201);
    const port: Port = created.body;
    expect(port).toMatchObject({
      ifname: 'eth0',
      netns: 'one',
      state: 'up',
      mtu: 1450,
      owner: { kind: 'api' },
    });
    const links = native.links('/run/netns/one');
    expect(links.map(({ ifname, mac }) => [ifname, mac])).toEqual([['eth0', port.mac]]);
    for (const ref of [port.id, 'web', 'eth0', 'eth0@one']) {
      expect((await call('GET', `/v1/ports/${encodeURIComponent(ref)}`)).body.id).toBe(port.id);
    }
    expect((await call('DELETE', '/v1/ports/web')).status).toBe(204);
    expect(native.links('/run/netns/one')).toEqual([]);
    expect(native.openFds.size).toBe(0);
    expect((await call('GET', '/v1/ports/web')).status).toBe(404);
  });

  it('leaves nothing of a port whose link cannot be made', async () => {
    await start();
    native.namespaces.get('/run/netns/one')?.links.push(native.makeLink('eth0'));
    const refused = await call('POST', '/v1/ports', { network: 'blue', netns: 'one' });
    expect([refused.status, refused.body.code]).toEqual([409, 'WEFT_LINK_EXISTS']);
    expect((await call('GET', '/v1/ports')).body).toEqual([]);
    expect(((await call('GET', '/v1/status')).body as Status).findings).toEqual([]);
  });

  it('keeps a port over a restart, and takes its TAP up again', async () => {
    await start();
    const before: Port = (await call('POST', '/v1/ports', { network: 'blue', netns: 'one' })).body;
    await call('POST', '/v1/fdb', { network: 'blue', mac: '02:00:00:00:00:07', port: before.id });
    const host = ((await call('GET', '/v1/status')).body as Status).host.id;
    await daemon?.stop();
    native.locks.clear();
    await start();
    expect((await call('GET', '/v1/ports')).body).toEqual([before]);
    expect(((await call('GET', '/v1/status')).body as Status).host.id).toBe(host);
    expect(native.engine.calls.filter((one) => one === 'addPort')).toHaveLength(1);
    expect(native.links('/run/netns/one')).toHaveLength(1);
    const fdb = (await call('GET', '/v1/fdb?network=blue')).body;
    expect(fdb).toMatchObject([
      { mac: '02:00:00:00:00:07', type: 'static', where: before.id, label: 'eth0@one' },
    ]);
  });

  it('lets an object be removed only where it comes from', async () => {
    await start();
    for (const path of ['/v1/networks/blue', '/v1/peers/10.99.0.2']) {
      const refused = await call('DELETE', path);
      expect([refused.status, refused.body.code]).toEqual([409, 'WEFT_NOT_OWNER']);
      expect(refused.body.remedy).toContain('weft reload');
    }
  });

  it('creates networks, refuses clashes, and removes with force only', async () => {
    await start();
    expect((await call('POST', '/v1/networks', { name: 'red', vni: 42 })).body.code).toBe('WEFT_VNI_IN_USE');
    expect((await call('POST', '/v1/networks', { name: 'blue' })).body.code).toBe('WEFT_NETWORK_EXISTS');
    const red: Network = (
      await call('POST', '/v1/networks', { name: '10.9.0.0/24', subnets: ['10.9.0.0/24'] })
    ).body;
    expect(red.vni).toBeGreaterThanOrEqual(4096);
    await call('POST', '/v1/ports', { network: '10.9.0.0/24', netns: 'one' });
    expect((await call('DELETE', '/v1/networks/10.9.0.0%2F24')).body.code).toBe('WEFT_NETWORK_HAS_PORTS');
    expect((await call('DELETE', '/v1/networks/10.9.0.0%2F24?force=true')).status).toBe(204);
    expect(native.links('/run/netns/one')).toEqual([]);
  });

  it('refuses what it cannot read, with a field and a reason', async () => {
    await start();
    for (const body of [
      '{',
      '[]',
      '{"network":1}',
      '{"network":"blue","x":1}',
      '',
      { network: 'blue', ifname: 'a/b' },
    ]) {
      const { status, body: error } = await call('POST', '/v1/ports', body);
      expect([body, status, error.code]).toEqual([body, 400, 'WEFT_INVALID']);
    }
    const large = await call('POST', '/v1/ports', JSON.stringify({ network: 'x'.repeat(300_000) }));
    expect([large.status, large.body.code]).toEqual([413, 'WEFT_TOO_LARGE']);
    expect((await call('GET', '/v1/nothing')).body.code).toBe('WEFT_NO_SUCH_ROUTE');
    expect((await call('GET', '/v1/fdb?limit=x')).status).toBe(400);
    expect((await call('GET', '/v1/health')).body.status).toBe('ok');
  });

  it('cuts a long FDB, says so, and gives more when asked', async () => {
    await start();
    for (const last of ['07', '08', '09'])
      await call('POST', '/v1/fdb', { network: 'blue', mac: `02:00:00:00:00:${last}`, peer: '10.99.0.2' });
    const cut = await call('GET', '/v1/fdb?limit=2');
    expect([cut.body.length, cut.more]).toEqual([2, 'true']);
    const whole = await call('GET', '/v1/fdb?network=blue&limit=3');
    expect([whole.body.length, whole.more]).toEqual([3, undefined]);
    const { engine } = native;
    const [first] = engine.entries;
    if (first === undefined) throw new Error('there are entries');
    engine.entries = Array.from({ length: 10_001 }, () => first);
    const usual = await call('GET', '/v1/fdb');
    expect([usual.body.length, usual.more]).toEqual([10_000, 'true']);
  });

  it('shows and removes static FDB entries of a network that is gone', async () => {
    await start();
    const mac = '02:00:00:00:00:07';
    await call('POST', '/v1/fdb', { network: 'blue', mac, peer: '10.99.0.2' });
    configure('metrics: { listen: off }\npeers: [10.99.0.2]');
    await call('POST', '/v1/reload');
    expect((await call('GET', '/v1/fdb?network=blue')).body).toMatchObject([{ mac, type: 'static' }]);
    expect((await call('DELETE', `/v1/fdb?network=blue&mac=${mac}`)).status).toBe(204);
    expect((await call('GET', '/v1/fdb?network=blue')).body.code).toBe('WEFT_NETWORK_NOT_FOUND');
    expect((await call('DELETE', `/v1/fdb?network=blue&mac=${mac}`)).body.code).toBe(
      'WEFT_NETWORK_NOT_FOUND',
    );
  });

  it('removes a pool that Docker asked for and left', async () => {
    configure('metrics: { listen: off }');
    await start();
    const plugin = new Client('http://localhost', { socketPath: join(dir, 'plugin.sock') });
    const ask = (method: string, body: object) =>
      plugin.request({ method: 'POST', path: `/IpamDriver.${method}`, body: JSON.stringify(body) });
    try {
      await (await ask('RequestPool', { AddressSpace: 'weft-local', Pool: '10.32.0.0/16' })).body.dump();
      await (await ask('RequestAddress', { PoolID: 'weft:1:10.32.0.0/16' })).body.dump();
    } finally {
      await plugin.destroy();
    }
    const path = `/v1/pools/${encodeURIComponent('weft:1:10.32.0.0/16')}`;
    const refused = await call('DELETE', path);
    expect([refused.status, refused.body.code]).toEqual([409, 'WEFT_POOL_HAS_ADDRESSES']);
    expect((await call('DELETE', `${path}?force=maybe`)).status).toBe(400);
    expect((await call('DELETE', `${path}?force=true`)).status).toBe(204);
    expect((await call('GET', '/v1/pools')).body).toEqual([]);
    for (const ref of [encodeURIComponent('10.32.0.0/16'), 'x'.repeat(10_000)])
      expect((await call('DELETE', `/v1/pools/${ref}`)).status).toBe(404);
  });

  it.each([
    ['goes on for as long as it forwards what it took over', true, '\nEXTEND_TIMEOUT_USEC=30000000'],
    ['has the time that systemd gives it where it forwards nothing yet', false, ''],
  ])('that waits for the disk of its state %s', async (_, forwards, patience) => {
    const use = { mergeTcp: true, mergeUdp: true, sourcePorts: 4 };
    const kept = new Kept(native, []);
    const datapath = new Datapath(native, use, () => undefined, kept);
    const stopping = new AbortController();
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    try {
      let ask = (): void => undefined;
      const asked = new Promise<void>((fulfil) => {
        ask = fulfil;
      });
      const started = start(native, stopping.signal, {
        openStore: () => {
          ask();
          return new Promise<Store>(() => undefined);
        },
        inheritance: { ...nothing, takenOver: forwards ? { datapath, kept, after: 1 } : null },
      });
      // Nothing is done in the directory any more when the test removes it.
      await asked;
      await vi.advanceTimersByTimeAsync(5000);
      const waitsFor = `the disk of the state directory ${options.stateDir}, for 5 s`;
      expect(native.notified).toEqual([`STATUS=waiting for ${waitsFor}${patience}`]);
      stopping.abort();
      await expect(started).rejects.toMatchObject({ name: 'AbortError' });
    } finally {
      vi.useRealTimers();
      datapath.stop();
    }
  });

  it('undoes the rest when a part of stopping fails', async () => {
    await start();
    native.engine.stop = () => {
      throw new Error('the worker does not end');
    };
    await daemon?.stop();
    expect(statSync(join(options.stateDir, 'weftd.pid'), { throwIfNoEntry: false })).toBeUndefined();
  });

  it('gives up a start when it is told to stop, and leaves nothing behind', async () => {
    const stopping = new AbortController();
    const { links } = native;
    native.links = (netns) => {
      stopping.abort();
      return links.call(native, netns);
    };
    await expect(start(native, stopping.signal)).rejects.toMatchObject({ name: 'AbortError' });
    expect(native.notified).not.toContain('READY=1');
    expect(statSync(options.socket, { throwIfNoEntry: false })).toBeUndefined();
    expect(statSync(join(options.stateDir, 'weftd.pid'), { throwIfNoEntry: false })).toBeUndefined();
  });

  it('serves its OpenAPI description with every route', async () => {
    await start();
    const { body } = await call('GET', '/v1/openapi.json');
    expect(Object.keys(body.paths).sort()).toEqual(
      [
        '/v1/captures',
        '/v1/captures/{id}',
        '/v1/containers',
        '/v1/drops',
        '/v1/events',
        '/v1/fdb',
        '/v1/fdb/flush',
        '/v1/health',
        '/v1/networks',
        '/v1/networks/{name}',
        '/v1/peers',
        '/v1/peers/{ref}',
        '/v1/peers/{ref}/check',
        '/v1/peers/{ref}/ping',
        '/v1/pools',
        '/v1/pools/{ref}',
        '/v1/ports',
        '/v1/ports/{ref}',
        '/v1/reload',
        '/v1/status',
        '/v1/version',
        '/v1/why',
      ].sort(),
    );
  });

  it('applies a reload without touching what did not change, and refuses a bad file', async () => {
    await start();
    await call('POST', '/v1/ports', { network: 'blue', netns: 'one' });
    const { engine } = native;
    engine.calls.length = 0;
    configure(hostConfig.replace('10.99.0.2]', '10.99.0.2, 10.99.0.3]'));
    expect((await call('POST', '/v1/reload')).body).toEqual({ changed: ['peer 10.99.0.3 was added'] });
    expect(engine.calls).toEqual(['addPeer 10.99.0.3']);

    configure('networks: { blue: { vni: many } }');
    const refused = await call('POST', '/v1/reload');
    expect([refused.status, refused.body.code]).toEqual([400, 'WEFT_CONFIG']);
    expect(refused.body.message).toContain('weft.yaml:1:21: networks.blue.vni: expected a VNI');

    configure('metrics: { listen: off }');
    expect((await call('POST', '/v1/reload')).body.message).toContain('still has 1 port(s)');
    expect(engine.calls).toEqual(['addPeer 10.99.0.3']);
  });

  it('starts though its metrics cannot be served, says so, and serves them where a reload says', async () => {
    // Addresses of no other test.
    const holder = createServer().listen(0, '127.7.7.8');
    await once(holder, 'listening');
    const { port } = holder.address() as AddressInfo;
    configure(hostConfig.replace('listen: off', `listen: 127.7.7.8:${port}`));
    await start();
    const codes = async () =>
      ((await call('GET', '/v1/status')).body as Status).findings.map(({ code }) => code);
    await until('the finding', async () => (await codes()).includes('METRICS_LISTEN'));

    configure(hostConfig.replace('listen: off', `listen: 127.7.7.9:${port}`));
    await call('POST', '/v1/reload');
    await until('no finding', async () => (await codes()).length === 0);
    const text = await (await fetch(`http://127.7.7.9:${port}/metrics`)).text();
    expect(text).toContain('weft_peers{state="self"} 1\n');
    expect(text).toContain('weft_findings{code="METRICS_LISTEN",severity="warning"} 0\n');
    expect(text).toContain('weft_api_requests_total{method="POST",route="/v1/reload",status="2xx"} 1\n');
    expect(text).toMatch(/weft_reconcile_steps_total\{step="put-network"\} 1\n/);
    await call('GET', '/v1/nowhere');
    await call('POST', '/v1/ports', { network: 'red', netns: 'one' });
    await until('requests are counted', async () => {
      const now = await (await fetch(`http://127.7.7.9:${port}/metrics`)).text();
      return (
        now.includes('weft_api_requests_total{method="other",route="other",status="4xx"} 1\n') &&
        now.includes('weft_api_requests_total{method="POST",route="/v1/ports",status="4xx"} 1\n')
      );
    });
    await new Promise((resolve) => holder.close(resolve));
  });

  it('reports a file that it refused until one is in force', async () => {
    await start();
    const found = async () => ((await call('GET', '/v1/status')).body as Status).findings;
    configure('networks: { blue: { vni: many } }');
    await expect(daemon?.reload()).rejects.toMatchObject({ code: 'WEFT_CONFIG' });
    expect(await found()).toMatchObject([
      { code: 'CONFIG_REFUSED', severity: 'warning', message: expect.stringContaining('expected a VNI') },
    ]);
    configure(hostConfig);
    await daemon?.reload();
    expect(await found()).toEqual([]);
  });

  it('logs each change through the API, no refusal, and what it stops by', async () => {
    await start();
    logged = [];
    await call('POST', '/v1/networks', { name: 'red' });
    await call('POST', '/v1/networks', { name: 'red' });
    await call('GET', '/v1/networks');
    await call('DELETE', '/v1/networks/red');
    await daemon?.stop('SIGTERM');
    daemon = null;
    const lines = logged.map((line) => JSON.parse(line));
    expect(lines.map(({ msg, method, path, signal }) => [msg, method ?? signal, path])).toEqual([
      ['changed through the API', 'POST', '/v1/networks'],
      ['changed through the API', 'DELETE', '/v1/networks/red'],
      ['weftd is stopping', 'SIGTERM', undefined],
      ['weftd has stopped', 'SIGTERM', undefined],
    ]);
  });

  it.each([null, 'text/plain'])('asks for a content type when it is %s', async (contentType) => {
    await start();
    const { status, body } = await call('POST', '/v1/networks', { name: 'red' }, contentType);
    expect([status, body.code]).toEqual([415, 'WEFT_CONTENT_TYPE']);
    expect(body.remedy).toContain('content-type: application/json');
  });

  it('tells which methods a path has', async () => {
    await start();
    const { status, allow, body } = await call('DELETE', '/v1/networks');
    expect([status, allow, body.code]).toEqual([405, 'GET, POST', 'WEFT_NO_SUCH_METHOD']);
    expect((await call('POST', '/v1/ports/web')).allow).toBe('GET, PATCH, DELETE');
  });

  it('refuses a socket path that is too long in words', async () => {
    options.socket = join(dir, 'x'.repeat(100));
    await expect(start()).rejects.toMatchObject({
      code: 'WEFT_LISTEN',
      message: expect.stringContaining('at most 107 bytes'),
    });
  });

  it('points to its own help when it is called in a wrong way', () => {
    const main = new URL('./main.ts', import.meta.url).pathname;
    const { status, stderr } = spawnSync(process.execPath, ['--import', 'tsx', main, '--nothing'], {
      encoding: 'utf8',
    });
    expect(status).toBe(2);
    expect(stderr).toMatch(/^weftd: .*\(WEFT_USAGE\)\. See "weftd --help"\.\n$/);
  });

  it('streams events as lines', async () => {
    await start();
    const client = new Client('http://localhost', { socketPath: options.socket });
    const { body } = await client.request({ method: 'GET', path: '/v1/events' });
    const lines = body[Symbol.asyncIterator]();
    await lines.next();
    await call('POST', '/v1/networks', { name: 'red' });
    const { value } = await lines.next();
    expect(JSON.parse(String(value).trim())).toMatchObject({
      type: 'network-created',
      object: 'network red',
    });
    await client.destroy();
  });

  it.each([
    ['WEFT_KERNEL_TOO_OLD', () => Object.assign(native.probed, { kernel: '5.10.0-21' })],
    ['WEFT_NO_TUN', () => Object.assign(native.probed, { tun: false, tunError: 'ENOENT' })],
    ['WEFT_PERMISSION', () => Object.assign(native.probed, { capNetAdmin: false })],
    ['WEFT_VTEP_PORT_TAKEN', () => native.locks.add('vtep-4789')],
  ])('refuses to start with %s and leaves nothing behind', async (code, prepare) => {
    prepare();
    const refused = await start().then(
      () => null,
      (error: unknown) => error,
    );
    expect(refused).toBeInstanceOf(WeftError);
    expect((refused as WeftError).code).toBe(code);
    expect(statSync(options.socket, { throwIfNoEntry: false })).toBeUndefined();
    expect(statSync(join(options.stateDir, 'weftd.pid'), { throwIfNoEntry: false })).toBeUndefined();
  });

  it('waits for a weftd that was just killed to let its state go', async () => {
    const release = await lockDirectory(options.stateDir, new FakeNative());
    const starting = start();
    setTimeout(release, 100);
    await starting;
    expect((await call('GET', '/v1/version')).status).toBe(200);
  });

  it('refuses a socket and a state directory that another one uses, and replaces a stale socket', async () => {
    await start();
    const second = new FakeNative();
    await expect(start(second)).rejects.toMatchObject({ code: 'WEFT_STATE_LOCKED' });
    const first = { ...options };
    options.stateDir = join(dir, 'other');
    await expect(start(second)).rejects.toMatchObject({ code: 'WEFT_SOCKET_TAKEN' });
    expect((await call('GET', '/v1/version')).status).toBe(200);
    options = first;
  });
});

import { createServer } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Finding, Pool } from '../api/schema.js';
import { parseConfig } from '../config/load.js';
import { Datapath } from '../datapath/datapath.js';
import { FakeNative } from '../datapath/fake_native.js';
import type { NetworkRecord } from '../model/objects.js';
import { Catalog } from '../state/catalog.js';
import { MemoryStore } from '../state/memory_store.js';
import { DockerRequests } from './docker_requests.js';
import { EventBus } from './events.js';
import { HealthMonitor } from './health.js';
import { Metrics } from './metrics.js';
import { MetricsServer } from './metrics_server.js';

const warning: Finding = {
  code: 'NETNS_GONE',
  severity: 'warning',
  object: 'port p-1',
  message: 'it waits',
  remedy: '',
  since: '2026-01-01T00:00:00Z',
};

afterEach(() => {
  vi.useRealTimers();
});

describe('health', () => {
  it('fails when the worker stands still for more than 2 s, and recovers', () => {
    let now = 0;
    let rounds = 0;
    const health = new HealthMonitor(
      () => rounds,
      () => [],
      () => now,
    );
    expect(health.health().status).toBe('ok');
    now = 2000;
    expect(health.health().status).toBe('ok');
    now = 2001;
    expect(health.health()).toEqual({ status: 'failing', reasons: ['the datapath has stood still for 2 s'] });
    rounds++;
    expect(health.health().status).toBe('ok');
  });

  it('is degraded by findings, but not by information', () => {
    const findings: Finding[] = [{ ...warning, severity: 'info' }];
    const health = new HealthMonitor(
      () => 1,
      () => findings,
    );
    expect(health.health().status).toBe('ok');
    findings.push(warning);
    expect(health.health()).toEqual({ status: 'degraded', reasons: ['it waits (NETNS_GONE)'] });
  });
});

describe('events', () => {
  it('reach every follower, and no one who left', async () => {
    const bus = new EventBus();
    const [one, other] = [bus.follow(), bus.follow()];
    other.close();
    bus.emit('a', 'o', 'm');
    expect((await one.take(1000)).map(({ type }) => type)).toEqual(['a']);
    expect([bus.followers, await other.take(0)]).toEqual([1, []]);
  });

  it('are bounded for a follower who does not read, and it is told', async () => {
    const bus = new EventBus();
    const queue = bus.follow();
    for (let count = 0; count < 1500; count++) bus.emit('a', 'o', String(count));
    const events = await queue.take(1000);
    expect([events.length, events.at(-1)?.type]).toEqual([1001, 'events-lost']);
    expect(events.at(-1)?.message).toContain('500 events were lost');
  });

  it('give nothing after the timeout, for the heartbeat', async () => {
    vi.useFakeTimers();
    const taken = new EventBus().follow().take(15_000);
    await vi.advanceTimersByTimeAsync(15_000);
    expect(await taken).toEqual([]);
  });
});

describe('metrics', () => {
  function build() {
    const native = new FakeNative();
    const datapath = new Datapath(native, { mergeTcp: true, mergeUdp: false }, () => undefined);
    const catalog = new Catalog(new MemoryStore(), parseConfig('peers: [10.99.0.2]', 'f.yaml'));
    datapath.putNetwork('blue', { vni: 42, mtu: 1450, vlan: false, fdb: catalog.limitsOf(blue) });
    const peer = catalog.peers()[0];
    if (peer !== undefined)
      datapath.putPeer(peer.id, {
        address: peer.address,
        port: 4789,
        zeroChecksum: false,
        offload: true,
        mtu: 1450,
      });
    const dockerRequests = new DockerRequests(['Plugin.Activate', 'NetworkDriver.Join']);
    dockerRequests.count('NetworkDriver.Join', 'answered');
    dockerRequests.count('NetworkDriver.Join', 'answered');
    dockerRequests.count('NetworkDriver.Join', 'refused');
    for (const name of ['A', 'B', 'C']) dockerRequests.count(name, 'refused');
    return new Metrics({
      datapath,
      catalog,
      findings: () => [warning],
      version: '1.2.3',
      offloadChecks: { view: () => ({ state: 'passed', at: null, detail: null }) },
      ipam: { pools: () => [pool] },
      dockerRequests,
    });
  }
  const owner = { kind: 'file', ref: 'f.yaml' } as const;
  const blue: NetworkRecord = {
    name: 'blue',
    vni: 42,
    subnets: [],
    mtu: 'auto',
    vlan: 'drop',
    fdb: {},
    owner,
  };

  const pool: Pool = {
    id: 'x',
    scope: 'blue',
    subnet: 'fd42::/64',
    range: 'fd42::-fd42::ffff:ffff:ffff:ffff',
    size: '18446744073709551616',
    used: 3,
    leases: [],
  };

  it('show what Docker has and asks for, and count what the plugin does not have as one', async () => {
    const text = await build().registry.metrics();
    expect(text).toContain('weft_docker_endpoints 0');
    expect(text).toContain('weft_pool_addresses{scope="blue",subnet="fd42::/64",state="used"} 3');
    expect(text).toContain(
      'weft_pool_addresses{scope="blue",subnet="fd42::/64",state="free"} 18446744073709552000',
    );
    expect(text).toContain('weft_docker_requests_total{method="NetworkDriver.Join",outcome="answered"} 2');
    expect(text).toContain('weft_docker_requests_total{method="NetworkDriver.Join",outcome="refused"} 1');
    expect(text).toContain('weft_docker_requests_total{method="other",outcome="refused"} 3');
    expect(text).not.toContain('method="A"');
  });

  it('show every drop reason with its stage, and findings by severity', async () => {
    const text = await build().registry.metrics();
    expect(text).toContain('weft_drops_total{reason="runt",stage="ingress"} 0');
    expect(text).toContain('weft_drops_total{reason="port_full",stage="egress"} 0');
    expect(text).toContain('weft_findings{severity="warning"} 1');
    expect(text).toContain('weft_peer_offload_check{peer="10.99.0.2",state="passed"} 1');
    expect(text).toContain('weft_peer_carry_checksum{peer="10.99.0.2"} 0');
    expect(text).toContain('weft_peer_rx_frames_total{peer="10.99.0.2"} 0');
    expect(text).toContain('weft_fdb_entries{network="blue",type="learned"} 0');
  });

  it('are served on TCP with the health, and a taken address is an error with a remedy', async () => {
    const health = new HealthMonitor(
      () => 1,
      () => [warning],
    );
    // Of no other test, so that nobody gets the port while it is free.
    const host = '127.7.7.7';
    const probe = createServer().listen(0, host);
    await new Promise((resolve) => probe.once('listening', resolve));
    const { port } = probe.address() as { port: number };
    const server = new MetricsServer(build().registry, health);
    await expect(server.listen(`${host}:${port}`)).rejects.toMatchObject({ code: 'WEFT_LISTEN' });
    await new Promise((resolve) => probe.close(resolve));

    const second = new MetricsServer(build().registry, health);
    await second.listen(`${host}:${port}`);
    const get = async (path: string) => {
      const answer = await fetch(`http://${host}:${port}${path}`);
      return [answer.status, await answer.text()] as const;
    };
    expect((await get('/metrics'))[1]).toContain('weft_info{version="1.2.3"} 1');
    expect(await get('/healthz')).toEqual([
      200,
      '{"status":"degraded","reasons":["it waits (NETNS_GONE)"]}\n',
    ]);
    expect((await get('/x'))[0]).toBe(404);
    await second.close();
  });
});

import { setImmediate } from 'node:timers/promises';
import { register } from 'prom-client';
import { describe, expect, it } from 'vitest';
import type { Finding } from '../../api/schema.js';
import { findingTable } from '../../reconcile/findings.js';
import { portRecord, testParts } from '../testing/parts.js';
import { sections } from './all.js';
import { Metrics } from './metrics.js';
import type { MetricsParts } from './scrape.js';

const metrics = sections.flatMap(({ metrics: all }) => all);

async function scrape(parts: MetricsParts): Promise<string> {
  return (await new Metrics(parts).text()).toString();
}

function finding(code: keyof typeof findingTable, object: string): Finding {
  const { severity, remedy } = findingTable[code];
  return { code, severity, object, message: '', remedy, since: '' };
}

/** Values by series. */
function read(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const series = lines.map((line) => {
    const split = line.lastIndexOf(' ');
    return [line.slice(0, split), Number(line.slice(split + 1))] as const;
  });
  expect(new Set(series.map(([name]) => name)).size, 'no series is there twice').toBe(series.length);
  return new Map(series);
}

describe('the definitions', () => {
  it.each(metrics.map((metric) => [metric.name, metric] as const))(
    '%s follows the conventions',
    (name, metric) => {
      expect(name).toMatch(/^weft_[a-z]+(_[a-z]+)*$/);
      expect(name.endsWith('_total')).toBe(metric.type === 'counter');
      if (metric.type === 'histogram') expect(name).toMatch(/_seconds$/);
      expect(metric.help).toMatch(/^[A-Z].*\.$/);
      expect(name).not.toMatch(/milli|micro|_ms\b|_kb\b|percent/);
    },
  );

  it('name each metric once', () => {
    expect(new Set(metrics.map(({ name }) => name)).size).toBe(metrics.length);
  });
});

describe('a scrape', () => {
  it('has every metric with its help and type, and the labels that its definition names', async () => {
    const parts = await testParts('{ peers: [10.99.0.2], networks: { blue: { vni: 42 } } }', [
      { ...portRecord('p-1', 'web', 'blue'), spoof: 'deny' },
    ]);
    parts.dockerRequests.count('NetworkDriver.Join', 'answered', 0.01);
    parts.meters.requests.request({ method: 'GET', route: '/v1/ports', status: 200 }, 0.001);
    parts.meters.rounds.steps.count('create-tap');
    parts.meters.rounds.failedSteps.count('create-tap');
    parts.ipam.use = () => [{ scope: 'blue', subnet: '10.42.0.0/24', size: 254n, used: 3 }];
    const text = await scrape(parts);
    const given = [...read(text).keys()];
    for (const { name, help, type, labels: names } of metrics) {
      expect(text).toContain(`# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`);
      const own = new RegExp(`^${name}(_bucket|_sum|_count)?(\\{|$)`);
      const series = given.filter((one) => own.test(one));
      if (name !== 'weft_peer_idle_seconds') expect(series, name).not.toEqual([]);
      for (const one of series) {
        const found = [...one.matchAll(/(\w+)="/g)]
          .map(([, label]) => label)
          .filter((label) => label !== 'le');
        expect(found, one).toEqual([...names]);
      }
    }
  });

  it('shows what Docker has and asks for, and counts what the plugin does not have as one', async () => {
    const parts = await testParts();
    const { dockerRequests } = parts;
    for (const outcome of ['answered', 'answered', 'refused'] as const)
      dockerRequests.count('NetworkDriver.Join', outcome, 0.003);
    for (const name of ['A', 'B', 'C']) dockerRequests.count(name, 'refused', 3);
    const use = { scope: 'blue', subnet: 'fd42::/64', size: 2n ** 64n, used: 3 };
    const values = read(await scrape({ ...parts, ipam: { use: () => [use] } }));
    expect(values.get('weft_docker_endpoints')).toBe(0);
    expect(values.get('weft_pool_addresses{scope="blue",subnet="fd42::/64",state="used"}')).toBe(3);
    expect(values.get('weft_pool_addresses{scope="blue",subnet="fd42::/64",state="free"}')).toBe(2 ** 64);
    expect(values.get('weft_docker_requests_total{method="NetworkDriver.Join",outcome="answered"}')).toBe(2);
    expect(values.get('weft_docker_requests_total{method="NetworkDriver.Join",outcome="refused"}')).toBe(1);
    expect(values.get('weft_docker_requests_total{method="other",outcome="refused"}')).toBe(3);
    expect(values.get('weft_docker_request_seconds_count{method="NetworkDriver.Join"}')).toBe(3);
    expect([...values.keys()].some((one) => one.includes('method="A"'))).toBe(false);
  });

  it('shows every drop reason, and every finding, also those that do not hold', async () => {
    const parts = await testParts('peers: [10.99.0.2]');
    parts.found.push(finding('NETNS_GONE', 'port p-1'), finding('NETNS_GONE', 'port p-2'));
    const values = read(await scrape(parts));
    expect(values.get('weft_drops_total{reason="runt",stage="ingress",fault="guest"}')).toBe(0);
    expect(values.get('weft_drops_total{reason="port_full",stage="egress",fault="guest"}')).toBe(0);
    expect(values.get('weft_findings{code="NETNS_GONE",severity="warning"}')).toBe(2);
    expect(values.get('weft_findings{code="STATE_FAILED",severity="error"}')).toBe(0);
    expect(values.get('weft_peer_offload_check{peer="10.99.0.2",state="passed"}')).toBe(1);
    expect(values.get('weft_peers{state="silent"}')).toBe(1);
    expect(values.get('weft_peers{state="active"}')).toBe(0);
  });

  it('writes histograms with running totals', async () => {
    const parts = await testParts();
    for (const seconds of [0.001, 0.0011, 0.3, 99]) parts.meters.commits.commit(seconds, false);
    parts.meters.commits.commit(1, true);
    const values = read(await scrape(parts));
    const bucket = (le: string) => values.get(`weft_state_commit_seconds_bucket{le="${le}"}`);
    expect(['0.001', '0.005', '0.1', '0.5', '2', '10', '+Inf'].map(bucket)).toEqual([1, 2, 2, 3, 4, 4, 5]);
    expect(values.get('weft_state_commit_seconds_count')).toBe(5);
    expect(values.get('weft_state_commit_seconds_sum')).toBeCloseTo(100.3021);
    expect(values.get('weft_state_commits_failed_total')).toBe(1);
  });

  it('takes every name for a label, and not all of a long one', async () => {
    const ports = [portRecord('p-1', 'a"b\\c\nd', 'blue'), portRecord('p-2', 'x'.repeat(1000), 'blue')];
    const text = await scrape(await testParts(undefined, ports));
    expect(text).toContain('port="p-1",network="blue",name="a\\"b\\\\c\\nd",place=');
    expect(text).toContain(`port="p-2",network="blue",name="${'x'.repeat(256)}",place=`);
  });

  it('leaves out what is not known', async () => {
    const parts = await testParts();
    const use = parts.process.use();
    parts.process.use = () => ({ ...use, openFds: null, maxFds: 7 });
    const values = read(await scrape(parts));
    expect(values.get('weft_process_open_fds')).toBeUndefined();
    expect(values.get('weft_process_max_fds')).toBe(7);
  });

  it('has of every scrape what was there then, and nothing in the registry of all programs', async () => {
    const parts = await testParts('peers: [10.99.0.2]');
    const counters = { ...parts.datapath.counters(), received: 5 };
    parts.datapath.counters = () => counters;
    let now = 0;
    const made = new Metrics(parts, () => now);
    const first = read((await made.text()).toString());
    expect(first.get('weft_frames_received_total')).toBe(5);
    expect(first.get('weft_peer_up{peer="10.99.0.2"}')).toBe(1);
    now += 60_000;
    parts.views.peers = () => [];
    const second = read((await made.text()).toString());
    expect(second.get('weft_frames_received_total')).toBe(5);
    expect([...second.keys()].filter((one) => one.includes('10.99.0.2'))).toEqual([]);
    expect(register.getMetricsAsArray()).toEqual([]);
  });

  it('has more series of a metric than are written at once below one head', async () => {
    const ids = Array.from({ length: 401 }, (_, index) => `p-${1000 + index}`);
    const text = await scrape(
      await testParts(
        undefined,
        ids.map((id) => portRecord(id, null, 'blue')),
      ),
    );
    const up = text.split('\n').filter((line) => /\bweft_port_up\b/.test(line));
    expect(up).toEqual([
      expect.stringMatching(/^# HELP /),
      '# TYPE weft_port_up gauge',
      ...ids.map((id) => `weft_port_up{port="${id}",network="blue"} 1`),
    ]);
  });

  it('shows as many objects one by one as it may, counts all, and says so', async () => {
    const ports = ['a', 'b', 'c'].map((name) => portRecord(`p-${name}`, name, 'blue'));
    const series = async (objects: number) => {
      const text = `{ metrics: { objects: ${objects} }, networks: { blue: { vni: 42 }, red: { vni: 43 } } }`;
      const values = read(await scrape(await testParts(text, ports)));
      expect(values.get('weft_ports{state="up"}')).toBe(3);
      expect(values.get('weft_networks')).toBe(2);
      const shown = ['weft_port_info', 'weft_port_rx_frames_total', 'weft_network_info'].map(
        (name) => [...values.keys()].filter((one) => one.startsWith(`${name}{`)).length,
      );
      const hidden = ['port', 'network'].map((kind) =>
        values.get(`weft_metrics_hidden_objects{kind="${kind}"}`),
      );
      return { shown, hidden };
    };
    expect(await series(2)).toEqual({ shown: [2, 2, 2], hidden: [1, 0] });
    expect(await series(0)).toEqual({ shown: [0, 0, 0], hidden: [3, 2] });
    expect(await series(3)).toEqual({ shown: [3, 3, 2], hidden: [0, 0] });
  });
});

describe('scraping', () => {
  it('leaves the thread to others every few milliseconds', async () => {
    const ports = Array.from({ length: 1000 }, (_, index) => portRecord(`p-${index}`, null, 'blue'));
    const parts = await testParts(undefined, ports);
    let turns = 0;
    let done = false;
    const others = (async () => {
      while (!done) {
        turns++;
        await setImmediate();
      }
    })();
    await scrape(parts);
    done = true;
    await others;
    // All at once would be one.
    expect(turns).toBeGreaterThan(3);
  });

  it('is done once for all who ask at once, and not again before nine times its cost is over', async () => {
    const parts = await testParts();
    const counters = parts.datapath.counters();
    let reads = 0;
    let now = 0;
    parts.datapath.counters = () => {
      reads++;
      return counters;
    };
    const made = new Metrics(parts, () => now);
    const [one, other] = await Promise.all([made.text(), made.text()]);
    expect([one === other, reads]).toEqual([true, 1]);
    expect(await made.text()).toBe(one);
    expect(reads).toBe(1);
    now += 60_000;
    expect((await made.text()).toString()).toContain('weft_scrape_busy_seconds_count 1\n');
    expect(reads).toBe(2);
  });
});

/** What operators watch: the scrape of a real weftd, and a real Prometheus with the rules and the dashboard of config/. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'undici';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { attempt, run } from '../../lab/command.js';
import type { Guest } from '../../lab/guest.js';
import type { Host } from '../../lab/host.js';
import { Lab } from '../../lab/lab.js';
import { until } from '../../lab/wait.js';
import { networks } from './pair.js';

const config = 'config/prometheus';

interface Answer<T> {
  status: string;
  data: T;
}

interface Rule {
  name: string;
  health: string;
  lastError?: string;
  state: string;
  alerts: { labels: Record<string, string>; annotations: Record<string, string> }[];
}

interface Target {
  expr: string;
}

interface Board {
  panels: { title: string; targets?: Target[] }[];
  annotations: { list: { target: Target }[] };
}

describe('monitoring', () => {
  let lab: Lab;
  let h1: Host;
  let h2: Host;
  let a: Guest;
  let b: Guest;
  let guarded: Guest;

  beforeAll(async () => {
    lab = await Lab.open();
    h1 = await lab.host('h1');
    h2 = await lab.host('h2');
    a = await lab.guest('a');
    b = await lab.guest('b');
    guarded = await lab.guest('guarded');
    const docker = { plugin: join(h1.dir, 'plugin.sock'), api: 'off' };
    const ipam = { share: { of: 4, index: 0 } };
    await h1.start({ peers: [h2.ipv4], networks, docker, ipam });
    await h2.start({ peers: [h1.ipv4], networks, metrics: { listen: `${h2.ipv4}:9478` } });
    await h1.attach(a, 'blue', { name: 'a', addresses: ['10.42.0.1/24'] });
    await h1.attach(guarded, 'blue', { name: 'guarded', addresses: ['10.42.0.3/24'], spoof: 'deny' });
    await h2.attach(b, 'blue', { name: 'b', addresses: ['10.42.0.2/24'] });
    await a.reach('10.42.0.2');
    await a.iperf(b, '10.42.0.2', '-n', '20M');
    // Of which one finding tells, and to which broadcasts are dropped.
    await guarded.namespace.ip('link', 'set', 'eth0', 'down');
    await until('the finding', async () =>
      (await h1.status()).findings.some(({ code }) => code === 'PORT_DOWN'),
    );
    return () => lab.close();
  });

  function fetched(url: string): Promise<string> {
    return h1.namespace.run(['busybox', 'wget', '-qO-', url]);
  }

  async function scraped(): Promise<Map<string, number>> {
    const text = await fetched('http://127.0.0.1:9478/metrics');
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    return new Map(
      lines.map((line) => {
        const split = line.lastIndexOf(' ');
        return [line.slice(0, split), Number(line.slice(split + 1))];
      }),
    );
  }

  /** As Docker asks; the answer does not matter. */
  async function askPlugin(method: string, body: object): Promise<void> {
    const client = new Client('http://plugin', { socketPath: join(h1.dir, 'plugin.sock') });
    try {
      const answer = await client.request({
        method: 'POST',
        path: `/${method}`,
        body: JSON.stringify(body),
      });
      const text = await answer.body.text();
      expect(answer.statusCode, text).toBe(200);
    } finally {
      await client.destroy();
    }
  }

  it('has a scrape with which promtool finds no fault', async () => {
    await askPlugin('Plugin.Activate', {});
    const text = await fetched('http://127.0.0.1:9478/metrics');
    const { status, stdout, stderr } = await attempt(['promtool', 'check', 'metrics'], { input: text });
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' });
  });

  it('shows in it what the API says, exactly', async () => {
    await until('the scrape and the API agree', async () => {
      const expected = new Map<string, number>();
      const { frames } = await h1.status();
      expected.set('weft_frames_received_total', frames.received);
      expected.set('weft_frames_total{verdict="unicast"}', frames.unicast);
      expected.set('weft_frames_total{verdict="flooded"}', frames.flooded);
      expected.set('weft_frames_total{verdict="consumed"}', frames.consumed);
      expected.set('weft_frames_queued_total', frames.queued);
      expected.set('weft_frames_sent_total', frames.sent);
      const traffic = (kind: string, labels: string, counters: object | null) => {
        for (const [field, value] of Object.entries(counters ?? {})) {
          const name = field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
          expected.set(`weft_${kind}_${name}_total{${labels}}`, value);
        }
      };
      const ports = await h1.ports();
      const peers = await h1.peers();
      for (const { id, network, counters, state } of ports) {
        traffic('port', `port="${id}",network="${network}"`, counters);
        expected.set(`weft_port_up{port="${id}",network="${network}"}`, state === 'up' ? 1 : 0);
      }
      for (const { address, counters, state, pathMtu } of peers) {
        traffic('peer', `peer="${address}"`, counters);
        expected.set(`weft_peer_state{peer="${address}",state="${state}"}`, 1);
        expected.set(`weft_peer_path_mtu_bytes{peer="${address}"}`, pathMtu ?? 0);
      }
      for (const { name, fdb, mtu } of await h1.networks()) {
        expected.set(`weft_fdb_entries{network="${name}",type="learned"}`, fdb.learned);
        expected.set(`weft_fdb_entries{network="${name}",type="static"}`, fdb.declared);
        expected.set(`weft_network_mtu_bytes{network="${name}"}`, mtu.effective);
      }
      expected.set('weft_findings{code="PORT_DOWN",severity="warning"}', 1);
      expect([expected.size, ports.length, peers.length]).toEqual([6 + 2 * 9 + 10 + 7, 2, 1]);
      const found = await scraped();
      const wrong = [...expected].filter(([series, value]) => found.get(series) !== value);
      if (wrong.length > 0)
        throw new Error(wrong.map(([one, value]) => `${one} ${value}, not ${found.get(one)}`).join('; '));
      return true;
    });
  });

  it('tells how much of its time the worker waits', async () => {
    const idle = async () => (await scraped()).get('weft_worker_idle_seconds_total') ?? 0;
    const began = performance.now();
    const before = await idle();
    const grown = await until('the worker waited', async () => {
      const now = await idle();
      return now > before + 0.5 && now - before;
    });
    // A wait is counted when it is over: a quarter of a second at most, or longer on a machine under load.
    expect(grown).toBeLessThan((performance.now() - began) / 1000 + 2);
  });

  it('has rules and examples with which promtool finds no fault', async () => {
    await run(['promtool', 'check', 'config', `${config}/prometheus.yaml`]);
    const { status, stdout, stderr } = await attempt(
      ['promtool', 'test', 'rules', `${config}/weft.rules.test.yaml`],
      { timeout: 60 },
    );
    expect(`${stdout}${stderr}`).toContain('SUCCESS');
    expect(status).toBe(0);
  });

  it('fills every panel of the dashboard and every rule in a real Prometheus', async () => {
    const example = parse(readFileSync(`${config}/prometheus.yaml`, 'utf8'));
    const file = join(h1.dir, 'prometheus.yaml');
    const targets = ['127.0.0.1:9478', `${h2.ipv4}:9478`];
    const scrape = { ...example.scrape_configs[0], static_configs: [{ targets }] };
    writeFileSync(
      file,
      stringify({
        global: { scrape_interval: '1s', evaluation_interval: '1s' },
        rule_files: [join(process.cwd(), config, 'weft.rules.yaml')],
        scrape_configs: [scrape],
      }),
    );
    const prometheus = h1.namespace.start([
      ...['prometheus', `--config.file=${file}`, `--storage.tsdb.path=${join(h1.dir, 'tsdb')}`],
      ...['--web.listen-address=127.0.0.1:9090', '--log.level=error'],
    ]);
    const ask = async <T>(path: string): Promise<T> => {
      const answer = JSON.parse(await fetched(`http://127.0.0.1:9090/api/v1/${path}`)) as Answer<T>;
      expect(answer.status, path).toBe('success');
      return answer.data;
    };
    const query = async (expr: string): Promise<unknown[]> => {
      const text = expr
        .replaceAll('$__rate_interval', '15s')
        .replaceAll('$job', 'weft')
        .replaceAll('$instance', '.*')
        .replaceAll('$network', '.*');
      return (await ask<{ result: unknown[] }>(`query?query=${encodeURIComponent(text)}`)).result;
    };
    await until('Prometheus scrapes both hosts', async () => {
      expect(prometheus.exitCode).toBe(null);
      return (await query('up == 1')).length === 2;
    });

    const board = JSON.parse(readFileSync('config/grafana/weft.json', 'utf8')) as Board;
    const wanted = board.panels.flatMap(({ title, targets: all = [] }) =>
      all.map(({ expr }) => ({ title, expr })),
    );
    expect(wanted.length).toBeGreaterThan(40);
    const options = { 'weft.network': 'blue' };
    const pool = {
      AddressSpace: 'weft-local',
      Pool: '10.42.0.0/24',
      SubPool: '',
      Options: options,
      V6: false,
    };
    await askPlugin('IpamDriver.RequestPool', pool);
    let empty = wanted;
    let rounds = 0;
    await until(
      'every panel has data',
      async () => {
        await askPlugin('IpamDriver.GetDefaultAddressSpaces', {});
        await h1.weft('port', 'set', 'a', '--spoof', ++rounds % 2 === 0 ? 'allow' : 'deny');
        await a.reach('10.42.0.2');
        await a.floodMacs(20, 'ff:ff:ff:ff:ff:ff', 20_000);
        const still = [];
        for (const one of empty) if ((await query(one.expr)).length === 0) still.push(one);
        empty = still;
        if (empty.length > 0) throw new Error(empty.map(({ title, expr }) => `${title}: ${expr}`).join('\n'));
        return true;
      },
      60,
    );
    for (const { target } of board.annotations.list) await query(target.expr);

    const rules = await until('every rule was tried', async () => {
      const { groups } = await ask<{ groups: { rules: Rule[] }[] }>('rules?type=alert');
      const all = groups.flatMap((group) => group.rules);
      return all.length > 0 && all.every(({ health }) => health !== 'unknown') && all;
    });
    expect(rules.filter(({ health }) => health !== 'ok').map(({ lastError }) => lastError)).toEqual([]);
    const told = rules.find(({ name }) => name === 'WeftWarningFinding');
    expect(told?.alerts.map(({ annotations }) => annotations.summary)).toContain(
      '127.0.0.1:9478: PORT_DOWN (1)',
    );
    const firing = rules.filter(({ state }) => state === 'firing').map(({ name }) => name);
    expect(firing, 'alerts on two healthy hosts').toEqual([]);
  }, 120_000);
});

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ApiClient } from '../cli/client.js';
import { defaultLimits } from '../cli/io.js';
import { FakeDaemon } from '../cli/testing/fake_daemon.js';
import { blue, entry, healthy, host2, nginx, runts, ten, web } from '../cli/testing/samples.js';
import { configValues } from '../config/describe.js';
import { parseConfig } from '../config/load.js';
import { SickHost } from '../doctor/testing/sick_host.js';
import { writeBundle } from './bundle.js';
import { configLine, isOpen, openKeys } from './config_sources.js';
import { collectReport } from './report.js';

let directory: string;
let daemon: FakeDaemon;
let api: ApiClient;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'weft-report-test-'));
  daemon = await FakeDaemon.start();
  api = new ApiClient(daemon.socket, defaultLimits);
});
afterEach(async () => {
  await api.close();
  await daemon.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** Everything that a configuration can say. */
const everything = `
host: { name: h1 }
underlay:
  addresses: [10.99.0.1]
  port: 4790
  source_ports: 8
  accept: any
  explain: off
  offloads: { tso: off, uso: off, coalesce_tcp: off, coalesce_udp: off, udp_gso: off, udp_gro: off, carry_checksum: off }
peers: [10.99.0.2, { address: h3.example, port: 8472, checksum: zero, offload: off }]
networks:
  blue.prod: { vni: 42, subnets: [10.42.0.0/24], mtu: 1400, vlan: pass, fdb: { age: 60s, limit: 9, limit_per_port: 9, moves: { count: 2, window: 9s, freeze: 9s } }, ipam: { share: { of: 4, index: 1 } } }
ipam: { share: { of: 4, index: 1 } }
fdb: { age: 60s, limit: 9, limit_per_port: 9, moves: { count: 2, window: 9s, freeze: 9s } }
docker: { plugin: /run/docker/plugins/x.sock, api: off }
workers: 1
busy_poll: off
metrics: { listen: off, objects: 10 }
log: { level: debug, format: json }
`;

describe('the list of keys that are no secret', () => {
  const paths = configValues(parseConfig(everything, 'weft.yaml')).map(({ path, steps }) => ({
    path,
    steps,
  }));

  it.each(paths)('has $path: a new key waits there until somebody has thought about it', ({ steps }) => {
    expect(isOpen(steps)).toBe(true);
  });

  it('has no key that there is not', () => {
    const used = openKeys.filter((key) => !paths.some(({ steps }) => matches(key, steps)));
    // Of those, a file says nothing when it has a value below.
    expect(used).toEqual([
      ...[
        'underlay.addresses',
        'peers',
        'networks',
        'networks.*.subnets',
        'networks.*.ipam.share',
        'ipam.share',
      ],
    ]);
  });

  it('has none that nobody has thought about', () => {
    expect(isOpen(['encryption', 'key'])).toBe(false);
    expect(isOpen(['peers', 0, 'password'])).toBe(false);
    expect(isOpen(['networks', 'a.b', 'psk'])).toBe(false);
    const secret = { path: 'encryption.key', steps: ['encryption', 'key'], value: 'hunter2', line: 7 };
    expect(configLine({ ...secret, origin: 'file' })).toBe('encryption.key: (left out)  # line 7\n');
  });
});

function matches(key: string, steps: readonly (string | number)[]): boolean {
  const wanted = key.split('.');
  return (
    wanted.length === steps.length && wanted.every((step, at) => step === '*' || step === String(steps[at]))
  );
}

describe('a report', () => {
  /** As weftd prints a mistake: with the value that is wrong. */
  const quoting = '/etc/weft/weft.yaml:3:8: log.level: expected "info"; got "hunter2"';
  const collect = (machine = new SickHost(), usualMetrics = '127.0.0.1:1') =>
    collectReport({
      ...{ api, machine, now: new Date('2026-01-01T12:00:00Z'), stamp: '20260101T120000Z' },
      usualMetrics,
      diagnose: async () => [
        {
          check: 'configuration',
          result: 'error',
          message: `the configuration is not valid: ${quoting}`,
          remedy: 'x',
          details: [quoting],
        },
        { check: 'tun', result: 'ok', message: 'fine', remedy: null, details: [] },
      ],
      render: (all) =>
        all.map(({ check, message, details }) => `${check}: ${[message, ...details].join('\n')}\n`).join(''),
    });

  beforeEach(() => {
    const config = join(directory, 'weft.yaml');
    writeFileSync(config, everything);
    const secretive = (object: object) => ({ ...object, environment: 'PASSWORD=hunter2' });
    const one = (body: object) => ({ status: 200, body });
    daemon.answers = {
      'GET /v1/status': one(secretive({ ...healthy, config })),
      'GET /v1/version': one({ version: '0.1.0' }),
      'GET /v1/health': one({ status: 'ok', reasons: [] }),
      'GET /v1/networks': one([secretive(blue)]),
      'GET /v1/peers': one([secretive({ ...host2, key: 'hunter2' })]),
      'GET /v1/ports': one([secretive(web)]),
      'GET /v1/containers': one([secretive({ ...nginx, image: 'hunter2', labels: { password: 'hunter2' } })]),
      'GET /v1/pools': one([secretive(ten)]),
      'GET /v1/drops': one([secretive(runts)]),
      'GET /v1/fdb?limit=5000': one([secretive(entry)]),
      'GET /v1/events': (response) => void response.writeHead(200).end('{"type":"finding"}\n'),
    };
  });

  it('names every file in its README, has what it promises, and no secret', async () => {
    const { name, files } = await collect();
    expect(name).toBe('weft-report-h1-20260101T120000Z');
    const content = new Map(files.map((file) => [file.path, file.content]));
    const readme = content.get('README.txt') ?? '';
    for (const { path } of files) expect(readme).toContain(path === 'README.txt' ? 'A report of weft' : path);
    expect(JSON.parse(content.get('peers.json') ?? '')).toMatchObject([
      { address: host2.address, counters: {} },
    ]);
    expect(JSON.parse(content.get('containers.json') ?? '')).toMatchObject([
      { name: 'web', network: '10.32.0.0/16' },
    ]);
    expect(content.get('config.txt')).toContain('peers[1].address: "h3.example"  # line 10\n');
    expect(content.get('doctor.txt')).toContain('tun');
    const all = files.map(({ content: text }) => text).join('');
    expect(all).not.toContain('hunter2');
    expect(all).not.toContain('PASSWORD');
  });

  it('quotes no mistake of the configuration, wherever it is told', async () => {
    const config = join(directory, 'weft.yaml');
    writeFileSync(config, 'log: { level: hunter2 }\nworkers: hunter2\n');
    const finding = { code: 'CONFIG_REFUSED', object: 'configuration', severity: 'warning', remedy: 'x' };
    const findings = [{ ...finding, message: quoting, since: '2026-01-01T00:00:00Z' }];
    daemon.answers['GET /v1/status'] = { status: 200, body: { ...healthy, config, findings } };
    daemon.answers['GET /v1/events'] = (response) =>
      void response.writeHead(200).end(`${JSON.stringify({ type: 'finding', message: quoting })}\n`);
    const machine = new SickHost();
    machine.programs.set('journalctl', `one\nh1 weftd[7]:   ${quoting}\nat x (/usr/lib/weft/a.js:1:2)\n`);
    const { files } = await collect(machine);
    const content = new Map(files.map((file) => [file.path, file.content]));
    expect(files.filter(({ content: text }) => text.includes('hunter2'))).toEqual([]);
    expect(content.get('config.txt')).toContain('weft.yaml:1:8: (left out)');
    expect(content.get('config.txt')).toContain('\nweftd goes on with what it read before; ');
    expect(content.get('metrics.txt')).toMatch(/^not to be had at 127\.0\.0\.1:1: .*; config\.txt says why/);
    expect(content.get('log.txt')).toBe(
      'one\nh1 weftd[7]:   /etc/weft/weft.yaml:3:8: (left out)\nat x (/usr/lib/weft/a.js:1:2)\n',
    );
    expect(JSON.parse(content.get('status.json') ?? '')).toMatchObject({
      findings: [{ code: 'CONFIG_REFUSED' }],
    });
  });

  it('waits once for a weftd that hangs', async () => {
    daemon.answers = Object.fromEntries(Object.keys(daemon.answers).map((key) => [key, () => undefined]));
    await api.close();
    api = new ApiClient(daemon.socket, { ...defaultLimits, response: 2000 });
    const began = performance.now();
    const { files } = await collect();
    expect(performance.now() - began).toBeLessThan(15_000);
    expect(files.find(({ path }) => path === 'fdb.json')?.content).toMatch(
      /^not to be had: .*no answer within 2 s/,
    );
  });

  it('says of each thing that is not to be had why, and has the rest', async () => {
    daemon.answers = {};
    const machine = new SickHost();
    machine.programs.set('journalctl', { status: 1, stdout: '', stderr: 'No journal files were found.' });
    machine.programs.set('ip', 'links');
    const { name, files } = await collect(machine);
    expect(name).toBe('weft-report-host-20260101T120000Z');
    const content = new Map(files.map((file) => [file.path, file.content]));
    expect(content.get('status.json')).toMatch(/^not to be had: /);
    expect(content.get('log.txt')).toContain('No journal files were found.');
    expect(content.get('links.txt')).toBe('links');
    expect(content.get('sockets.txt')).toBe('ss is not installed\n');
  });

  it('cuts the middle out of what is long', async () => {
    const machine = new SickHost();
    machine.programs.set('journalctl', `first${'x'.repeat(3_000_000)}last`);
    const { files } = await collect(machine);
    const log = files.find(({ path }) => path === 'log.txt')?.content ?? '';
    expect(log.length).toBeLessThan(1_100_000);
    expect(log).toMatch(/^first.*\n\[\.\.\. \d+ bytes left out \.\.\.\]\n.*last$/s);
  });

  it.each([
    ['of the address in the configuration', (port: number) => `metrics: { listen: "0.0.0.0:${port}" }\n`],
    ['of the usual address when that has a mistake', () => 'workers: hunter2\n'],
  ])('has the metrics %s', async (_where, config) => {
    const server: Server = createServer((_, response) => void response.end('weft_info 1\n'));
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const { port } = server.address() as AddressInfo;
    writeFileSync(join(directory, 'weft.yaml'), config(port));
    const usual = config(port).includes(`${port}`) ? '127.0.0.1:1' : `127.0.0.1:${port}`;
    const { files } = await collect(undefined, usual);
    server.close();
    expect(files.find(({ path }) => path === 'metrics.txt')?.content).toBe('weft_info 1\n');
  });

  it('says why there is nothing where there is nothing', async () => {
    daemon.answers['GET /v1/events'] = (response) => void response.writeHead(200).write('\n');
    const machine = new SickHost();
    machine.programs.set('journalctl', '');
    const { files } = await collect(machine);
    const content = new Map(files.map((file) => [file.path, file.content]));
    expect(content.get('events.ndjson')).toBe('there was no event in 2 s\n');
    expect(content.get('log.txt')).toMatch(/^journalctl -u weftd .*: the journal has nothing of weftd: /);
    for (const { path, content: text } of files) expect([path, text.trim()]).not.toEqual([path, '']);
  });
});

describe('a bundle', () => {
  const files = [
    { path: 'README.txt', content: 'read me' },
    { path: 'a/b.txt', content: 'deep' },
  ];
  const leftovers = () =>
    readdirSync(tmpdir()).filter((name) => name.startsWith('weft-report-') && !name.includes('-test-'));

  it('is a tar.gz with one directory, for its owner alone', async () => {
    const before = leftovers();
    const file = join(directory, 'r.tar.gz');
    expect(await writeBundle(file, 'weft-report-h1', files)).toBe(statSync(file).size);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    execFileSync('tar', ['-xzf', file, '-C', directory]);
    expect(readFileSync(join(directory, 'weft-report-h1', 'a', 'b.txt'), 'utf8')).toBe('deep');
    expect(readdirSync(directory).sort()).toEqual(['r.tar.gz', 'weft-report-h1']);
    expect(leftovers()).toEqual(before);
  });

  it('never overwrites', async () => {
    const file = join(directory, 'r.tar.gz');
    writeFileSync(file, 'mine');
    await expect(writeBundle(file, 'x', files)).rejects.toMatchObject({
      code: 'WEFT_REPORT_EXISTS',
      exit: 5,
    });
    expect(readFileSync(file, 'utf8')).toBe('mine');
  });

  it('leaves nothing when it cannot be written', async () => {
    const before = leftovers();
    const file = join(directory, 'r.tar.gz');
    const unwritable = [{ path: '../../nowhere/x'.repeat(400), content: '' }];
    await expect(writeBundle(file, 'x', unwritable)).rejects.toMatchObject({ code: 'WEFT_REPORT_FAILED' });
    expect(existsSync(file)).toBe(false);
    expect(leftovers()).toEqual(before);
    const place = process.env.TMPDIR;
    process.env.TMPDIR = join(directory, 'no-such-place');
    try {
      await expect(writeBundle(file, 'x', files)).rejects.toMatchObject({ code: 'WEFT_REPORT_FAILED' });
    } finally {
      if (place === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = place;
    }
    expect(existsSync(file)).toBe(false);
    const nowhere = join(directory, 'none', 'r.tar.gz');
    await expect(writeBundle(nowhere, 'x', files)).rejects.toMatchObject({ code: 'WEFT_REPORT_FAILED' });
  });
});

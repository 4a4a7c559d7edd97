import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { clientVersion } from '../client_version.js';
import { FakeDaemon, refusal } from '../testing/fake_daemon.js';
import { type Result, runCli } from '../testing/run_cli.js';
import { healthy } from '../testing/samples.js';

let daemon: FakeDaemon;
const weft = (...argv: string[]): Promise<Result> => runCli(['--socket', daemon.socket, ...argv]);

beforeEach(async () => {
  daemon = await FakeDaemon.start();
});
afterEach(() => daemon.stop());

describe('weft status', () => {
  it('prints a block', async () => {
    daemon.answers = { 'GET /v1/status': { status: 200, body: healthy } };
    expect((await weft('status')).stdout).toBe(
      [
        '    Host: h1 (h-0011)',
        '  Daemon: weft 0.1.0, PID 99, up 1h 2m',
        '  Kernel: 6.1.0',
        '  Config: /etc/weft/weft.yaml',
        'Underlay: 10.99.0.1, UDP port 4789, up',
        'Offloads: tso on, uso off: not in this kernel, coalesce_tcp off (configured), coalesce_udp off: uso is off',
        '          udp_gso on, udp_gro on, carry_checksum on',
        'Networks: 1',
        '   Ports: 2, 1 up',
        '   Peers: 1, 1 active',
        '  Docker: plugin on /run/docker/plugins/weft.sock, not asked for since weftd was started (Docker asks once after its own start)',
        '          Docker cannot be asked for names: there is no such socket',
        '          0 networks, 0 endpoints',
        '     FDB: 3 learned, 1 declared',
        'Received: 1,000,000 frames: 999,990 unicast, 8 flooded, 1 consumed, 1 dropped',
        '  Queued: 5 frames: 4 sent, 1 dropped',
        'Findings: none',
        '',
      ].join('\n'),
    );
  });

  it.each([
    [
      {
        activated: new Date(Date.now() - 3_725_000).toISOString(),
        engine: '20.10.24',
        api: null,
        endpoints: 1,
      },
      [
        'plugin on /run/docker/plugins/weft.sock, asked for 1h 2m ago',
        'Docker 20.10.24 tells names',
        '0 networks, 1 endpoint',
      ],
    ],
    [
      { state: 'failed', reason: 'another process answers there already' },
      [
        'plugin failed: another process answers there already',
        'Docker cannot be asked for names: there is no such socket',
        '0 networks, 0 endpoints',
      ],
    ],
    [{ state: 'off', socket: null }, ['off (docker.plugin)']],
  ])('says of Docker %j', async (differs, lines) => {
    const docker = { ...healthy.docker, ...differs };
    daemon.answers = { 'GET /v1/status': { status: 200, body: { ...healthy, docker } } };
    const { stdout } = await weft('status');
    expect(stdout).toContain(`  Docker: ${lines.join('\n          ')}\n     FDB: `);
  });

  it('ends with the findings and their remedies, and succeeds', async () => {
    const finding = {
      code: 'NETNS_GONE',
      severity: 'warning',
      object: 'port p-7f3a',
      message: 'The namespace c1 is gone.',
      remedy: 'Make it again, or remove the port.',
      since: '2026-01-01T00:00:00Z',
    };
    const underlay = { addresses: [], port: 4789, state: 'degraded', reason: 'no default route' };
    daemon.answers = {
      'GET /v1/status': { status: 200, body: { ...healthy, underlay, findings: [finding] } },
    };
    const { exit, stdout } = await weft('status');
    expect(exit).toBe(0);
    expect(stdout).toContain('Underlay: no address, UDP port 4789, degraded (no default route)\n');
    expect(stdout).toMatch(
      /Findings: 1\n\nwarning NETNS_GONE: port p-7f3a, since 2026-01-01T00:00:00Z\n {2}The namespace c1 is gone.\n {2}Make it again, or remove the port.\n$/,
    );
  });

  it('prints the first findings of very many, and how many more there are', async () => {
    const findings = Array.from({ length: 60 }, (_, index) => ({
      code: 'NETNS_GONE',
      severity: 'warning',
      object: `port p-${index}`,
      message: 'The namespace is gone.',
      remedy: 'Make it again.',
      since: '2026-01-01T00:00:00Z',
    }));
    daemon.answers = { 'GET /v1/status': { status: 200, body: { ...healthy, findings } } };
    const { stdout } = await weft('status');
    expect(stdout.match(/^warning NETNS_GONE/gm)).toHaveLength(50);
    expect(stdout).toMatch(/\n\.\.\. and 10 more: "weft --json status" has them all\n$/);
    expect(JSON.parse((await weft('status', '--json')).stdout).findings).toHaveLength(60);
  });

  it('prints the shape of the API as JSON', async () => {
    daemon.answers = { 'GET /v1/status': { status: 200, body: healthy } };
    expect(JSON.parse((await weft('status', '--json')).stdout)).toEqual(healthy);
  });
});

describe('weft reload', () => {
  it('prints the changes', async () => {
    daemon.answers = {
      'POST /v1/reload': {
        status: 200,
        body: { changed: ['Network red is new.', 'Peer 10.0.0.3 is gone.'] },
      },
    };
    expect((await weft('reload')).stdout).toBe(
      'The configuration is reloaded, with 2 changes:\n  Network red is new.\n  Peer 10.0.0.3 is gone.\n',
    );
  });

  it('says when nothing changed', async () => {
    daemon.answers = { 'POST /v1/reload': { status: 200, body: { changed: [] } } };
    expect((await weft('reload')).stdout).toBe('The configuration is reloaded: nothing changed.\n');
  });

  it('exits with 2 for a configuration that is not valid, and keeps its lines apart', async () => {
    const message = 'the configuration is not valid: 2 mistakes\n  f:1:1: a\n  f:2:1: b\n';
    daemon.answers = { 'POST /v1/reload': refusal('WEFT_CONFIG', message, 400) };
    expect(await weft('reload')).toEqual({
      exit: 2,
      stdout: '',
      stderr:
        'weft: the configuration is not valid: 2 mistakes\n  f:1:1: a\n  f:2:1: b\n(WEFT_CONFIG). Do something else.\n',
    });
  });
});

describe('weft version', () => {
  const versions = { version: '9.9.9', node: 'v20.0.0', kernel: '6.1.0', native: '9.9.8' };

  it('prints both versions', async () => {
    daemon.answers = { 'GET /v1/version': { status: 200, body: versions } };
    expect((await weft('version')).stdout).toBe(
      `Client: weft ${clientVersion()}, Node ${process.version}\nDaemon: weft 9.9.9, Node v20.0.0, addon 9.9.8, Linux 6.1.0\n`,
    );
    const client = { version: clientVersion(), node: process.version };
    expect(JSON.parse((await weft('version', '--json')).stdout)).toEqual({
      client,
      daemon: versions,
      error: null,
    });
  });

  it('succeeds without a daemon, and says so', async () => {
    const { exit, stdout, stderr } = await runCli(['--socket', '/nonexistent/weft.sock', 'version']);
    expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' });
    expect(stdout).toContain(
      'Daemon: unknown: no weftd answers on /nonexistent/weft.sock: there is no such socket\n',
    );
  });

  it('knows the version of the package', () => {
    expect(clientVersion()).toMatch(/^\d+\.\d+\.\d+/);
  });
});

describe('weft config check', () => {
  let directory: string;
  const write = (text: string): string => {
    const file = join(directory, 'weft.yaml');
    writeFileSync(file, text);
    return file;
  };

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'weft-config-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it('approves a good file without a daemon', async () => {
    const file = write('networks:\n  blue: { vni: 42 }\n');
    expect(await runCli(['config', 'check', file])).toEqual({ exit: 0, stdout: `${file}: ok\n`, stderr: '' });
    expect(JSON.parse((await runCli(['--json', 'config', 'check', file])).stdout)).toEqual({
      file,
      ok: true,
    });
  });

  it('prints every value with its origin', async () => {
    const file = write('networks:\n  blue: { vni: 42 }\n');
    expect((await runCli(['config', 'check', file, '--print'])).stdout).toMatch(
      new RegExp(`^networks\\.blue\\.vni: 42 +# ${file}:2$`, 'm'),
    );
    const { values } = JSON.parse((await runCli(['config', 'check', file, '--print', '--json'])).stdout) as {
      values: object[];
    };
    expect(values).toContainEqual({ path: 'networks.blue.vni', value: 42, origin: 'file', line: 2 });
  });

  it('names every mistake with its place, and exits with 2', async () => {
    const file = write('netwroks: {}\nworkers: many\n');
    const { exit, stdout, stderr } = await runCli(['config', 'check', file]);
    expect({ exit, stdout }).toEqual({ exit: 2, stdout: '' });
    expect(stderr).toBe(
      `${file}:2:1: workers: expected auto or 1: this version of weft has one worker; got "many"\n` +
        `${file}:1:1: netwroks: there is no such key; did you mean "networks"?\n2 mistakes\n`,
    );
    const json = JSON.parse((await runCli(['config', 'check', file, '--json'])).stderr);
    expect(json).toMatchObject({ code: 'WEFT_CONFIG', remedy: 'Correct the file.' });
  });

  it('exits with 1 when the file cannot be read', async () => {
    const { exit, stderr } = await runCli(['config', 'check', join(directory, 'absent.yaml')]);
    expect(exit).toBe(1);
    expect(stderr).toContain('WEFT_CONFIG_UNREADABLE');
  });
});

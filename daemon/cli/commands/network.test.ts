import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeDaemon, refusal } from '../testing/fake_daemon.js';
import { type Result, runCli } from '../testing/run_cli.js';
import { blue } from '../testing/samples.js';

let daemon: FakeDaemon;
const weft = (...argv: string[]): Promise<Result> => runCli(['--socket', daemon.socket, ...argv]);

beforeEach(async () => {
  daemon = await FakeDaemon.start();
});
afterEach(() => daemon.stop());

describe('weft network create', () => {
  it('sends only what was given', async () => {
    daemon.answers = { 'POST /v1/networks': { status: 201, body: { ...blue, subnets: [] } } };
    expect(await weft('network', 'create', 'blue')).toEqual({
      exit: 0,
      stdout: 'Network blue is ready: VNI 42, MTU 1450.\n',
      stderr: '',
    });
    expect(daemon.asked).toEqual([{ method: 'POST', path: '/v1/networks', body: { name: 'blue' } }]);
  });

  it('sends every option in the types of the API', async () => {
    daemon.answers = { 'POST /v1/networks': { status: 201, body: blue } };
    const subnets = ['--subnet', '10.42.0.0/24', '--subnet', 'FD42::/64'];
    const { stdout } = await weft(
      'network',
      'create',
      'blue',
      '--vni',
      '42',
      ...subnets,
      '--mtu',
      '1400',
      '--vlan',
      'pass',
    );
    expect(stdout).toBe('Network blue is ready: VNI 42, MTU 1450, subnets 10.42.0.0/24, fd42::/64.\n');
    expect(daemon.asked[0]?.body).toEqual({
      name: 'blue',
      vni: 42,
      subnets: ['10.42.0.0/24', 'fd42::/64'],
      mtu: 1400,
      vlan: 'pass',
    });
  });

  it('takes "auto" for the MTU', async () => {
    daemon.answers = { 'POST /v1/networks': { status: 201, body: blue } };
    await weft('network', 'create', 'blue', '--mtu', 'auto');
    expect(daemon.asked[0]?.body).toEqual({ name: 'blue', mtu: 'auto' });
  });

  it.each([
    [['--vni', '0'], '--vni: expected a whole number from 1 to 16777214, got "0"'],
    [['--vni', '16777215'], '--vni: expected'],
    [['--vni', '4e2'], '--vni: expected'],
    [['--vni', '-1'], '--vni: expected'],
    [['--mtu', '100'], '--mtu: expected "auto", or bytes from 576 to 9000, got "100"'],
    [['--subnet', '10.42.0.0'], '--subnet 10.42.0.0: expected a subnet'],
    [['--subnet', '10.42.0.1/24'], '--subnet 10.42.0.1/24: has host bits set; write 10.42.0.0/24'],
    [['--vlan', 'maybe'], '--vlan: expected "drop" or "pass", got "maybe"'],
  ])('refuses %j without asking the daemon', async (options, message) => {
    const { exit, stderr } = await weft('network', 'create', 'blue', ...options);
    expect(exit).toBe(2);
    expect(stderr).toContain(message);
    expect(daemon.asked).toEqual([]);
  });

  it('exits with 5 when the network exists', async () => {
    daemon.answers = {
      'POST /v1/networks': refusal('WEFT_NETWORK_EXISTS', 'network "blue" exists already', 409),
    };
    expect(await weft('network', 'create', 'blue')).toEqual({
      exit: 5,
      stdout: '',
      stderr: 'weft: network "blue" exists already (WEFT_NETWORK_EXISTS). Do something else.\n',
    });
  });
});

describe('weft network ls', () => {
  it('prints an aligned table', async () => {
    const other = { ...blue, name: 'long-name', vni: 16777214, subnets: [], ports: 1000 };
    daemon.answers = { 'GET /v1/networks': { status: 200, body: [blue, other] } };
    expect((await weft('network', 'ls')).stdout).toBe(
      [
        'NAME            VNI   MTU  PORTS  FDB  SUBNETS                  ORIGIN',
        'blue             42  1450      2    4  10.42.0.0/24, fd42::/64  api',
        'long-name  16777214  1450  1,000    4  -                        api',
        '',
      ].join('\n'),
    );
  });

  it('says so when there is nothing, and prints [] as JSON', async () => {
    daemon.answers = { 'GET /v1/networks': { status: 200, body: [] } };
    expect(await weft('network', 'ls')).toEqual({ exit: 0, stdout: '', stderr: 'There are no networks.\n' });
    expect(await weft('--json', 'network', 'ls')).toEqual({ exit: 0, stdout: '[]\n', stderr: '' });
  });
});

describe('weft network inspect', () => {
  it('prints a block', async () => {
    daemon.answers = { 'GET /v1/networks/blue': { status: 200, body: blue } };
    expect((await weft('network', 'inspect', 'blue')).stdout).toBe(
      [
        '   Name: blue',
        '    VNI: 42',
        'Subnets: 10.42.0.0/24',
        '         fd42::/64',
        '    MTU: 1450 bytes of IP (auto)',
        '   VLAN: drop',
        ' Origin: api cli',
        '  Ports: 2',
        '    FDB: 3 learned, 1 declared',
        '',
      ].join('\n'),
    );
  });

  it('shows the networks of Docker that are on it', async () => {
    const engine = { engine: 'docker', subnets: ['10.32.0.0/16', 'fd32::/64'], internal: true };
    const engines = [
      { ...engine, id: 'ab'.repeat(32), name: 'front' },
      { ...engine, id: 'cd'.repeat(32), name: null, subnets: [], internal: false },
    ];
    daemon.answers = { 'GET /v1/networks/blue': { status: 200, body: { ...blue, engines } } };
    expect((await weft('network', 'inspect', 'blue')).stdout).toContain(
      [
        ' Docker: network front (abababababab): 10.32.0.0/16, fd32::/64, internal',
        '         network (name not known) (cdcdcdcdcdcd)',
        '',
      ].join('\n'),
    );
  });

  it('prints what the API answered as JSON, also fields that it does not know', async () => {
    const body = { ...blue, later: [1] };
    daemon.answers = { 'GET /v1/networks/blue': { status: 200, body } };
    expect(JSON.parse((await weft('network', 'inspect', 'blue', '--json')).stdout)).toEqual(body);
  });

  it('encodes the name, and refuses one that a URL would resolve away', async () => {
    daemon.answers = { 'GET /v1/networks/10.0.0.0%2F8': { status: 200, body: blue } };
    expect((await weft('network', 'inspect', '10.0.0.0/8')).exit).toBe(0);
    expect((await weft('network', 'inspect', '..')).exit).toBe(2);
    expect((await weft('network', 'inspect', '')).exit).toBe(2);
    expect(daemon.asked).toHaveLength(1);
  });
});

describe('weft network rm', () => {
  it('removes', async () => {
    daemon.answers = { 'DELETE /v1/networks/blue': { status: 204 } };
    expect(await weft('network', 'rm', 'blue')).toEqual({
      exit: 0,
      stdout: 'Network blue is removed.\n',
      stderr: '',
    });
    expect(await weft('--json', 'network', 'rm', 'blue')).toEqual({ exit: 0, stdout: '', stderr: '' });
  });

  it('asks for force only when told to', async () => {
    daemon.answers = { 'DELETE /v1/networks/blue?force=true': { status: 204 } };
    expect((await weft('network', 'rm', 'blue', '--force')).exit).toBe(0);
  });

  it('exits with 4 when there is none, and with 0 for --if-exists', async () => {
    daemon.answers = {
      'DELETE /v1/networks/blue': refusal('WEFT_NETWORK_NOT_FOUND', 'there is no network "blue"'),
    };
    expect((await weft('network', 'rm', 'blue')).exit).toBe(4);
    expect(await weft('network', 'rm', 'blue', '--if-exists')).toEqual({
      exit: 0,
      stdout: 'There is no network "blue".\n',
      stderr: '',
    });
  });

  it('does not take another error for absence', async () => {
    daemon.answers = { 'DELETE /v1/networks/blue': refusal('WEFT_NETWORK_HAS_PORTS', 'it has ports', 409) };
    expect((await weft('network', 'rm', 'blue', '--if-exists')).exit).toBe(5);
    daemon.answers = {};
    expect((await weft('network', 'rm', 'blue', '--if-exists')).exit).toBe(1);
  });
});

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WeftError } from '../../errors.js';
import { FakeDaemon, refusal } from '../testing/fake_daemon.js';
import { type Result, runCli } from '../testing/run_cli.js';
import { blue, web } from '../testing/samples.js';

let daemon: FakeDaemon;
const weft = (...argv: string[]): Promise<Result> =>
  runCli(['--socket', daemon.socket, ...argv], { cwd: '/srv/ns' });

beforeEach(async () => {
  daemon = await FakeDaemon.start();
});
afterEach(() => daemon.stop());

describe('weft port add', () => {
  it('sends only what was given', async () => {
    daemon.answers = { 'POST /v1/ports': { status: 201, body: web } };
    expect(await weft('port', 'add', 'blue')).toEqual({
      exit: 0,
      stdout: 'Port p-7f3a9c21 (eth0@c1) is up on network blue.\n',
      stderr: '',
    });
    expect(daemon.asked).toEqual([{ method: 'POST', path: '/v1/ports', body: { network: 'blue' } }]);
  });

  it('sends every option', async () => {
    daemon.answers = { 'POST /v1/ports': { status: 201, body: web } };
    const addresses = ['--address', '10.42.0.2/24', '--address', 'fd42::2/64'];
    await weft(
      'port',
      'add',
      'blue',
      'net1',
      '--netns',
      'c1',
      '--name',
      'web',
      '--mac',
      '02-00-5E-10-00-01',
      ...addresses,
      '--spoof',
      'deny',
    );
    expect(daemon.asked[0]?.body).toEqual({
      network: 'blue',
      ifname: 'net1',
      netns: 'c1',
      name: 'web',
      mac: '02:00:5e:10:00:01',
      addresses: ['10.42.0.2/24', 'fd42::2/64'],
      spoof: 'deny',
    });
  });

  it.each([
    ['4711', '4711'],
    ['/run/netns/c1', '/run/netns/c1'],
    ['./c1', '/srv/ns/c1'],
    ['../c1', '/srv/c1'],
  ])('sends the namespace %s as %s', async (given, sent) => {
    daemon.answers = { 'POST /v1/ports': { status: 201, body: web } };
    await weft('port', 'add', 'blue', '--netns', given);
    expect(daemon.asked[0]?.body).toEqual({ network: 'blue', netns: sent });
  });

  it('says why a port is not up', async () => {
    const waiting = { ...web, netns: null, state: 'waiting', reason: 'the namespace is gone' };
    daemon.answers = { 'POST /v1/ports': { status: 201, body: waiting } };
    const { stdout } = await weft('port', 'add', 'blue');
    expect(stdout).toBe('Port p-7f3a9c21 (eth0) is waiting on network blue: the namespace is gone.\n');
  });

  it.each([
    [['--mac', '02:00:5e:10:00'], '--mac: expected a MAC'],
    [['--address', '10.42.0.2'], '--address: expected an address with its prefix'],
    [['--address', '10.42.0.2/33'], '--address: expected'],
    [['--name', 'a', '--name', 'b'], '--name is given more than once'],
    [['--netns'], '--netns needs a value'],
    [['--spoof', 'maybe'], '--spoof: expected "allow" or "deny", got "maybe"'],
  ])('refuses %j without asking the daemon', async (options, message) => {
    const { exit, stderr } = await weft('port', 'add', 'blue', ...options);
    expect(exit).toBe(2);
    expect(stderr).toContain(message);
    expect(daemon.asked).toEqual([]);
  });

  it('makes escape sequences from the daemon harmless', async () => {
    daemon.answers = {
      'POST /v1/ports': { status: 201, body: { ...web, state: 'failed', reason: '\x1b]0;owned\x07\u202e' } },
    };
    const { stdout } = await weft('port', 'add', 'blue');
    expect(stdout).toBe('Port p-7f3a9c21 (eth0@c1) is failed on network blue: \ufffd]0;owned\ufffd\ufffd.\n');
  });
});

it('tells the type of each option', async () => {
  const { stdout } = await weft('port', 'set', '--help');
  expect(stdout.replaceAll(/\s+/g, ' ')).toMatch(/--spoof .* \[string\] \[required\]/);
});

describe('weft port ls', () => {
  const bare = {
    ...web,
    id: 'p-2',
    name: null,
    network: 'red',
    netns: null,
    addresses: [],
    state: 'failed',
    reason: 'no TUN',
  };

  it('prints a table', async () => {
    daemon.answers = { 'GET /v1/ports': { status: 200, body: [web, bare] } };
    expect((await weft('port', 'ls')).stdout).toBe(
      [
        'ID          NAME  NETWORK  INTERFACE  MAC                ADDRESSES     SPOOF  ORIGIN  STATE',
        'p-7f3a9c21  web   blue     eth0@c1    02:00:5e:10:00:01  10.42.0.2/24  allow  api     up',
        'p-2         -     red      eth0       02:00:5e:10:00:01  -             allow  api     failed: no TUN',
        '',
      ].join('\n'),
    );
  });

  it('has a column for containers where there are any', async () => {
    const docked = { ...bare, ifname: 'weft0123456789a', container: 'shop' };
    daemon.answers = { 'GET /v1/ports': { status: 200, body: [web, docked] } };
    const lines = (await weft('port', 'ls')).stdout.split('\n');
    expect(lines[0]).toBe(
      'ID          NAME  CONTAINER  NETWORK  INTERFACE        MAC                ADDRESSES     SPOOF  ORIGIN  STATE',
    );
    expect(lines[2]).toContain('p-2         -     shop       red      weft0123456789a');
  });

  it('shows one network, and knows an empty one from a missing one', async () => {
    daemon.answers = {
      'GET /v1/ports': { status: 200, body: [web, bare] },
      'GET /v1/networks/blue': { status: 200, body: blue },
      'GET /v1/networks/empty': { status: 200, body: { ...blue, name: 'empty' } },
      'GET /v1/networks/bleu': refusal('WEFT_NETWORK_NOT_FOUND', 'there is no network "bleu"'),
    };
    expect(JSON.parse((await weft('--json', 'port', 'ls', 'blue')).stdout)).toEqual([web]);
    expect(await weft('port', 'ls', 'empty')).toEqual({
      exit: 0,
      stdout: '',
      stderr: 'Network empty has no ports.\n',
    });
    expect((await weft('port', 'ls', 'bleu')).exit).toBe(4);
  });
});

describe('weft port inspect', () => {
  it('prints a block with readable and exact counters', async () => {
    daemon.answers = { 'GET /v1/ports/eth0%40c1': { status: 200, body: web } };
    const { stdout } = await weft('port', 'inspect', 'eth0@c1');
    expect(stdout).toContain('  Namespace: c1\n');
    expect(stdout).toContain(
      '   Received: 1,234,567 frames, 1,876,543,210 bytes (1.88 GB), 4,321 super-frames, 0 dropped\n',
    );
    expect(stdout).toContain('       Sent: 1 frame, 60 bytes (60 B), 0 super-frames, 7 dropped\n');
  });

  it('shows the container, and what it may send', async () => {
    const owner = { kind: 'docker', ref: 'beef' };
    const docked = { ...web, owner, netns: null, container: 'shop', spoof: 'deny' };
    daemon.answers = { 'GET /v1/ports/web': { status: 200, body: docked } };
    const { stdout } = await weft('port', 'inspect', 'web');
    expect(stdout).toContain('  Container: shop\n');
    expect(stdout).toContain('  Namespace: that of its container\n');
    expect(stdout).toContain('    Sources: only its own MAC and addresses (spoof: deny)\n');
    daemon.answers = { 'GET /v1/ports/web': { status: 200, body: web } };
    expect((await weft('port', 'inspect', 'web')).stdout).toContain(
      '    Sources: any MAC and address (spoof: allow)\n',
    );
  });

  it('shows what was refused once something was, and why', async () => {
    const refused = { spoofedMac: 1200, spoofedAddress: 3, rogueService: 0 };
    daemon.answers = { 'GET /v1/ports/web': { status: 200, body: { ...web, spoof: 'deny', refused } } };
    expect((await weft('port', 'inspect', 'web')).stdout).toContain(
      '    Refused: 1,200 spoofed_mac, 3 spoofed_address, 0 rogue_service (of those dropped)\n',
    );
    daemon.answers = { 'GET /v1/ports/web': { status: 200, body: web } };
    expect((await weft('port', 'inspect', 'web')).stdout).not.toContain('Refused');
  });

  it('tells why it gets single frames', async () => {
    const body = { ...web, offloadDisabled: 'TCP super-frames: EINVAL' };
    daemon.answers = { 'GET /v1/ports/web': { status: 200, body } };
    expect((await weft('port', 'inspect', 'web')).stdout).toContain(
      'Gets single frames: TCP super-frames: EINVAL\n',
    );
  });

  it('exits with 5 when the reference fits two', async () => {
    daemon.answers = {
      'GET /v1/ports/eth0': refusal('WEFT_PORT_AMBIGUOUS', '"eth0" fits more than one port: a, b', 409),
    };
    expect((await weft('port', 'inspect', 'eth0')).exit).toBe(5);
  });
});

describe('weft port set', () => {
  it.each([
    ['deny', 'its own MAC and addresses only'],
    ['allow', 'any MAC and address'],
  ] as const)('sends %s and says what it means', async (spoof, sources) => {
    daemon.answers = { 'PATCH /v1/ports/eth0%40c1': { status: 200, body: { ...web, spoof } } };
    expect(await weft('port', 'set', 'eth0@c1', '--spoof', spoof)).toEqual({
      exit: 0,
      stdout: `Port p-7f3a9c21 (eth0@c1) may send from ${sources}.\n`,
      stderr: '',
    });
    expect(daemon.asked).toEqual([{ method: 'PATCH', path: '/v1/ports/eth0%40c1', body: { spoof } }]);
  });

  it('says whose port it is, with exit 5', async () => {
    const parameters = { object: 'port "p-2"', origin: 'Docker', advice: 'Use the docker command.' };
    const body = new WeftError('WEFT_NOT_OWNER', parameters).toBody();
    daemon.answers = { 'PATCH /v1/ports/p-2': { status: 409, body } };
    const { exit, stderr } = await weft('port', 'set', 'p-2', '--spoof', 'allow');
    expect(exit).toBe(5);
    expect(stderr).toContain('port "p-2" comes from Docker and can only be changed there (WEFT_NOT_OWNER)');
  });

  it('needs to know what to change', async () => {
    expect((await weft('port', 'set', 'web')).exit).toBe(2);
    expect(daemon.asked).toEqual([]);
  });
});

describe('weft port rm', () => {
  it('says who may remove the port of a container', async () => {
    const error = new WeftError('WEFT_NOT_OWNER', {
      object: 'port "p-2"',
      origin: 'Docker',
      advice: 'Use the docker command.',
    });
    daemon.answers = { 'DELETE /v1/ports/p-2': { status: 409, body: error.toBody() } };
    expect(await weft('port', 'rm', 'p-2')).toEqual({
      exit: 5,
      stdout: '',
      stderr:
        'weft: port "p-2" comes from Docker and can only be changed there (WEFT_NOT_OWNER). Use the docker command.\n',
    });
  });

  it('removes', async () => {
    daemon.answers = { 'DELETE /v1/ports/eth0%40%2Fproc%2F1%2Fns%2Fnet': { status: 204 } };
    expect((await weft('port', 'rm', 'eth0@/proc/1/ns/net')).stdout).toBe(
      'Port eth0@/proc/1/ns/net is removed.\n',
    );
  });

  it('exits with 4 when there is none, and with 0 for --if-exists', async () => {
    daemon.answers = { 'DELETE /v1/ports/web': refusal('WEFT_PORT_NOT_FOUND', 'there is no port "web"') };
    expect((await weft('port', 'rm', 'web')).exit).toBe(4);
    expect((await weft('port', 'rm', 'web', '--if-exists')).stdout).toBe('There is no port "web".\n');
  });
});

/** The commands that show what Docker has of weft. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeDaemon, refusal } from '../testing/fake_daemon.js';
import { type Result, runCli } from '../testing/run_cli.js';
import { blue, nginx, ten } from '../testing/samples.js';

let daemon: FakeDaemon;
const weft = (...argv: string[]): Promise<Result> => runCli(['--socket', daemon.socket, ...argv]);

beforeEach(async () => {
  daemon = await FakeDaemon.start();
});
afterEach(() => daemon.stop());

describe('weft ps', () => {
  const unknown = {
    ...nginx,
    id: null,
    name: null,
    image: null,
    labels: {},
    aliases: [],
    engineNetwork: { id: '22'.repeat(32), name: null },
    network: 'blue',
    addresses: [],
    port: 'p-2',
    state: 'waiting',
    reason: 'it is being made',
    counters: null,
  };

  beforeEach(() => {
    daemon.answers = {
      'GET /v1/containers': { status: 200, body: [nginx, unknown] },
      'GET /v1/networks/blue': { status: 200, body: blue },
      'GET /v1/networks/empty': { status: 200, body: { ...blue, name: 'empty' } },
      'GET /v1/networks/bleu': refusal('WEFT_NETWORK_NOT_FOUND', 'there is no network "bleu"'),
    };
  });

  it('prints a table', async () => {
    expect((await weft('ps')).stdout).toBe(
      [
        'NAME            NETWORK       ADDRESSES     MAC                PORT                   RECEIVED      SENT  STATE',
        'web             10.32.0.0/16  10.32.0.2/16  02:00:5e:10:00:02  p-0011aabb  1.88 GB (1,234,567)  60 B (1)  up',
        '(beefbeefbeef)  blue          -             02:00:5e:10:00:02  p-2                           -         -  waiting: it is being made',
        '',
      ].join('\n'),
    );
  });

  it('prints all that is known, with IDs in full when asked to', async () => {
    const [header = '', first = '', second = ''] = (await weft('ps', '--wide')).stdout.split('\n');
    expect(header).toMatch(/STATE +CONTAINER ID +IMAGE +INTERFACE +ENGINE NETWORK +ALIASES +LABELS$/);
    expect(first).toMatch(/ c0ffeec0ffee +nginx:1 +eth0 +front +www +app=shop, tier=front$/);
    expect(second).toMatch(/ - +- +eth0 +222222222222 +- +-$/);
    const { stdout } = await weft('ps', '--wide', '--no-trunc');
    for (const id of [nginx.id, `(${nginx.endpoint})`, unknown.engineNetwork.id])
      expect(stdout).toContain(id);
  });

  it('shows one network, and knows an empty one from a missing one', async () => {
    expect(JSON.parse((await weft('--json', 'ps', 'blue')).stdout)).toEqual([unknown]);
    expect(await weft('ps', 'empty')).toEqual({
      exit: 0,
      stdout: '',
      stderr: 'Network empty has no containers here.\n',
    });
    expect((await weft('ps', 'bleu')).exit).toBe(4);
  });

  it('makes names of containers harmless', async () => {
    const body = [{ ...nginx, name: '\x1b[2Jweb', labels: { a: '\x07' } }];
    daemon.answers = { 'GET /v1/containers': { status: 200, body } };
    const { stdout } = await weft('ps', '--wide');
    expect(stdout).toContain('\ufffd[2Jweb');
    expect(stdout).toContain('a=\ufffd');
  });

  it('says so when there are none', async () => {
    daemon.answers = { 'GET /v1/containers': { status: 200, body: [] } };
    expect((await weft('ps')).stderr).toBe('There are no containers on networks of weft.\n');
  });
});

describe('weft pool', () => {
  const large = {
    ...ten,
    id: 'weft:1:fd42::/64,network=blue',
    scope: 'blue',
    subnet: 'fd42::/64',
    range: 'fd42::-fd42::ffff:ffff:ffff:ffff',
    size: '18446744073709551616',
    leases: [],
  };

  beforeEach(() => {
    daemon.answers = { 'GET /v1/pools': { status: 200, body: [ten, large] } };
  });

  it('ls prints a table, with large sizes exactly', async () => {
    expect((await weft('pool', 'ls')).stdout).toBe(
      [
        'SUBNET        SCOPE         RANGE                             USED                        SIZE  ID',
        '10.32.0.0/16  10.32.0.0/16  10.32.48.0-10.32.63.255              1                       4,096  weft:1:10.32.0.0/16',
        'fd42::/64     blue          fd42::-fd42::ffff:ffff:ffff:ffff     1  18,446,744,073,709,551,616  weft:1:fd42::/64,network=blue',
        '',
      ].join('\n'),
    );
  });

  it('inspect says who has which address', async () => {
    expect((await weft('pool', 'inspect', '10.32.0.0/16')).stdout).toBe(
      [
        '    ID: weft:1:10.32.0.0/16',
        ' Scope: 10.32.0.0/16',
        'Subnet: 10.32.0.0/16',
        ' Range: 10.32.48.0-10.32.63.255 (4,096 addresses, 1 used)',
        '',
        'ADDRESS     KIND      CONTAINER  PORT          FOR',
        '10.32.0.1   gateway   -          -           1h 2m',
        '10.32.48.0  endpoint  web        p-0011aabb  2h 3m',
        '',
      ].join('\n'),
    );
  });

  it('inspect finds a subnet in every spelling and every network, and a pool by its ID', async () => {
    const other = { ...large, id: 'weft:1:fd42::/64,network=red', scope: 'red' };
    daemon.answers = { 'GET /v1/pools': { status: 200, body: [ten, large, other] } };
    const ids = async (ref: string) =>
      (JSON.parse((await weft('--json', 'pool', 'inspect', ref)).stdout) as { id: string }[]).map(
        ({ id }) => id,
      );
    expect(await ids('FD42:0::/64')).toEqual([large.id, other.id]);
    expect(await ids('weft:1:fd42::/64,network=red')).toEqual([other.id]);
  });

  it('inspect exits with 4 when there is none', async () => {
    expect(await weft('pool', 'inspect', '10.9.0.0/16')).toEqual({
      exit: 4,
      stdout: '',
      stderr: 'weft: there is no pool "10.9.0.0/16" (WEFT_POOL_NOT_FOUND). "weft pool ls" lists the pools.\n',
    });
  });

  const path = 'DELETE /v1/pools/weft%3A1%3A10.32.0.0%2F16%2Cnetwork%3Dblue';
  const id = 'weft:1:10.32.0.0/16,network=blue';

  it('rm removes it, by force where that is said', async () => {
    daemon.answers = { [path]: { status: 204 }, [`${path}?force=true`]: { status: 204 } };
    expect((await weft('pool', 'rm', id)).stdout).toBe(`Pool ${id} is removed.\n`);
    expect((await weft('pool', 'rm', id, '--force')).exit).toBe(0);
    expect(daemon.asked.map(({ path }) => path)).toEqual([
      path.slice('DELETE '.length),
      `${path.slice('DELETE '.length)}?force=true`,
    ]);
  });

  it('rm exits with 5 when it is in use, and minds --if-exists', async () => {
    daemon.answers = { [path]: refusal('WEFT_POOL_OF_ENGINE', 'it is used', 409) };
    expect((await weft('pool', 'rm', id, '--if-exists')).exit).toBe(5);
    daemon.answers = { [path]: refusal('WEFT_POOL_NOT_FOUND', 'there is no such pool') };
    expect((await weft('pool', 'rm', id)).exit).toBe(4);
    expect(await weft('pool', 'rm', id, '--if-exists')).toMatchObject({
      exit: 0,
      stdout: `There is no pool "${id}".\n`,
    });
  });
});

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Why } from '../../api/schema.js';
import { FakeDaemon, refusal } from '../testing/fake_daemon.js';
import { type Result, runCli } from '../testing/run_cli.js';

let daemon: FakeDaemon;
const weft = (...argv: string[]): Promise<Result> => runCli(['--socket', daemon.socket, ...argv]);

beforeEach(async () => {
  daemon = await FakeDaemon.start();
});
afterEach(() => daemon.stop());

const end = { given: 'web', label: 'web', port: 'p-1', address: '10.42.0.2', mac: '02:00:5e:10:00:01' };
const step = { host: null, state: 'ok', remedy: null, facts: {} } as const;
const way: Why = {
  source: end,
  destination: { ...end, given: '10.42.0.3', label: '10.42.0.3', port: null },
  network: 'blue',
  backwards: false,
  state: 'ok',
  steps: [{ ...step, what: 'source-mac', sentence: 'web is up' }],
  conclusion: 'Frames go from web to 10.42.0.3; nothing is in the way.',
  remedy: null,
};
const asked = 'GET /v1/why?source=web&destination=10.42.0.3';

describe('weft why', () => {
  it('prints the way and the sentence in which it ends, and succeeds where it is clear', async () => {
    daemon.answers = { [asked]: { status: 200, body: way } };
    expect(await weft('why', 'web', '10.42.0.3')).toEqual({
      exit: 0,
      stdout: 'ok       source-mac  web is up\n\nFrames go from web to 10.42.0.3; nothing is in the way.\n',
      stderr: '',
    });
  });

  it('fails where something is in the way, and says what to do', async () => {
    const steps: Why['steps'] = [
      ...way.steps,
      { ...step, what: 'guard', state: 'trouble', sentence: 'a\x1b[2J b', remedy: 'Do it.' },
      { ...step, what: 'far', state: 'unknown', sentence: 'it does not answer', remedy: 'Look there.' },
    ];
    const body: Why = { ...way, state: 'trouble', steps, conclusion: 'In the way: it.', remedy: 'Do it.' };
    daemon.answers = { [asked]: { status: 200, body } };
    expect(await weft('why', 'web', '10.42.0.3')).toEqual({
      exit: 1,
      stdout: [
        'ok       source-mac  web is up',
        'TROUBLE  guard       a\ufffd[2J b',
        '                     Do it.',
        '?        far         it does not answer',
        '                     Look there.',
        '',
        'In the way: it. Do it.',
        '',
      ].join('\n'),
      stderr: '',
    });
  });

  it('fails where the way is not known to be clear, also with --json', async () => {
    const body: Why = { ...way, state: 'unknown' };
    daemon.answers = { [`${asked}&network=blue`]: { status: 200, body } };
    const { exit, stdout } = await weft('why', 'web', '10.42.0.3', '--network', 'blue', '--json');
    expect(exit).toBe(1);
    expect(JSON.parse(stdout)).toEqual(body);
  });

  it('sends names as they are', async () => {
    daemon.answers = { 'GET /v1/why?source=a%26b&destination=eth0%40%2Frun%2Fx': { status: 200, body: way } };
    expect((await weft('why', 'a&b', 'eth0@/run/x')).exit).toBe(0);
  });

  it('needs two ends that are here', async () => {
    expect((await weft('why', 'web')).exit).toBe(2);
    expect((await weft('why', 'web', '')).exit).toBe(2);
    daemon.answers = {
      [asked]: refusal('WEFT_WHY_ELSEWHERE', 'neither is here'),
    };
    const { exit, stderr } = await weft('why', 'web', '10.42.0.3');
    expect(exit).toBe(4);
    expect(stderr).toContain('neither is here (WEFT_WHY_ELSEWHERE)');
  });
});

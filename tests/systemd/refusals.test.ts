/** What keeps weftd from starting: systemd does not try again, and the journal says what to do. */
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { changeLines, type Header, headerLines } from '../../daemon/state/journal_lines.js';
import { Lab } from '../../lab/lab.js';
import type { SystemdHost } from '../../lab/systemd-host.js';
import { until } from '../../lab/wait.js';

let lab: Lab;
let h1: SystemdHost;
const journal = '/var/lib/weft/journal';

beforeAll(async () => {
  lab = await Lab.open();
  h1 = await lab.systemdHost('h1');
  await h1.useCheckout();
});
afterAll(() => lab?.close());
beforeEach(async () => {
  await h1.configure({ networks: { blue: { vni: 42 } } });
  await h1.attempt(['systemctl', 'stop', 'weftd.service']);
  await h1.attempt(['systemctl', 'reset-failed', 'weftd.service']);
  await h1.exec('rm', '-rf', '/var/lib/weft', '/root/backup');
});

/** It ended with this status, once, and stays ended. */
async function expectRefusal(status: number, ...words: (string | RegExp)[]): Promise<void> {
  expect((await h1.attempt(['systemctl', 'start', 'weftd.service'])).status).not.toBe(0);
  const last = (await h1.journal())
    .split('\n')
    .filter((line) => line.startsWith('weftd: '))
    .at(-1);
  for (const word of words) expect(last).toMatch(word);
  // One that is to be started again is "activating" from here on.
  expect(await h1.property('ActiveState')).toBe('failed');
  expect(await h1.property('ExecMainStatus')).toBe(`${status}`);
  expect(await h1.property('NRestarts')).toBe('0');
}

async function expectStart(): Promise<void> {
  await h1.systemctl('start', 'weftd.service');
  expect(await h1.property('ActiveState')).toBe('active');
}

async function writeState(change: Partial<Header>): Promise<void> {
  const header: Header = {
    format: 'weft-state',
    schema: 3,
    host: '00000000-0000-4000-8000-000000000001',
    machine: null,
    version: '9.9.9',
    lines: 1,
    ...change,
  };
  const pool = { id: 'p', scope: 's', subnet: '10.0.0.0/8', range: null, references: 1, bound: false };
  const line = changeLines(1, [['put', 'pool', 'p', { ...pool, requestedAt: 1 }]]);
  await h1.write(journal, Buffer.concat([headerLines(header), line]).toString(), 0o600);
}

it('a damaged state, until a backup is put back', async () => {
  await expectStart();
  expect((await h1.tryWeft(['network', 'create', 'green'])).status).toBe(0);
  expect((await h1.tryWeft(['state', 'backup', '/root/backup'])).status).toBe(0);
  await h1.systemctl('stop', 'weftd.service');
  await h1.exec('sh', '-c', `tr g x <${journal} >${journal}.x && mv ${journal}.x ${journal}`);
  await expectRefusal(6, /is damaged: .*WEFT_STATE_DAMAGED.*weft state restore FILE/);
  expect((await h1.tryWeft(['state', 'check'])).status).toBe(6);
  expect((await h1.tryWeft(['state', 'restore', '/root/backup'])).status).toBe(0);
  await expectStart();
  expect((await h1.networks()).map(({ name }) => name).sort()).toEqual(['blue', 'green']);
});

it('a state of a newer version, until that is installed or a backup is put back', async () => {
  await expectStart();
  expect((await h1.tryWeft(['state', 'backup', '/root/backup'])).status).toBe(0);
  await h1.systemctl('stop', 'weftd.service');
  await writeState({ schema: 99 });
  await expectRefusal(6, /written by weft 9\.9\.9 .*schema 99.*WEFT_STATE_NEWER.*Install weft 9\.9\.9/);
  expect((await h1.tryWeft(['state', 'restore', '/root/backup'])).status).toBe(0);
  await expectStart();
});

it('a state of another machine, until it is adopted', async () => {
  await writeState({ machine: { id: 'f'.repeat(32), name: 'other' } });
  await expectRefusal(6, /belongs to another machine, "other".*WEFT_STATE_FOREIGN.*weft state adopt/);
  expect((await h1.tryWeft(['state', 'adopt'])).stdout).toContain('"other"');
  await expectStart();
  expect((await h1.status()).host.id).toBe('00000000-0000-4000-8000-000000000001');
});

it('a mistake in the configuration', async () => {
  await h1.configure('networks:\n  blue: { vni: 42, colour: dark }\n');
  await expectRefusal(2, 'WEFT_CONFIG', /weft\.yaml:2:.*colour/);
});

it('another weftd, which is named and goes on', async () => {
  await expectStart();
  const { pid } = await h1.status();
  const second = await h1.attempt(['/usr/lib/weft/bin/weftd', '--socket', '/run/weft/second.sock']);
  expect(second.stderr).toMatch(/WEFT_STATE_LOCKED/);
  expect(second.stderr).toContain(`PID ${pid}`);
  expect(second.status).toBe(5);
  expect((await h1.status()).pid).toBe(pid);
});

it('a weftd by hand, while the unit is started', async () => {
  await h1.write('/root/by-hand.yaml', 'docker: { plugin: off, api: off }\n');
  const byHand = '/usr/lib/weft/bin/weftd --config /root/by-hand.yaml --socket /run/first.sock';
  await h1.exec('sh', '-c', `${byHand} >/root/log 2>&1 & echo $! >/root/pid`);
  try {
    await h1.exec('sh', '-c', 'until grep -q "weftd is ready" /root/log; do sleep 0.1; done');
    await expectRefusal(5, /in use by another weftd \(PID \d+\).*WEFT_STATE_LOCKED/);
  } finally {
    await h1.exec('sh', '-c', 'kill $(cat /root/pid)');
  }
});

it('a damaged state, while Docker asks: for each question one refusal, and an answer', async () => {
  await h1.write(journal, 'garbage\n');
  await expectRefusal(6, 'WEFT_STATE_DAMAGED');
  const refusals = async () => (await h1.journal()).split('WEFT_STATE_DAMAGED').length;
  const before = await refusals();
  const ask =
    "require('net').connect('/run/docker/plugins/weft.sock').on('error', () => 0).on('close', () => process.exit(0))";
  for (const times of [1, 2]) {
    expect((await h1.attempt(['node', '-e', ask], { timeout: 30 })).status).toBe(0);
    await until('it has ended', async () => (await h1.property('ActiveState')) === 'failed', 30);
    expect(await refusals()).toBe(before + times);
  }
});

/** A weftd that hangs is ended and started again by systemd's watchdog, whichever of its threads it is that hangs. */
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { tool } from '../../lab/checkout.js';
import { killed } from '../../lab/namespace.js';
import { until } from '../../lab/wait.js';
import { openServicePair, type ServicePair } from './pair.js';

let pair: ServicePair;

beforeAll(async () => {
  pair = await openServicePair();
  // Short, for the test's sake.
  await pair.h1.edit('weftd.service', '[Service]\nWatchdogSec=3\n');
  await pair.h1.systemctl('restart', 'weftd.service');
});
afterAll(() => pair?.lab.close());

/** PID of weftd here, outside of the host. */
async function outerPid(): Promise<number> {
  const inner = await pair.h1.property('MainPID');
  const pid = readdirSync('/proc').find((entry) => {
    if (!/^\d+$/.test(entry)) return false;
    try {
      const status = readFileSync(`/proc/${entry}/status`, 'utf8');
      const sameHost = readFileSync(`/proc/${entry}/cgroup`, 'utf8').includes(`${pair.h1.namespace.name}/`);
      return sameHost && new RegExp(`^NSpid:\\s.*\\s${inner}$`, 'm').test(status);
    } catch {
      return false;
    }
  });
  if (pid === undefined) throw new Error(`no process has PID ${inner} in h1`);
  return Number(pid);
}

/** The thread of weftd with this name. */
function thread(pid: number, name: string): number {
  const tids = readdirSync(`/proc/${pid}/task`);
  const tid = tids.find((one) => readFileSync(`/proc/${pid}/task/${one}/comm`, 'utf8').trim() === name);
  if (tid === undefined) throw new Error(`weftd has no thread ${name}`);
  return Number(tid);
}

it.each([
  ['the worker', (pid: number) => thread(pid, 'weft-worker')],
  ['the event loop', (pid: number) => pid],
])('restarts weftd when %s hangs', async (_, choose) => {
  const { h1, a } = pair;
  const restarts = Number(await h1.property('NRestarts'));
  const former = await h1.property('MainPID');
  const changes = await a.sys('carrier_changes');
  const holder = h1.namespace.start([tool('hold_thread'), `${choose(await outerPid())}`], 'pipe');
  try {
    const [said] = (await once(holder.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
    expect(said.toString()).toBe('held\n');
    await until(
      'systemd has started another',
      async () => (await h1.property('NRestarts')) !== `${restarts}`,
    );
    await until('it is ready', async () => (await h1.property('ActiveState')) === 'active');
    expect(await h1.property('MainPID')).not.toBe(former);
    expect(await h1.journal()).toContain('Watchdog timeout');
    await a.reach('10.42.0.2');
    expect(await a.sys('carrier_changes')).toBe(changes);
  } finally {
    await killed(holder);
  }
});

it('restarts weftd when all of it is stopped', async () => {
  const { h1, a } = pair;
  const restarts = await h1.property('NRestarts');
  await h1.systemctl('kill', '-s', 'STOP', 'weftd.service');
  await until('systemd has started another', async () => (await h1.property('NRestarts')) !== restarts);
  await a.reach('10.42.0.2');
});

it('leaves a weftd alone that is only at rest', async () => {
  const { h1 } = pair;
  const restarts = await h1.property('NRestarts');
  const fed = async () => Number(await h1.property('WatchdogTimestampMonotonic'));
  const before = await fed();
  // Longer than the limit of 3 s.
  await until('the watchdog was fed for a while', async () => (await fed()) > before + 5_000_000);
  expect(await h1.property('NRestarts')).toBe(restarts);
});

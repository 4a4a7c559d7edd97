/** A disk of the state that does not answer: weftd says so and forwards, and systemctl ends in time. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { attempt, CommandError } from '../../lab/command.js';
import { until } from '../../lab/wait.js';
import { openServicePair, type ServicePair } from './pair.js';

let pair: ServicePair;
const state = '/var/lib/weft';

beforeAll(async () => {
  pair = await openServicePair();
});
afterAll(() => pair?.lab.close());

const property = (name: string) => pair.h1.property(name);
const inState = (script: string) => pair.h1.exec('sh', '-c', `cd ${state} && ${script}`);

/** Who opens a pipe waits for its other end, as for a network disk whose server is away. */
const hang = () => inState('mv journal kept && mkfifo journal');
/** Opened for both, so that nobody waits for a weftd that has come too late for the pipe. */
const answer = () => inState('mv journal pipe && mv kept journal && cat journal 1<>pipe && rm pipe');

async function expectLog(sentence: string): Promise<void> {
  expect(await pair.h1.journal()).toContain(sentence);
}

it('that cannot be read keeps weftd from getting ready, no frame from its way, and nobody from stopping it', async () => {
  const { h1, a } = pair;
  const changes = await a.sys('carrier_changes');
  await hang();
  await h1.systemctl('restart', '--no-block', 'weftd.service');
  await until('it says what it waits for', async () =>
    (await property('StatusText')).startsWith(`waiting for the disk of the state directory ${state}`),
  );
  await expectLog(`waits for the disk of the state directory ${state}`);
  expect(await property('ActiveState')).toBe('activating');
  expect(await a.ping('10.42.0.2')).toBe(true);
  expect(await a.sys('carrier_changes')).toBe(changes);

  await h1.systemctl('stop', 'weftd.service');
  // It ended by itself, and not because systemd lost patience.
  expect([await property('Result'), await property('ActiveState')]).toEqual(['success', 'inactive']);
  await expectLog('weftd ends while its disk does not answer');

  await h1.systemctl('start', '--no-block', 'weftd.service');
  await answer();
  await until('it is ready', async () => (await property('ActiveState')) === 'active');
  await a.reach('10.42.0.2');
  expect(await property('NRestarts')).toBe('0');
});

it('that cannot be written leaves the watchdog alone, and another weftd forwards, but writes nothing before it answers', async () => {
  const { h1, a } = pair;
  await h1.systemctl('stop', 'weftd.service');
  await mountImage();
  // Short, for the test's sake.
  await h1.edit('weftd.service', '[Service]\nWatchdogSec=3\nTimeoutStopSec=2\n');
  await h1.systemctl('start', 'weftd.service');
  await a.reach('10.42.0.2');
  const pid = await property('MainPID');
  await h1.exec('fsfreeze', '--freeze', state);
  try {
    const { stderr } = await h1.tryWeft(['network', 'create', 'late']);
    expect(stderr).toContain('its disk has not answered for 10 s');
    await until('the finding is there', async () =>
      (await h1.status()).findings.some(({ code }) => code === 'STATE_FAILED'),
    );
    expect(await a.ping('10.42.0.2')).toBe(true);
    expect([await property('MainPID'), await property('NRestarts')]).toEqual([pid, '0']);

    // No signal reaches the thread that writes, so something is left of the process until the disk answers: with the lock, for it will write.
    await h1.systemctl('restart', '--no-block', 'weftd.service');
    await until('another weftd waits', async () => {
      const waits = (await property('StatusText')).startsWith('waiting for the disk of the state directory');
      return waits && ![pid, '0'].includes(await property('MainPID'));
    });
    await a.reach('10.42.0.2');
    expect(await h1.exec('cat', `/proc/${pid}/status`)).toContain('State:\tZ');
    expect(await property('ActiveState')).toBe('activating');
  } finally {
    await h1.exec('fsfreeze', '--unfreeze', state);
  }
  await until('it is ready', async () => (await property('ActiveState')) === 'active');
  await h1.weft('network', 'create', 'after');
  // What hung may be made when the disk answers: the one that would have taken it back is dead.
  const names = (await h1.networks()).map(({ name }) => name);
  expect(names.filter((name) => name !== 'late').sort()).toEqual(['after', 'blue']);
});

/** Makes the state directory a file system of its own, with what is in it. */
async function mountImage(): Promise<void> {
  const { h1, lab } = pair;
  const image = join(lab.dir, 'state.img');
  const script = `truncate -s 16M ${image} && mkfs.ext4 -q -O ^has_journal ${image} && losetup --find --show ${image}`;
  const made = await attempt(['sh', '-c', script]);
  if (made.status !== 0) throw new CommandError([script], made, `status ${made.status}`);
  const device = made.stdout.trim();
  try {
    await h1.exec('mknod', '/dev/state', 'b', '7', device.replace('/dev/loop', ''));
    await h1.exec('cp', '-a', state, '/root/saved');
    await h1.exec('mount', '/dev/state', state);
    await h1.exec('cp', '-a', '/root/saved/.', state);
  } finally {
    // While it is mounted, it stays.
    await attempt(['losetup', '--detach', device]);
  }
}

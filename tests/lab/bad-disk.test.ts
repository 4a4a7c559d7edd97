/** Disks that are full, read-only or frozen under a weftd that runs or starts: frames go on, and every refusal says what to do. */
import type { ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Guest } from '../../lab/guest.js';
import type { Host } from '../../lab/host.js';
import { Lab } from '../../lab/lab.js';
import { killed } from '../../lab/namespace.js';
import { until } from '../../lab/wait.js';
import { networks } from './pair.js';

let lab: Lab;
let host: Host;
let guests: Guest[];
/** Holds the mount namespace in which the state directory is a file system of its own; it ends with this process. */
let holder: ChildProcess;

beforeEach(async () => {
  lab = await Lab.open();
  host = await lab.host('h1');
  guests = [await lab.guest('a'), await lab.guest('b')];
  mkdirSync(host.stateDir, { recursive: true });
  const log = openSync(join(lab.dir, 'holder.log'), 'a');
  holder = host.namespace.start(['unshare', '--mount', '--', 'sleep', 'infinity'], log);
  closeSync(log);
  await until('the mount namespace is there', () => inside('true').then(({ status }) => status === 0));
});
afterEach(async () => {
  // A file system that stays frozen could never be unmounted.
  await inside(`fsfreeze --unfreeze ${host.stateDir}`);
  await host.kill();
  await killed(holder);
  await lab.close();
});

const enter = () => ['nsenter', `--mount=/proc/${holder.pid}/ns/mnt`, '--'];
const inside = (script: string) => host.namespace.attempt([...enter(), 'sh', '-c', script]);

async function mount(script: string): Promise<void> {
  const { status, stderr } = await inside(script);
  expect(stderr).toBe('');
  expect(status).toBe(0);
}

const start = () => host.start(undefined, { wrapper: enter() });

async function startWithGuests(): Promise<void> {
  host.configure({ networks });
  await start();
  for (const [index, guest] of guests.entries())
    await host.attach(guest, 'blue', { addresses: [`10.42.0.${index + 1}/24`] });
  await expectTraffic();
}

async function expectTraffic(): Promise<void> {
  await guests[0]?.ping('10.42.0.2');
}

const create = (name: string) => host.tryWeft(['network', 'create', name]);
const stateFinding = async () => (await host.status()).findings.find(({ code }) => code === 'STATE_FAILED');
const names = async () => (await host.networks()).map(({ name }) => name).sort();

async function expectRefusal(name: string, reason: string): Promise<void> {
  const { status, stderr } = await create(name);
  expect(stderr).toContain('WEFT_STATE_UNUSABLE');
  expect(stderr).toContain(reason);
  expect(stderr).toContain('dmesg');
  expect(status).toBe(1);
}

const healed = () => until('the finding is over', async () => (await stateFinding()) === undefined, 30);

describe('a full disk', () => {
  const fill = `dd if=/dev/zero of=STATE/fill bs=1024 2>/dev/null; dd if=/dev/zero of=STATE/fill2 bs=1 2>/dev/null`;

  it('refuses changes, stops no frame and no start, and takes changes again when there is room', async () => {
    await mount(`mount -t tmpfs -o size=256k tmpfs ${host.stateDir}`);
    await startWithGuests();
    await inside(fill.replaceAll('STATE', host.stateDir));
    // What is left of the last block may still hold a change or two.
    const told: string[] = [];
    await until('the disk is full', async () => {
      const { status } = await create(`n${told.length}`);
      if (status === 0) told.push(`n${told.length}`);
      return status !== 0;
    });
    await expectRefusal('late', 'no space left');
    await until('the finding is there', async () => (await stateFinding()) !== undefined);
    await expectTraffic();

    // Another start, by crash: all that was answered is there, and forwards.
    await host.kill();
    await start();
    expect(await names()).toEqual(['blue', 'red', ...told].sort());
    await expectTraffic();
    await expectRefusal('late', 'no space left');

    await inside(`rm ${host.stateDir}/fill ${host.stateDir}/fill2`);
    await healed();
    expect((await create('after')).status).toBe(0);
    await host.kill();
    await start();
    expect(await names()).toEqual(['after', 'blue', 'red', ...told].sort());
  });
});

describe('a read-only file system', () => {
  it('of the state refuses changes, stops no frame and no start, and heals', async () => {
    await mount(`mount -t tmpfs -o size=1m tmpfs ${host.stateDir}`);
    await startWithGuests();
    await host.kill();
    await mount(`mount -o remount,ro ${host.stateDir}`);
    await start();
    await expectTraffic();
    await expectRefusal('late', 'read-only');
    await until('the finding is there', async () => (await stateFinding()) !== undefined);
    await mount(`mount -o remount,rw ${host.stateDir}`);
    await healed();
    expect((await create('after')).status).toBe(0);
    expect(await names()).toEqual(['after', 'blue', 'red']);
  });

  const attempt = (...more: string[]) =>
    host.namespace.attempt([...enter(), ...host.weftd, ...more], { timeout: 20 });

  it('keeps a host that knows nothing yet from starting, in words', async () => {
    host.configure({ networks });
    await mount(`mount -t tmpfs -o ro tmpfs ${host.stateDir}`);
    const { status, stderr } = await attempt();
    expect(stderr).toMatch(/WEFT_STATE_UNUSABLE.*Check/);
    expect(stderr).toContain('read-only');
    expect(status).toBe(1);
    const below = await attempt('--state-dir', join(host.stateDir, 'one', 'two'));
    expect(below.stderr).toContain('EROFS');
    expect(below.status).toBe(1);
  });

  it('of the socket keeps weftd from starting, in words', async () => {
    host.configure({ networks });
    const run = join(lab.dir, 'run');
    mkdirSync(run);
    await mount(`mount -t tmpfs -o ro tmpfs ${run}`);
    const { status, stderr } = await attempt('--socket', join(run, 'weft.sock'));
    expect(stderr).toMatch(/WEFT_LISTEN/);
    expect(stderr).toContain('EROFS');
    expect(status).toBe(1);
  });

  it('of the configuration is as good as any', async () => {
    host.configure({ networks });
    await mount(`mount --bind ${host.configFile} ${host.configFile}`);
    await mount(`mount -o remount,ro,bind ${host.configFile}`);
    await start();
    expect((await host.tryWeft(['reload'])).status).toBe(0);
    expect(await names()).toEqual(['blue', 'red']);
  });
});

describe('a disk that does not answer', () => {
  async function mountImage(): Promise<void> {
    const image = join(lab.dir, 'state.img');
    await mount(
      `truncate -s 16M ${image} && mkfs.ext4 -q -O ^has_journal ${image} && mount -o loop ${image} ${host.stateDir}`,
    );
  }
  const freeze = () => mount(`fsfreeze --freeze ${host.stateDir}`);
  const thaw = () => mount(`fsfreeze --unfreeze ${host.stateDir}`);

  it('has changes refused in time, stops no frame, and no refused change becomes true', async () => {
    await mountImage();
    await startWithGuests();
    await freeze();
    await expectRefusal('late', 'has not answered for 10 s');
    const began = performance.now();
    await expectRefusal('later', 'has not answered for 10 s');
    // Nobody waits for it twice.
    expect(performance.now() - began).toBeLessThan(9000);
    await until('the finding is there', async () =>
      (await stateFinding())?.message.includes('has not answered'),
    );
    await expectTraffic();

    // What a crash leaves is kept by the call that the disk does not answer, and keeps the lock: the next one waits for both.
    host.signal('SIGKILL');
    const waits = () => host.log.includes('waits for the disk of the state directory');
    await Promise.all([start(), until('it says what it waits for', waits).finally(thaw)]);
    expect((await create('after')).status).toBe(0);
    await host.kill();
    await start();
    expect(await names()).toEqual(['after', 'blue', 'red']);
    await expectTraffic();
  });

  it('is started from, when it can be read', async () => {
    await mountImage();
    await startWithGuests();
    await host.kill();
    await freeze();
    await start();
    await expectTraffic();
    await expectRefusal('late', 'has not answered');
    await thaw();
    await healed();
  });

  it('makes a first start say what it waits for, and stop when it is told to', async () => {
    host.configure({ networks });
    await mountImage();
    await freeze();
    const log = join(lab.dir, 'first.log');
    const fd = openSync(log, 'a');
    const child = host.namespace.start([...enter(), ...host.weftd], fd);
    closeSync(fd);
    await until(
      'it says so',
      () => readFileSync(log, 'utf8').includes(`waits for the disk of the state directory ${host.stateDir}`),
      40,
    );
    await thaw();
    await until('it is ready', () => readFileSync(log, 'utf8').includes('weftd is ready'), 40);
    await killed(child, 'SIGTERM');
    expect(child.exitCode).toBe(0);
  });
});

describe('a state that is not what was written', () => {
  it('is put right or refused in words, whatever was done to it', async () => {
    await startWithGuests();
    await host.stop();
    const journal = join(host.stateDir, 'journal');
    const bytes = readFileSync(journal);
    for (const offset of [5, bytes.length >> 1, bytes.length - 1]) {
      const flipped = Buffer.from(bytes);
      flipped[offset] = (flipped[offset] as number) ^ 0x04;
      writeFileSync(journal, flipped);
      await start();
      expect((await host.ports()).map(({ state }) => state)).toEqual(['up', 'up']);
      await expectTraffic();
      await host.stop();
    }
    const half = Buffer.from(bytes);
    half.fill(0x20, 60, bytes.length - 60);
    writeFileSync(journal, half);
    const { status, stderr } = await host.namespace.attempt(host.weftd, { timeout: 20 });
    expect(stderr).toMatch(/is damaged: .*WEFT_STATE_DAMAGED.*weft state restore/);
    expect(status).toBe(6);
    expect(readFileSync(journal).equals(half)).toBe(true);
  });
});

/** The observer where listing links is slow: it reads no more at once than it may, and each namespace in its turn. */
import { expect, it } from 'vitest';
import { FakeNative } from '../datapath/fake_native.js';
import type { NetnsPath } from '../datapath/kernel.js';
import { PortIntent } from '../intent/ports.js';
import { Namespaces } from './netns.js';
import { Observer } from './observer.js';
import { buildWorld } from './testing/world.js';

/** Milliseconds that it takes to list the links of one namespace here. */
const slowness = 30;

class SlowNative extends FakeNative {
  now = 0;
  readonly listed: NetnsPath[] = [];

  override links(netns: NetnsPath) {
    this.now += slowness;
    this.listed.push(netns);
    return super.links(netns);
  }

  /** What was listed while `work` ran. */
  listedBy(work: () => void): NetnsPath[] {
    this.listed.length = 0;
    work();
    return [...this.listed];
  }
}

it('reads every namespace at first sight, and later only as many at once as fit the budget, in turn', async () => {
  const native = new SlowNative();
  const { store, catalog, datapath, parts } = buildWorld({
    native,
    config: 'networks: { blue: { vni: 42 } }',
  });
  const ports = new PortIntent(parts);
  const paths = Array.from({ length: 10 }, (_, index) => `/run/netns/n${index}`);
  for (const path of paths) {
    native.makeNamespace(path);
    await ports.add({ network: 'blue', netns: path }, null, { kind: 'api', ref: 'weft' });
  }
  const proc = {
    bootId: () => 'boot-1',
    startTime: () => null,
    netnsInode: () => null,
    inhabits: () => false,
  };
  const namespaces = new Namespaces(native, proc);
  const observer = new Observer(
    { hostId: store.hostId, catalog, datapath, kernel: native, namespaces, proc },
    () => native.now,
  );
  const look = () => {
    namespaces.beginRound();
    expect(observer.observe().namespaces.size).toBe(11);
  };

  const everything = [...paths, null].sort();
  expect(native.listedBy(look).sort()).toEqual(everything);
  native.now += 5000;
  const rounds = [1, 2, 3].map(() => native.listedBy(look));
  expect(rounds.map(({ length }) => length)).toEqual([4, 4, 3]);
  expect(rounds.flat().sort()).toEqual(everything);
});

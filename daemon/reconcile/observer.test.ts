/** The observer where listing links is slow: it reads no more at once than it may, and each namespace in its turn. */
import { expect, it } from 'vitest';
import { refuse } from '../datapath/fake_engine.js';
import { FakeNative } from '../datapath/fake_native.js';
import type { NetnsPath } from '../datapath/kernel.js';
import { PortIntent } from '../intent/ports.js';
import { Namespaces } from './netns.js';
import { Observer } from './observer.js';
import { buildWorld } from './testing/world.js';

/** Milliseconds that it takes to list the links of one namespace here. */
const slowness = 5;

class SlowNative extends FakeNative {
  now = 0;
  readonly listed: NetnsPath[] = [];

  /** A path, or `all`: no list can be had of several. */
  refusing: string | null = null;

  override linksOf(paths: readonly string[]) {
    if (this.refusing === 'all') throw refuse('EAGAIN', 'thread');
    return super.linksOf(paths);
  }

  override links(netns: NetnsPath) {
    if (netns !== null && netns === this.refusing) throw refuse('ENOBUFS', 'RTM_GETLINK');
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

/** One that sees a port in each of these namespaces, and nothing remembered of them yet. */
async function observe(native: SlowNative, names: readonly string[]) {
  const config = 'networks: { blue: { vni: 42 } }';
  const { store, catalog, datapath, parts } = buildWorld({ native, config });
  const ports = new PortIntent(parts);
  for (const name of names) {
    native.makeNamespace(`/run/netns/${name}`);
    await ports.add({ network: 'blue', netns: name }, null, { kind: 'api', ref: 'weft' });
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
  return () => {
    namespaces.beginRound();
    return [...observer.observe().namespaces.values()].map(({ path }) => path).sort();
  };
}

it('reads every namespace at first sight, and later only as many at once as fit the budget, in turn', async () => {
  const native = new SlowNative();
  const names = Array.from({ length: 40 }, (_, index) => `n${index}`);
  const everything = [...names.map((name) => `/run/netns/${name}`), null].sort();
  const observed = await observe(native, names);
  const look = () => expect(observed()).toEqual(everything);

  expect(native.listedBy(look).sort()).toEqual(everything);
  native.now += 5000;
  const rounds = [1, 2, 3].map(() => native.listedBy(look));
  expect(rounds.map(({ length }) => length)).toEqual([24, 17, 0]);
  expect(rounds.flat().sort()).toEqual(everything);
});

it('leaves out a namespace whose links cannot be listed now, and no other', async () => {
  const native = new SlowNative();
  const look = await observe(native, ['n1', 'n2', 'n3']);
  const seen = (refusing: string | null) => {
    native.now += 5000;
    native.refusing = refusing;
    return look();
  };
  const all = ['/run/netns/n1', '/run/netns/n2', '/run/netns/n3', null];
  expect(seen(null)).toEqual(all);
  expect(seen('/run/netns/n2')).toEqual(all.filter((path) => path !== '/run/netns/n2'));
  expect(seen(null)).toEqual(all);
  expect(seen('all')).toEqual([null]);
});

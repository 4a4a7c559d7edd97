import { beforeEach, expect, it } from 'vitest';
import { Datapath } from '../datapath/datapath.js';
import { FakeNative } from '../datapath/fake_native.js';
import { Kept } from './kept.js';
import { type PassedFd, takeListenFds } from './listen_fds.js';

const tap = { netns: '/run/netns/one', ifname: 'eth0', mac: '02:00:00:00:00:01', mtu: 1450, addresses: [] };
const more = { alias: 'weft:h:p-1', queues: 1, tso: true, uso: true, gsoMaxSize: 1, gsoMaxSegs: 1, up: true };

let native: FakeNative;
let problems: string[];
let closed: number[];
let cookie: string;
let fd: number;

beforeEach(() => {
  native = new FakeNative();
  problems = [];
  closed = [];
  cookie = native.makeNamespace('/run/netns/one').cookie;
  [fd = 0] = native.tapCreate({ ...tap, ...more }).fds;
});

function kept(...passed: PassedFd[]): Kept {
  const made = new Kept(native, passed, (one) => closed.push(one));
  made.report((name, reason) => problems.push(`${name}: ${reason}`));
  return made;
}

const mine = (one = fd) => ({ fd: one, name: 'tap-p-1-0' });

it('gives a TAP back to its port, and keeps it on', () => {
  const store = kept(mine());
  expect(store.takePort('p-1', { alias: 'weft:h:p-1', cookie })).toEqual({ fds: [fd], pins: true });
  store.keepPort('p-1', [fd]);
  expect(native.notified).toEqual([]);
  expect([store.taken, problems, closed]).toEqual([1, [], []]);
  expect(store.takePort('p-1', { alias: 'weft:h:p-1', cookie })).toBeNull();
});

it.each([
  ['with another alias', { alias: 'weft:h:p-2' }, 'it is eth0 with alias "weft:h:p-1"'],
  ['elsewhere', { cookie: '77' }, 'eth0 is in another namespace'],
])('refuses a TAP %s', (_, other, reason) => {
  const store = kept(mine());
  expect(store.takePort('p-1', { alias: 'weft:h:p-1', cookie, ...other })).toBeNull();
  expect(problems).toEqual([`tap-p-1-0: ${reason}`]);
  expect(closed).toEqual([fd]);
  expect(native.notified).toEqual(['FDSTOREREMOVE=1\nFDNAME=tap-p-1-0']);
});

it('refuses what is no TAP, and both of two with one name', () => {
  const store = kept({ fd: 7, name: 'tap-p-2-0' }, mine(), mine(9));
  expect(store.takePort('p-1', { alias: 'weft:h:p-1', cookie })).toBeNull();
  expect(closed).toEqual([9, fd]);
  expect(store.takePort('p-2', { alias: 'weft:h:p-2', cookie })).toBeNull();
  expect(closed).toEqual([9, fd, 7]);
  expect(problems).toHaveLength(2);
});

it('leaves descriptors of others alone', () => {
  kept({ fd: 3, name: 'docker' }, { fd: 4, name: 'unknown' }).settled(new Datapath(native, use, () => {}));
  expect([closed, native.notified, problems]).toEqual([[], [], []]);
});

const use = { mergeTcp: true, mergeUdp: true };
const underlay = { ipv4: null, ipv6: null, acceptAny: false, udpGso: true, udpGro: true };

it('offers sockets before any are opened, and lets go of those that nobody uses', () => {
  const store = kept(
    { fd: 11, name: 'vtep-ipv4-4789' },
    { fd: 12, name: 'vtep-ipv4-8472' },
    { fd: 13, name: 'vtep-x' },
  );
  const datapath = new Datapath(native, use, () => {}, store);
  native.engine.sockets.set(11, { family: 'ipv4', port: 4789, fd: 11 });
  native.engine.sockets.set(12, { family: 'ipv4', port: 8472, fd: 12 });
  store.offerReceivers(datapath);
  expect(problems.map((one) => one.split(':')[0])).toEqual(['vtep-x']);
  native.notified.length = 0;
  datapath.setUnderlay({ ...underlay, ports: [4789] });
  expect(native.notified).toEqual([]);
  store.settled(datapath);
  expect(native.notified).toEqual(['FDSTOREREMOVE=1\nFDNAME=vtep-ipv4-8472']);
  expect(native.engine.offered).toEqual([]);
});

it('keeps what comes into use, and drops what goes out of it, before it is closed', () => {
  const store = kept();
  const datapath = new Datapath(native, use, () => {}, store);
  datapath.putNetwork('blue', {
    vni: 42,
    mtu: 1450,
    vlan: false,
    fdb: { age: 1, limit: 1, limitPerPort: 1, moveCount: 1, moveWindow: 1, moveFreeze: 1 },
  });
  datapath.addPort('p-1', { network: 'blue', cookie, netns: tap.netns, pins: true }, () => [fd]);
  expect([...native.stored]).toEqual([['tap-p-1-0', fd]]);
  expect(native.notified).toEqual(['FDSTORE=1\nFDNAME=tap-p-1-0\nFDPOLL=0']);
  datapath.removePort('p-1', true);
  expect([...native.stored]).toEqual([]);
});

it('goes on when the service manager cannot be told', () => {
  native.notify = () => {
    throw new Error('sendmsg NOTIFY_SOCKET: EAGAIN');
  };
  kept().keepPort('p-1', [fd]);
  expect(problems).toEqual(['tap-p-1-0: the service manager was not told: sendmsg NOTIFY_SOCKET: EAGAIN']);
});

it('reads the variables of systemd, once', () => {
  const env = { LISTEN_PID: '7', LISTEN_FDS: '3', LISTEN_FDNAMES: 'docker:tap-p-1-0', HOME: '/' };
  expect(takeListenFds(env, 7)).toEqual([
    { fd: 3, name: 'docker' },
    { fd: 4, name: 'tap-p-1-0' },
    { fd: 5, name: '' },
  ]);
  expect(env).toEqual({ HOME: '/' });
});

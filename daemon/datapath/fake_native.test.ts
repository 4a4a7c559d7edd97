import { describe, expect, it } from 'vitest';
import { Datapath } from './datapath.js';
import { FakeNative } from './fake_native.js';
import type { TapCreateOptions } from './native.js';

const tap: TapCreateOptions = {
  netns: null,
  ifname: 'weft0',
  mac: '02:00:00:00:00:01',
  mtu: 1450,
  addresses: [],
  alias: 'weft:host:one',
  queues: 1,
  tso: true,
  uso: false,
  gsoMaxSize: 61_000,
  gsoMaxSegs: 128,
  up: false,
};

const network = {
  vni: 1,
  mtu: 1450,
  vlan: false,
  fdb: { age: 300, limit: 10, limitPerPort: 10, moveCount: 5, moveWindow: 10, moveFreeze: 60 },
};

describe('a link of the fake', () => {
  it('is made down when it is asked to, and comes up where an engine moved it', () => {
    const native = new FakeNative();
    native.tapCreate(tap);
    expect(native.links(null).at(-1)).toMatchObject({ ifname: 'weft0', up: false, qdisc: 'noqueue' });

    const sandbox = native.makeNamespace('/run/netns/sandbox');
    native.moveLink(tap.alias, sandbox, 'eth0');
    expect(native.links(null).some(({ alias }) => alias === tap.alias)).toBe(false);
    expect(native.links('/run/netns/sandbox')).toMatchObject([{ ifname: 'eth0', up: true, qdisc: 'mq' }]);

    native.moveLink(tap.alias, native.own, 'weft0', false);
    expect(sandbox.links).toEqual([]);
    expect(native.links(null).at(-1)).toMatchObject({ ifname: 'weft0', up: false });
  });

  it('ends with its descriptor wherever it was moved to', () => {
    const native = new FakeNative();
    const datapath = new Datapath(native, { mergeTcp: true, mergeUdp: true }, () => {});
    datapath.putNetwork('blue', network);
    const place = { network: 'blue', cookie: native.own.cookie, netns: null, pins: false };
    datapath.addPort('one', place, () => native.tapCreate(tap).fds);
    const sandbox = native.makeNamespace();
    native.moveLink(tap.alias, sandbox, 'eth0');

    datapath.removePort('one', true);
    expect(sandbox.links).toEqual([]);
    expect(native.openFds.size).toBe(0);
  });

  it('is refused where the kernel would refuse it', () => {
    const native = new FakeNative();
    native.tapCreate(tap);
    const sandbox = native.makeNamespace();
    sandbox.links.push(native.makeLink('eth0'));
    expect(() => native.moveLink(tap.alias, sandbox, 'eth0')).toThrow('EEXIST');
    expect(() => native.moveLink('weft:host:two', sandbox, 'eth1')).toThrow('ENODEV');
    expect(native.links(null).at(-1)?.ifname).toBe('weft0');
  });
});

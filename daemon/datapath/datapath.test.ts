import { beforeEach, describe, expect, it } from 'vitest';
import { Datapath } from './datapath.js';
import { FakeNative } from './fake_native.js';

const guard = { mac: '02:00:00:00:00:01', addresses: ['10.0.0.1', 'fd00::1'] };
const place = { network: 'blue', cookie: '1', netns: null, pins: false };
const network = {
  vni: 1,
  mtu: 1450,
  vlan: false,
  fdb: { age: 300, limit: 10, limitPerPort: 10, moveCount: 5, moveWindow: 10, moveFreeze: 60 },
};

let native: FakeNative;
let datapath: Datapath;

function openFd(ifname: string): number[] {
  const alias = `weft:host:${ifname}`;
  const rest = { mtu: 1450, queues: 1, tso: true, uso: true, gsoMaxSize: 61_000, gsoMaxSegs: 128, up: true };
  return native.tapCreate({ netns: null, ifname, mac: guard.mac, addresses: [], alias, ...rest }).fds;
}

beforeEach(() => {
  native = new FakeNative();
  datapath = new Datapath(native, { mergeTcp: true, mergeUdp: true }, () => {});
  datapath.putNetwork('blue', network);
});

describe('the guard of a port', () => {
  it('reaches the engine and is remembered until the port is removed', () => {
    datapath.addPort('one', place, () => openFd('one'), guard);
    datapath.addPort('two', place, () => openFd('two'));
    expect([...native.engine.ports.values()].map((port) => port.guard)).toEqual([guard, null]);
    expect(datapath.portGuard('one')).toEqual(guard);
    expect(datapath.portGuard('two')).toBeNull();

    datapath.removePort('one', true);
    expect(datapath.portGuard('one')).toBeNull();
  });

  it('changes while the port lives, comes and goes', () => {
    datapath.addPort('one', place, () => openFd('one'));
    datapath.setGuard('one', guard);
    expect(datapath.portGuard('one')).toEqual(guard);
    expect(datapath.state().guards).toEqual(new Map([['one', guard]]));
    datapath.setGuard('one', null);
    expect(datapath.state().guards).toEqual(new Map());
    expect(native.engine.calls.slice(-2)).toEqual([`setGuard ${guard.mac}`, 'setGuard nothing']);
    expect(() => datapath.setGuard('two', guard)).toThrow('"two"');
  });

  it('has addresses without prefix, or the port is refused and its descriptor closed', () => {
    const wrong = { ...guard, addresses: ['10.0.0.1/24'] };
    expect(() => datapath.addPort('one', place, () => openFd('one'), wrong)).toThrow('EINVAL');
    expect(native.openFds.size).toBe(0);
    expect(datapath.portPlace('one')).toBeUndefined();
    expect(datapath.portGuard('one')).toBeNull();
  });

  it('is what the engine announces', () => {
    datapath.addPort('one', place, () => openFd('one'), guard);
    datapath.announce('one');
    expect(native.engine.calls.at(-1)).toBe(`announce ${guard.mac}`);
    expect(() => datapath.announce('two')).toThrow('"two"');
  });
});

describe('an address conflict', () => {
  const mac = '02:00:00:00:00:99';

  it('is told with the names of its network, its port and the place that it came from', () => {
    datapath.addPort('one', place, () => openFd('one'), guard);
    datapath.putPeer('far', {
      address: '192.0.2.1',
      port: 4789,
      zeroChecksum: false,
      offload: true,
      mtu: 1450,
    });
    const [blue] = native.engine.networks.keys();
    const [port] = native.engine.ports.keys();
    const [peer] = native.engine.peers.keys();
    if (blue === undefined || port === undefined || peer === undefined)
      throw new Error('an object is missing');
    const conflict = { type: 'address-conflict', network: blue, port, address: '10.0.0.1', mac } as const;
    native.engine.raise({ ...conflict, where: { peer } });
    native.engine.raise({ ...conflict, where: { peer: 65_535 } });
    native.engine.raise({ ...conflict, port: 65_535, where: { peer } });
    const named = { type: 'address-conflict', network: 'blue', port: 'one', address: '10.0.0.1', mac };
    expect(datapath.takeEvents()).toEqual([
      { ...named, where: { kind: 'peer', id: 'far' } },
      { ...named, where: null },
    ]);
  });
});

import { beforeEach, describe, expect, it } from 'vitest';
import { Datapath } from '../datapath/datapath.js';
import { FakeNative } from '../datapath/fake_native.js';
import type { NetworkRecord, PeerRecord, PortRecord } from '../model/objects.js';
import { FarAnswers } from './far_answers.js';
import { replyRoom } from './far_hosts.js';
import { decodeAccount, encodeQuestion, type FarQuestion } from './far_wire.js';
import { dbMac, webMac } from './snapshots.js';

const limits = { age: 300, limit: 9, limitPerPort: 9, moveCount: 5, moveWindow: 9, moveFreeze: 9 };
const networks = [
  { name: 'blue', vni: 42 },
  { name: 'red', vni: 43 },
] as NetworkRecord[];
const peers = [
  { id: 'v-1', address: '10.99.0.1' },
  { id: 'v-3', address: 'h3.example' },
] as PeerRecord[];
const db = {
  id: 'p-db',
  name: 'db',
  network: 'blue',
  mac: dbMac,
  addresses: ['10.42.0.3/24'],
} as unknown as PortRecord;
const question: FarQuestion = {
  network: 'blue',
  vni: 42,
  fromMac: webMac,
  toMac: null,
  toAddress: '10.42.0.3',
  toName: null,
};
const nowhere = { where: 'nowhere', address: null, declared: false, frozen: false, idle: 0 };

describe('what a peer is told of a way', () => {
  let native: FakeNative;
  let datapath: Datapath;
  let explain: 'on' | 'off';
  let state: 'up' | 'down';
  let link: { mac: string; addresses: string[] } | null;

  beforeEach(() => {
    native = new FakeNative();
    datapath = new Datapath(native, { mergeTcp: true, mergeUdp: true }, () => undefined);
    for (const { name, vni } of networks)
      datapath.putNetwork(name, { vni, mtu: 1400, vlan: false, fdb: limits });
    const options = { port: 4789, zeroChecksum: false, offload: true, mtu: 1450 };
    datapath.putPeer('v-1', { address: '10.99.0.1', ...options });
    datapath.putPeer('v-3', { address: '10.99.0.3', ...options });
    datapath.addPort('p-db', { network: 'blue', cookie: '1', netns: null, pins: false }, () => [7]);
    explain = 'on';
    state = 'up';
    link = null;
  });

  const ask = (changes: Partial<FarQuestion> = {}, text = encodeQuestion({ ...question, ...changes })) => {
    const answers = new FarAnswers({
      catalog: {
        networks: () => networks,
        ports: () => [db],
        peers: () => peers,
        config: { underlay: { explain } },
      } as unknown as ConstructorParameters<typeof FarAnswers>[0]['catalog'],
      datapath,
      sight: {
        linkOf: () => link as never,
        stateOf: () => state,
        namesOf: () => ['db'],
      },
    });
    const reply = answers.answer(text, 'v-1', replyRoom);
    return reply === null ? null : decodeAccount(reply);
  };
  const port = { mac: dbMac, address: '10.42.0.3', state: 'up', drop: null };

  it('is the network, the port and both MACs', () => {
    datapath.declare({ network: 'blue', mac: dbMac, where: { kind: 'port', id: 'p-db' } });
    datapath.declare({ network: 'blue', mac: webMac, where: { kind: 'peer', id: 'v-1' } });
    expect(ask()).toEqual({
      network: 'same',
      vni: null,
      mtu: 1400,
      to: { ...nowhere, where: 'port', declared: true },
      from: { ...nowhere, where: 'asker', declared: true },
      port,
      drop: null,
    });
  });

  it('is where else a MAC is', () => {
    datapath.declare({ network: 'blue', mac: webMac, where: { kind: 'peer', id: 'v-3' } });
    expect(ask()?.from).toEqual({ ...nowhere, where: 'peer', address: 'h3.example', declared: true });
    expect(ask()?.to).toEqual(nowhere);
  });

  it('is the same by address, by MAC, and by name', () => {
    const none = { toAddress: null, toMac: null, toName: null };
    for (const one of [{ toAddress: '10.42.0.3' }, { toMac: dbMac }, { toName: 'db' }])
      expect(ask({ ...none, ...one })?.port).toEqual(port);
    expect(ask(none)?.port).toBeNull();
    expect(ask({ ...none, toAddress: '10.42.0.4' })?.port).toBeNull();
    expect(ask({ ...none, toName: 'p-db' })?.port).toBeNull();
  });

  it('is what the link has now, and its state', () => {
    state = 'down';
    link = { mac: '02:00:00:00:00:09', addresses: ['10.42.0.8/24', '10.42.0.9/24'] };
    expect(ask()?.port).toBeNull();
    expect(ask({ toAddress: '10.42.0.9' })?.port).toEqual({
      ...port,
      mac: '02:00:00:00:00:09',
      address: '10.42.0.9',
      state: 'down',
    });
  });

  it('is what was dropped at the port and from the asker', () => {
    const reason = (name: string) => native.drops.findIndex((drop) => drop.name === name);
    const handle = [...native.engine.ports.keys()][0];
    const asker = [...native.engine.peers.keys()][0];
    const egress = native.drops.find(({ stage }) => stage === 'egress')?.name ?? '';
    const ingress = native.drops.find(({ stage }) => stage === 'ingress')?.name ?? '';
    native.engine.dropped.set(JSON.stringify({ port: handle }), [
      { reason: reason(ingress), frames: 1, idle: 1 },
      { reason: reason(egress), frames: 5, idle: 3 },
    ]);
    native.engine.dropped.set(JSON.stringify({ peer: asker }), [
      { reason: reason(ingress), frames: 7, idle: 2 },
    ]);
    expect(ask()).toMatchObject({
      port: { drop: { reason: egress, frames: 5, idle: 3 } },
      drop: { reason: ingress, frames: 7, idle: 2 },
    });
  });

  it('is that there is no such VNI, and which VNI the network of that name has', () => {
    expect(ask({ vni: 99 })).toMatchObject({ network: 'none', vni: 42, mtu: null, port: null });
    expect(ask({ vni: 99, network: 'green' })).toMatchObject({ network: 'none', vni: null });
    datapath.declare({ network: 'blue', mac: webMac, where: { kind: 'peer', id: 'v-1' } });
    expect(ask({ network: 'red' })).toEqual({
      ...{ network: 'renamed', vni: 43, mtu: null, drop: null },
      ...{ port: null, to: nowhere, from: nowhere },
    });
  });

  it('is nothing of another network', () => {
    expect(ask({ vni: 43, network: 'red' })).toMatchObject({ network: 'same', port: null, to: nowhere });
  });

  it('is nothing when it asks nonsense, and when that is switched off', () => {
    expect(ask({}, Buffer.from('nonsense'))).toBeNull();
    explain = 'off';
    expect(ask()).toBeNull();
  });
});

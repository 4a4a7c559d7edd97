import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Datapath } from '../datapath/datapath.js';
import { FakeNative } from '../datapath/fake_native.js';
import type { PassedFd } from './listen_fds.js';
import { ProgramFile, programPath, takeProgram } from './program.js';
import { type Problem, takeOver } from './take_over.js';

const blue = {
  vni: 42,
  mtu: 1450,
  vlan: false,
  fdb: { age: 300, limit: 10, limitPerPort: 5, moveCount: 5, moveWindow: 180, moveFreeze: 60 },
};
const peer = { address: '10.99.0.2', port: 4789, zeroChecksum: false, offload: true, mtu: 1450 };
const underlay = {
  ipv4: '10.99.0.1',
  ipv6: null,
  ports: [4789],
  acceptAny: false,
  udpGso: true,
  udpGro: true,
};
const offloads = { tso: true, uso: false, coalesceTcp: true, coalesceUdp: false };
const self = {
  host: Buffer.alloc(16, 7),
  incarnation: 2n ** 64n - 1n,
  version: [1, 2, 3],
  networks: 9n,
} as const;
const guard = { mac: '02:00:00:00:00:01', addresses: ['10.42.0.1'] };
const at = { network: 'blue', mac: '02:00:00:00:00:09', where: { kind: 'peer' as const, id: 'v-1' } };
const learned = { network: 'blue', mac: '02:00:00:00:00:01', where: { kind: 'port' as const, id: 'p-1' } };

let dir: string;
let path: string;
let native: FakeNative;
let former: Datapath;
let passed: PassedFd[];
let problems: Problem[];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'weft-program-'));
  path = join(dir, 'program.json');
  problems = [];
  native = new FakeNative();
  const { cookie } = native.makeNamespace('/run/netns/one');
  const [fd = 0] = native.tapCreate({
    ...{ netns: '/run/netns/one', ifname: 'eth0', mac: guard.mac, mtu: 1450, addresses: [] },
    ...{ alias: 'weft:h:p-1', queues: 1, tso: true, uso: true, gsoMaxSize: 1, gsoMaxSegs: 1, up: true },
  }).fds;
  former = new Datapath(native, { mergeTcp: true, mergeUdp: false, sourcePorts: 2 }, () => {});
  former.putNetwork('blue', blue);
  former.putPeer('v-1', peer);
  former.setOffloadDamage('v-1', 'they arrive in pieces');
  former.setPortOffloads(offloads);
  former.setCarryChecksum(true);
  former.setBusyPoll(false);
  former.setSelf(self);
  former.addPort('p-1', { network: 'blue', cookie, netns: '/run/netns/one', pins: true }, () => [fd], guard);
  former.declare(at);
  former.setUnderlay(underlay);
  native.engine.fdbLearn(1, learned.mac, { port: [...native.engine.ports.keys()][0] ?? 0 });
  passed = [
    { fd: 3, name: 'docker' },
    { fd, name: 'tap-p-1-0' },
    { fd: 11, name: 'vtep-ipv4-4789' },
  ];
});
afterEach(() => rmSync(dir, { recursive: true }));

const file = () =>
  new ProgramFile(
    path,
    'weft:h:',
    (withLearned) => former.program(withLearned),
    (error) => problems.push({ name: 'file', reason: String(error) }),
  );

/** The engine that is made next has these sockets. */
function successor(locked: Iterable<string> = []): ReturnType<typeof takeOver> {
  const held = [...locked];
  const Base = native.Engine;
  Object.assign(native, {
    Engine: class extends Base {
      constructor(options: ConstructorParameters<typeof Base>[0]) {
        super(options);
        native.engine.sockets.set(11, { family: 'ipv4', port: 4789, fd: 11 });
      }
    },
  });
  native.locks.clear();
  for (const name of held) native.locks.add(name);
  return takeOver(native, passed, path, problems);
}

it('goes on with all that the former one was told, and with what it had learned', () => {
  file().close();
  const taken = successor();
  expect(problems).toEqual([]);
  expect(taken?.datapath.state()).toEqual(former.state());
  expect(taken?.datapath.program(true)).toEqual(former.program(true));
  expect(taken?.datapath.program(true).learned).toEqual([learned]);
  expect(native.engine.self).toEqual(self);
  expect(native.engine.running).toBe(true);
  expect(native.engine.receivers()).toEqual([{ family: 'ipv4', port: 4789, fd: 11 }]);
  expect(native.locks.has('vtep-4789')).toBe(true);
  expect(taken?.kept.taken).toBe(1);
});

it('leaves out ports whose TAP is not theirs any more, and what points at them', () => {
  file().close();
  native.linkSet('/run/netns/one', 'eth0', { alias: 'weft:h:p-2' });
  // A TAP that is refused is closed, which a test cannot do with a false one.
  passed = passed.filter(({ name }) => name !== 'tap-p-1-0');
  const taken = successor();
  expect([...(taken?.datapath.state().ports.keys() ?? [])]).toEqual([]);
  expect(taken?.datapath.program(true).learned).toEqual([]);
  expect(taken?.datapath.state().entries).toEqual([at]);
});

it('does nothing without a program, with one of another format, or without its sockets', () => {
  expect(successor()).toBeNull();
  writeFileSync(path, JSON.stringify({ format: 0, underlay }));
  expect(successor()).toBeNull();
  file().close();
  passed = passed.filter(({ name }) => name !== 'vtep-ipv4-4789');
  expect(successor()).toBeNull();
  expect(problems).toEqual([]);
  expect(native.stored.size).toBe(0);
});

it('lets go of everything when another weftd has the port of the VTEP', () => {
  file().close();
  passed = passed.filter(({ name }) => name !== 'tap-p-1-0');
  native.lock('vtep-4789');
  expect(successor(native.locks)).toBeNull();
  expect(problems).toEqual([
    { name: 'vtep-ipv4-4789', reason: expect.stringContaining('another weftd has UDP port 4789') },
  ]);
});

it('lets go of everything when the program is nonsense', () => {
  file().close();
  const saved = JSON.parse(readFileSync(path, 'utf8'));
  writeFileSync(
    path,
    JSON.stringify({
      ...saved,
      networks: [
        ['blue', blue],
        ['red', blue],
      ],
      peers: 7,
    }),
  );
  passed = passed.filter(({ name }) => name !== 'tap-p-1-0');
  expect(successor()).toBeNull();
  expect(problems.map(({ name }) => name)).toEqual(['vtep-ipv4-4789']);
  expect(native.notified.at(-1)).toBe('FDSTOREREMOVE=1\nFDNAME=vtep-ipv4-4789');
});

it('writes a while after a change, at once at the end, and for nobody else to read', async () => {
  const written = file();
  former.watch(() => written.changed());
  former.setBusyPoll(true);
  expect(existsSync(path)).toBe(false);
  await expect.poll(() => existsSync(path)).toBe(true);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const saved = takeProgram(path);
  expect([saved?.busyPoll, saved?.learned]).toEqual([true, []]);
  expect(existsSync(path)).toBe(false);
  written.close();
  expect(takeProgram(path)?.learned).toEqual([learned]);
});

it('leaves no old program behind when a new one cannot be written', () => {
  file().close();
  mkdirSync(`${path}.new`);
  file().close();
  expect(problems).toHaveLength(1);
  expect(takeProgram(path)).toBeNull();
});

it('knows the runtime directory of systemd', () => {
  expect(programPath({ RUNTIME_DIRECTORY: '/run/weft:/run/other' })).toBe('/run/weft/program.json');
  expect(programPath({})).toBeNull();
});

it('says that the program can neither be written nor removed, and lives on', () => {
  mkdirSync(path);
  file().close();
  expect(problems.map(({ reason }) => reason)).toEqual([
    expect.stringContaining('rename'),
    expect.stringContaining('directory'),
  ]);
});

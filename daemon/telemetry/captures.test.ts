/** Which capture the engine is asked for, and what is known of those that run. */
import { pino } from 'pino';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { CaptureSchema } from '../api/schema.js';
import { FakeNative } from '../datapath/fake_native.js';
import { PeerIntent } from '../intent/peers.js';
import { PortIntent } from '../intent/ports.js';
import { buildWorld } from '../reconcile/testing/world.js';
import { Captures, type Connection } from './captures.js';

const owner = { kind: 'api', ref: 'weft' } as const;

let native: FakeNative;
let captures: Captures;
let gone: (() => void) | null;
let destroyed: number;
let world: ReturnType<typeof buildWorld>;

const connection: Connection = {
  fd: 9,
  pid: 77,
  onClose: (listener) => {
    gone = listener;
  },
  destroy: () => {
    destroyed++;
  },
};

beforeEach(async () => {
  native = new FakeNative();
  native.makeNamespace('/run/netns/c1', '/proc/1000/root/run/netns/c1');
  world = buildWorld({
    native,
    config: 'networks: { blue: { vni: 42 }, web: { vni: 43 } }',
    captureEnded: (ended) => captures.ended(ended),
  });
  await world.reconciler.settle();
  await new PortIntent(world.parts).add({ network: 'blue', netns: 'c1', name: 'web' }, 1000, owner);
  await new PeerIntent(world.parts).add({ address: '10.99.0.2' }, owner);
  gone = null;
  destroyed = 0;
  captures = new Captures({
    catalog: world.catalog,
    datapath: world.datapath,
    networkNamed: (name) => world.catalog.network(name),
    events: world.parts.events,
    log: pino({ level: 'silent' }),
    version: '1',
  });
});

const asked = () => [...native.engine.capturing.values()].at(-1);
describe('captures', () => {
  it('are of a port, with the name that people know', () => {
    captures.start({ target: 'web', kind: 'port', direction: 'in', frames: 5, seconds: 1.5 }, connection);
    expect(asked()).toMatchObject({
      fd: 9,
      target: { port: expect.any(Number) },
      in: true,
      out: false,
      filter: [],
      mostFrames: 5,
      mostBytes: 0,
      mostMilliseconds: 1500,
      interfaces: [{ where: { port: expect.any(Number) }, name: 'web' }],
    });
    expect(asked()?.preamble).toMatch(/^HTTP\/1\.1 200 OK\r\n(.+\r\n)*Weft-Capture: c-1\r\n(.+\r\n)*\r\n$/);
    const [listed] = captures.list();
    expect(CaptureSchema.parse(listed)).toMatchObject({ id: 'c-1', target: { kind: 'port' }, pid: 77 });
  });

  it('are of a peer, with an interface for each network', () => {
    captures.start({ target: '10.99.0.2' }, connection);
    expect(asked()?.target).toEqual({ peer: expect.any(Number) });
    expect(asked()?.interfaces.map(({ name }) => name)).toEqual(['10.99.0.2/blue', '10.99.0.2/web']);
  });

  it('are of a network, with its ports and all peers', () => {
    captures.start({ target: 'blue' }, connection);
    expect(asked()?.target).toEqual({ network: expect.any(Number) });
    expect(asked()?.interfaces.map(({ name }) => name)).toEqual(['web', '10.99.0.2/blue']);
  });

  it.each([
    [{ target: 'web' }, 'WEFT_CAPTURE_AMBIGUOUS'],
    [{ target: 'nothing' }, 'WEFT_CAPTURE_TARGET'],
    [{ target: 'blue', kind: 'port' as const }, 'WEFT_CAPTURE_TARGET'],
    [
      {
        target: 'blue',
        filter: { text: 'x', program: [[0xffff, 0, 0, 0] as [number, number, number, number]] },
      },
      'WEFT_INVALID',
    ],
  ])('are refused: %j', (wanted, code) => {
    expect(() => captures.start(wanted, connection)).toThrow(expect.objectContaining({ code }));
    expect(captures.list()).toEqual([]);
  });

  it('are refused of what does not forward', async () => {
    native.failures.set('tapCreate', Object.assign(new Error('no'), { code: 'EPERM', syscall: 'TUNSETIFF' }));
    native.makeNamespace('/run/netns/c2', '/proc/1000/root/run/netns/c2');
    await new PortIntent(world.parts)
      .add({ network: 'blue', netns: 'c2', name: 'late' }, 1000, owner)
      .catch(() => null);
    if (world.catalog.ports().some(({ name }) => name === 'late'))
      expect(() => captures.start({ target: 'late' }, connection)).toThrow('not in use');
  });

  it('are four at most', () => {
    for (let i = 0; i < 4; i++) captures.start({ target: 'blue' }, connection);
    expect(() => captures.start({ target: 'blue' }, connection)).toThrow('4 captures run already');
  });

  it('end with their reader, and when they are asked to', async () => {
    captures.start({ target: 'blue' }, connection);
    captures.start({ target: 'blue' }, { ...connection, onClose: () => undefined });
    gone?.();
    await vi.waitFor(() => expect(captures.list().map(({ id }) => id)).toEqual(['c-2']));
    captures.end('c-2');
    await vi.waitFor(() => expect(captures.list()).toEqual([]));
    expect(destroyed).toBe(2);
    expect(() => captures.end('c-2')).toThrow('there is no capture "c-2"');
  });

  it('end with weftd, which waits until their readers know', async () => {
    captures.start({ target: 'blue' }, connection);
    await captures.close();
    expect(native.engine.calls).toContain('endCapture weftd stops');
    expect(destroyed).toBe(1);
  });

  it('learn of ports and peers that come while they run', async () => {
    captures.start({ target: 'blue' }, connection);
    const { id } = await new PortIntent(world.parts).add({ network: 'blue', ifname: 'new0' }, null, owner);
    await new PeerIntent(world.parts).add({ address: '10.99.0.3' }, owner);
    expect(native.engine.calls).toContain(`describeCapture ${id}`);
    expect(native.engine.calls).toContain('describeCapture 10.99.0.3/blue');
  });
});

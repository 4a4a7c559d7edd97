import { once } from 'node:events';
import { describe, expect, it, vi } from 'vitest';
import type { Link, Native, NativeError } from './native.js';
import { Tap } from './tap.js';

function nativeError(code: string): NativeError {
  return Object.assign(new Error(code), { code, syscall: 'write' });
}

/** A kernel with one TAP in it, of which the test plays the wire. */
function fakeNative() {
  const link: Link = {
    ifindex: 7,
    ifname: 'tap0',
    mac: '02:00:00:00:00:01',
    mtu: 1500,
    up: true,
    carrier: true,
    alias: null,
    kind: 'tun',
    qdisc: null,
    addresses: ['10.0.0.1/24', '10.0.0.2/24', 'fd00::1/64'],
  };
  const wire = {
    paused: false,
    closed: false,
    written: [] as Uint8Array[],
    refusal: undefined as NativeError | undefined,
    frame: (_frame: Buffer): void => {},
    error: (_error: NativeError): void => {},
  };
  class RawDevice {
    readonly name = 'tap0';
    readonly ifindex = 7;
    constructor(_kind: string, _name: string | null, frame: typeof wire.frame, error: typeof wire.error) {
      wire.frame = frame;
      wire.error = error;
    }
    write(frame: Uint8Array): boolean {
      if (wire.refusal) throw wire.refusal;
      wire.written.push(frame);
      return true;
    }
    pause(): void {
      wire.paused = true;
    }
    resume(): void {
      wire.paused = false;
    }
    close(): void {
      wire.closed = true;
    }
  }
  const native = {
    RawDevice,
    links: () => [link],
    addressAdd: (_netns: null, _ifname: string, address: string) => {
      if (address === 'wrong') throw nativeError('EINVAL');
      link.addresses.push(address);
    },
    addressRemove: (_netns: null, _ifname: string, address: string) => {
      // As the kernel does without promote_secondaries: the first of a subnet takes the others along.
      const subnet = address.slice(0, address.lastIndexOf('.'));
      link.addresses = link.addresses.filter((other) => other !== address && !other.startsWith(subnet));
    },
    linkSet: vi.fn(),
  };
  return { native: native as unknown as Native, wire, link, linkSet: native.linkSet };
}

describe('Tap as a stream', () => {
  it('stops the device when 64 frames wait, and starts it when they are taken', async () => {
    const { native, wire } = fakeNative();
    const tap = new Tap('tap0', native);
    for (let i = 0; i < 63; i++) wire.frame(Buffer.of(i));
    expect(wire.paused).toBe(false);
    wire.frame(Buffer.of(63));
    expect(wire.paused).toBe(true);
    const frames: number[] = [];
    tap.on('data', (frame: Buffer) => frames.push(frame[0] ?? -1));
    await vi.waitFor(() => expect(frames).toHaveLength(64));
    expect(wire.paused).toBe(false);
  });

  it('gives frames one by one, never joined', () => {
    const { native, wire } = fakeNative();
    const tap = new Tap('tap0', native);
    wire.frame(Buffer.from('one'));
    wire.frame(Buffer.from('two'));
    expect(String(tap.read())).toBe('one');
    expect(String(tap.read())).toBe('two');
  });

  it('writes one frame a chunk, also after corking', async () => {
    const { native, wire } = fakeNative();
    const tap = new Tap('tap0', native);
    tap.cork();
    tap.write(Buffer.from('one'));
    tap.write(Buffer.from('two'));
    tap.uncork();
    await vi.waitFor(() => expect(wire.written.map(String)).toEqual(['one', 'two']));
  });

  it('fails on a refused write, but not because the link is down', async () => {
    const { native, wire } = fakeNative();
    const tap = new Tap('tap0', native);
    wire.refusal = nativeError('EIO');
    await new Promise<void>((resolve, reject) => {
      tap.write(Buffer.from('lost'), (error) => (error ? reject(error) : resolve()));
    });
    wire.refusal = nativeError('EINVAL');
    tap.write(Buffer.from('x'));
    const [error] = await once(tap, 'error').catch((thrown: unknown) => [thrown]);
    expect(error).toBe(wire.refusal);
    expect(wire.closed).toBe(true);
  });

  it('ends with the error of the device', async () => {
    const { native, wire } = fakeNative();
    const tap = new Tap('tap0', native);
    const failed = new Promise((resolve) => tap.once('error', resolve));
    wire.error(nativeError('EBADFD'));
    expect(await failed).toMatchObject({ code: 'EBADFD' });
    expect(tap.destroyed).toBe(true);
  });
});

describe('Tap properties', () => {
  it('change the link under its present name', () => {
    const { native, link, linkSet } = fakeNative();
    const tap = new Tap('tap0', native);
    link.ifname = 'renamed';
    tap.mtu = 1400;
    tap.isUp = false;
    tap.mac = '02:00:00:00:00:02';
    expect(linkSet.mock.calls).toEqual([
      [null, 'renamed', { mtu: 1400 }],
      [null, 'renamed', { up: false }],
      [null, 'renamed', { mac: '02:00:00:00:00:02' }],
    ]);
  });

  it('replace all addresses of one family', () => {
    const { native, link } = fakeNative();
    const tap = new Tap('tap0', native);
    tap.ipv4 = '10.0.0.9/24';
    expect(link.addresses).toEqual(['fd00::1/64', '10.0.0.9/24']);
    tap.ipv6 = null;
    expect(tap.ipv6).toBeNull();
    expect(tap.ipv4).toBe('10.0.0.9/24');
  });

  it('keep the former addresses when the new one is refused', () => {
    const { native } = fakeNative();
    const tap = new Tap('tap0', native);
    expect(() => {
      tap.ipv4 = 'wrong';
    }).toThrow('EINVAL');
    expect(tap.ipv4).toBe('10.0.0.1/24');
  });

  it('throw ENODEV once the device is released', () => {
    const { native, wire } = fakeNative();
    const tap = new Tap('tap0', native);
    tap.release();
    expect(wire.closed).toBe(true);
    expect(() => tap.mtu).toThrow(expect.objectContaining({ code: 'ENODEV' }));
  });
});

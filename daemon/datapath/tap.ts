/**
 * TAP and TUN devices as streams of frames.
 *
 * The shape of the API is that of the npm package tuntap2, which is gone from the registry; see docs/tap.md.
 *
 * @packageDocumentation
 */
import { Duplex } from 'node:stream';
import { loadNative } from './load.js';
import type { Link, Native, NativeError, RawDevice } from './native.js';

/** Frames that wait for a reader before the device is no longer read. */
const READ_AHEAD = 64;

/**
 * What {@link Tap} and {@link Tun} share: a Duplex stream whose every chunk, in both directions, is one frame.
 *
 * The link lives as long as the object is not released, unless it was there (persistent) before. Properties ask the kernel
 * each time, and throw a {@link NativeError} when it refuses. All of it belongs to the thread that made the object.
 */
abstract class Device extends Duplex {
  readonly isTap: boolean;
  readonly isTun: boolean;
  readonly #native: Native;
  readonly #raw: RawDevice;

  /**
   * @param name up to 15 bytes, may hold one `%d` for the first free number
   * @throws NativeError EPERM without CAP_NET_ADMIN, ENOENT without /dev/net/tun, EBUSY when another process has the device
   */
  protected constructor(kind: 'tap' | 'tun', name: string | null, native: Native) {
    super({ readableObjectMode: true, readableHighWaterMark: READ_AHEAD });
    this.isTap = kind === 'tap';
    this.isTun = kind === 'tun';
    this.#native = native;
    this.#raw = new native.RawDevice(
      kind,
      name,
      (frame) => this.#received(frame),
      (error) => this.destroy(error),
    );
  }

  /** The name of the link; follows a rename. */
  get name(): string {
    return this.link().ifname;
  }

  /** Bytes of IP. */
  get mtu(): number {
    return this.link().mtu;
  }

  set mtu(mtu: number) {
    this.#native.linkSet(null, this.name, { mtu });
  }

  /** The first IPv4 address as `10.0.0.1/24`. Setting it replaces all IPv4 addresses; null removes them. */
  get ipv4(): string | null {
    return this.link().addresses.find(isIpv4) ?? null;
  }

  set ipv4(address: string | null) {
    this.#replaceAddresses(isIpv4, address);
  }

  /** The first IPv6 address as `fd00::1/64`, link-local ones left out. Setting it replaces all of those; null removes them. */
  get ipv6(): string | null {
    return this.link().addresses.find(isIpv6) ?? null;
  }

  set ipv6(address: string | null) {
    this.#replaceAddresses(isIpv6, address);
  }

  get isUp(): boolean {
    return this.link().up;
  }

  set isUp(up: boolean) {
    this.#native.linkSet(null, this.name, { up });
  }

  /** Gives the device back; the link vanishes unless it is persistent. `close` follows, and no frame any more. */
  release(): void {
    this.destroy();
  }

  protected link(): Link {
    const link = this.#native.links(null).find(({ ifindex }) => ifindex === this.#raw.ifindex);
    if (link === undefined || this.destroyed) {
      throw Object.assign(new Error(`${this.#raw.name} is gone`), { code: 'ENODEV', syscall: 'RTM_GETLINK' });
    }
    return link;
  }

  protected changeMac(mac: string): void {
    this.#native.linkSet(null, this.name, { mac });
  }

  override _read(): void {
    this.#raw.resume();
  }

  override _write(frame: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    try {
      this.#raw.write(frame);
    } catch (error) {
      // EIO: the link is down. The frame is lost, as on a cable that is not plugged in, and the stream goes on.
      if (!isNativeError(error) || error.code !== 'EIO') {
        done(error as Error);
        return;
      }
    }
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#raw.close();
    done(error);
  }

  #received(frame: Buffer): void {
    if (!this.push(frame)) this.#raw.pause();
  }

  #replaceAddresses(ofFamily: (address: string) => boolean, wanted: string | null): void {
    const { ifname, addresses } = this.link();
    const former = addresses.filter(ofFamily);
    // Removing an address may take along others of its subnet, the new one too, so that one can only come last.
    for (const address of former) {
      if (this.link().addresses.includes(address)) this.#native.addressRemove(null, ifname, address);
    }
    if (wanted === null) return;
    try {
      this.#native.addressAdd(null, ifname, wanted);
    } catch (error) {
      for (const address of former) this.#native.addressAdd(null, ifname, address);
      throw error;
    }
  }
}

/** A TAP device: chunks are Ethernet frames from the destination MAC to the end of the payload, without checksum. */
export class Tap extends Device {
  /** @param name without one, the kernel chooses the next free `tapN` */
  constructor(name?: string, native: Native = loadNative()) {
    super('tap', name ?? null, native);
  }

  /** `aa:bb:cc:dd:ee:ff` */
  get mac(): string {
    return this.link().mac;
  }

  set mac(mac: string) {
    this.changeMac(mac);
  }
}

/** A TUN device: chunks are IP packets. */
export class Tun extends Device {
  /** @param name without one, the kernel chooses the next free `tunN` */
  constructor(name?: string, native: Native = loadNative()) {
    super('tun', name ?? null, native);
  }
}

function isIpv6(address: string): boolean {
  return address.includes(':');
}

function isIpv4(address: string): boolean {
  return !isIpv6(address);
}

function isNativeError(error: unknown): error is NativeError {
  return error instanceof Error && 'syscall' in error;
}

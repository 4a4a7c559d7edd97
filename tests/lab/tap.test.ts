import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { loadNative } from '../../daemon/datapath/load.js';
import { Tap, Tun } from '../../daemon/datapath/tap.js';

const open: (Tap | Tun)[] = [];

function openTap(name = 'wtap%d'): Tap {
  const tap = new Tap(name);
  open.push(tap);
  return tap;
}

afterEach(async () => {
  for (const device of open.splice(0)) {
    if (device.closed) continue;
    device.release();
    await once(device, 'close');
  }
});

function linkNames(): string[] {
  return loadNative()
    .links(null)
    .map(({ ifname }) => ifname);
}

/** An ARP request for `target`, as another host on the segment would send it. */
function arpRequest(source: { mac: string; ip: string }, target: string): Buffer {
  const mac = Buffer.from(source.mac.replaceAll(':', ''), 'hex');
  const ip = (text: string) => Buffer.from(text.split('.').map(Number));
  const header = Buffer.concat([Buffer.alloc(6, 0xff), mac, Buffer.from('0806', 'hex')]);
  const body = Buffer.concat([
    Buffer.from('0001080006040001', 'hex'),
    mac,
    ip(source.ip),
    Buffer.alloc(6),
    ip(target),
  ]);
  return Buffer.concat([header, body, Buffer.alloc(18)]);
}

async function frameWith(tap: Tap | Tun, matches: (frame: Buffer) => boolean): Promise<Buffer> {
  for await (const frame of tap.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    if (matches(frame)) return frame;
  }
  throw new Error('the device ended');
}

describe('Tap', () => {
  it('makes a link and shows its properties', () => {
    const tap = openTap();
    expect(tap.name).toMatch(/^wtap\d+$/);
    expect(linkNames()).toContain(tap.name);
    expect([tap.isTap, tap.isTun, tap.isUp, tap.ipv4, tap.ipv6]).toEqual([true, false, false, null, null]);
    expect(tap.mac).toMatch(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
    tap.mtu = 1400;
    tap.mac = '02:00:00:00:00:09';
    tap.ipv4 = '10.200.77.1/24';
    tap.ipv6 = 'fd77::1/64';
    tap.isUp = true;
    expect([tap.mtu, tap.mac, tap.ipv4, tap.ipv6, tap.isUp]).toEqual([
      1400,
      '02:00:00:00:00:09',
      '10.200.77.1/24',
      'fd77::1/64',
      true,
    ]);
  });

  it('replaces an address by another of the same subnet, and keeps the former when the new one is wrong', () => {
    const tap = openTap();
    tap.ipv4 = '10.200.77.1/24';
    tap.ipv4 = '10.200.77.2/24';
    expect(tap.ipv4).toBe('10.200.77.2/24');
    expect(() => {
      tap.ipv4 = '10.200.77.300/24';
    }).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    expect(tap.ipv4).toBe('10.200.77.2/24');
    tap.ipv4 = null;
    expect(tap.ipv4).toBeNull();
  });

  it('reads and writes frames', async () => {
    const tap = openTap();
    tap.ipv4 = '10.200.77.1/24';
    tap.isUp = true;
    tap.write(arpRequest({ mac: '02:00:00:00:00:02', ip: '10.200.77.2' }, '10.200.77.1'));
    const reply = await frameWith(
      tap,
      (frame) => frame.readUInt16BE(12) === 0x0806 && frame.readUInt16BE(20) === 2,
    );
    expect(reply.subarray(0, 6).toString('hex')).toBe('020000000002');
    expect(reply.subarray(6, 12).toString('hex')).toBe(tap.mac.replaceAll(':', ''));
  });

  it('loses frames that are written while the link is down, and goes on', async () => {
    const tap = openTap();
    const frame = arpRequest({ mac: '02:00:00:00:00:02', ip: '10.200.77.2' }, '10.200.77.1');
    await new Promise<void>((resolve, reject) => {
      tap.write(frame, (error) => (error ? reject(error) : resolve()));
    });
    tap.ipv4 = '10.200.77.1/24';
    tap.isUp = true;
    tap.write(frame);
    await frameWith(tap, (reply) => reply.readUInt16BE(12) === 0x0806 && reply.readUInt16BE(20) === 2);
  });

  it('delivers every frame in order to a reader that is slower than the sender', async () => {
    const tap = openTap();
    tap.ipv4 = '10.200.77.1/24';
    tap.isUp = true;
    // More than the stream, the reader and the queue between them hold, and less than the kernel does.
    const count = 600;
    execFileSync('bash', [
      '-c',
      `ip neigh add 10.200.77.9 lladdr 02:00:00:00:00:09 dev ${tap.name} nud permanent
       for ((i = 0; i < ${count}; i++)); do printf 'frame-%04d' $i > /dev/udp/10.200.77.9/9; done`,
    ]);
    const numbers: number[] = [];
    for await (const frame of tap.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      const payload = frame.toString('latin1', 42);
      if (!payload.startsWith('frame-')) continue;
      numbers.push(Number(payload.slice(6, 10)));
      if (numbers.length === count) break;
      if (numbers.length % 100 === 0) await stat('/');
    }
    expect(numbers).toEqual(Array.from({ length: count }, (_, i) => i));
  });

  it('occupies no thread of the libuv pool: four idle devices do not block fs', async () => {
    for (let i = 0; i < 4; i++) openTap().resume();
    const answer = await Promise.race([
      stat('/').then(() => 'answered'),
      delay(20_000, 'blocked', { ref: false }),
    ]);
    expect(answer).toBe('answered');
  });

  it('release removes the link and ends the stream', async () => {
    const tap = openTap();
    const { name } = tap;
    tap.release();
    await once(tap, 'close');
    expect(linkNames()).not.toContain(name);
    expect(() => tap.mtu).toThrow(expect.objectContaining({ code: 'ENODEV' }));
    tap.release();
  });

  it('reports a link that somebody else removes', async () => {
    const tap = openTap();
    tap.resume();
    execFileSync('ip', ['link', 'del', tap.name]);
    const [error] = await once(tap, 'error').catch((thrown: unknown) => [thrown]);
    expect(error).toMatchObject({ code: 'EBADFD', syscall: 'read' });
  });

  it('refuses names that the kernel refuses', () => {
    expect(() => new Tap('sixteen-bytes-xx')).toThrow(
      expect.objectContaining({ code: 'EINVAL', syscall: 'TUNSETIFF' }),
    );
    const tap = openTap();
    expect(() => new Tap(tap.name)).toThrow(expect.objectContaining({ code: 'EBUSY' }));
  });
});

describe('Tun', () => {
  it('reads IP packets', async () => {
    const tun = new Tun('wtun%d');
    open.push(tun);
    tun.ipv4 = '10.200.78.1/24';
    tun.isUp = true;
    expect([tun.isTap, tun.isTun]).toEqual([false, true]);
    execFileSync('bash', ['-c', 'printf hello > /dev/udp/10.200.78.2/9']);
    const packet = await frameWith(tun, (data) => data[0] === 0x45 && data.readUInt16BE(22) === 9);
    expect(packet.subarray(28).toString()).toBe('hello');
  });
});

describe('the addon and the life of its environment', () => {
  const addon = new URL('../../build/native/weft.node', import.meta.url).pathname;
  const script = (body: string) => `const { RawDevice } = require(${JSON.stringify(addon)}); ${body}`;
  const run = (body: string) =>
    spawnSync(process.execPath, ['-e', script(body)], { encoding: 'utf8', timeout: 50_000 });

  it('exits cleanly with open devices that have frames under way', () => {
    const body = `
      const device = new RawDevice('tap', 'wtap%d', () => {}, () => {});
      require('node:child_process').execFileSync('ip', ['link', 'set', device.name, 'up']);
      setImmediate(() => process.exit(7));`;
    expect(run(body)).toMatchObject({ status: 7, signal: null, stderr: '' });
  });

  it('keeps the process alive while a device is open, and lets it go afterwards', () => {
    const body = `
      const device = new RawDevice('tap', 'wtap%d', () => {}, () => {});
      setTimeout(() => { console.log('still here'); device.close(); }, 50).unref();`;
    expect(run(body)).toMatchObject({ status: 0, signal: null, stdout: 'still here\n' });
  });

  it('makes an exception of a listener an uncaughtException and goes on', () => {
    const body = `
      process.on('uncaughtException', (error) => console.log(error.message));
      let frames = 0;
      const device = new RawDevice('tap', 'wtap%d', () => {
        frames += 1;
        if (frames === 1) throw new Error('from the listener');
        device.close();
      }, () => {});
      require('node:child_process').execFileSync('ip', ['link', 'set', device.name, 'up']);`;
    expect(run(body)).toMatchObject({ status: 0, signal: null, stdout: 'from the listener\n' });
  });

  it('works in several workers, and survives their end', async () => {
    const body = script(`
      const { parentPort } = require('node:worker_threads');
      const device = new RawDevice('tap', 'wtap%d', () => {}, () => {});
      parentPort.postMessage(device.name);`);
    const workers = [0, 1, 2].map(() => new Worker(body, { eval: true }));
    const names = (await Promise.all(workers.map((worker) => once(worker, 'message')))).map(([name]) => name);
    expect(new Set(names).size).toBe(3);
    expect(linkNames()).toEqual(expect.arrayContaining(names));
    await Promise.all(workers.map((worker) => worker.terminate()));
    expect(linkNames()).not.toEqual(expect.arrayContaining([names[0]]));
  });
});

import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { thisMachine } from './machine.js';

describe('this machine', () => {
  it('runs a program, gives what it says, and tells one that is not there', async () => {
    const script = 'echo out; echo err >&2; exit 3';
    expect(await thisMachine.run(['sh', '-c', script])).toEqual({
      status: 3,
      stdout: 'out\n',
      stderr: 'err\n',
    });
    expect(await thisMachine.run(['weft-no-such-program'])).toBeNull();
  });

  it('ends a program that takes too long', async () => {
    expect(await thisMachine.run(['sleep', '600'], 0.1)).toMatchObject({ status: null });
  });

  it('is not kept by a program that is not there', () => {
    const file = fileURLToPath(new URL('machine.ts', import.meta.url));
    const script = `const { thisMachine } = await import(${JSON.stringify(file)}); await thisMachine.run(['weft-no-such-program'], 600);`;
    const words = ['--import', 'tsx', '--input-type=module', '-e', script];
    // It would throw when its time were over.
    execFileSync(process.execPath, words, { timeout: 50_000, stdio: 'ignore' });
  });

  it('hears what it sends to itself, and is told of a port that is taken', async () => {
    const other = createSocket('udp4');
    await new Promise<void>((bound) => other.bind(0, '127.0.0.1', bound));
    const { port } = other.address();
    await expect(thisMachine.receive('127.0.0.1', port)).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await new Promise<void>((closed) => other.close(closed));
    const receiver = await thisMachine.receive('127.0.0.1', port);
    await thisMachine.sendDatagrams('127.0.0.1', port, new Uint8Array(60), 5);
    while (receiver.received < 5) await thisMachine.wait(10);
    receiver.close();
    expect(receiver.received).toBe(5);
  });

  it('tells what a path is without following it', () => {
    const directory = mkdtempSync(join(tmpdir(), 'weft-machine-'));
    try {
      symlinkSync('/nowhere', join(directory, 'link'));
      expect(thisMachine.stat(directory).kind).toBe('directory');
      expect(thisMachine.stat(join(directory, 'link')).kind).toBe('other');
      expect(thisMachine.stat('/dev/null').kind).toBe('character device');
      expect(thisMachine.space(directory).freeBytes).toBeGreaterThan(0);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

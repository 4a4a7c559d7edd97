import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from './load.js';
import { largestFile, readConfigFile } from './read_file.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'weft-config-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

describe('a configuration file that is none', () => {
  it('may be endless, a FIFO, or a directory', () => {
    const fifo = join(directory, 'fifo');
    execFileSync('mkfifo', [fifo]);
    for (const [file, reason] of [
      ['/dev/zero', 'not a regular file'],
      [fifo, 'not a regular file'],
      [directory, 'is a directory'],
      [join(directory, 'absent'), 'no such file'],
    ] as const)
      expect(() => loadConfig(file, false)).toThrow(`cannot read ${file}: ${reason}`);
    expect(() => loadConfig('/dev/zero', true)).toThrow('not a regular file');
  });

  it('is read up to the limit only', () => {
    const file = join(directory, 'f.yaml');
    writeFileSync(file, '#'.repeat(largestFile));
    expect(readConfigFile(file)).toEqual({ text: '#'.repeat(largestFile) });
    writeFileSync(file, '#'.repeat(largestFile + 1));
    expect(readConfigFile(file)).toEqual({ problem: 'larger than 1048576 bytes' });
  });

  it.each([[[0xff, 0xfe, 0x61]], [[0x61, 0, 0x62]]])('is refused once when it holds %j', (bytes) => {
    const file = join(directory, 'f.yaml');
    writeFileSync(file, Buffer.from([...bytes, ...bytes]));
    expect(() => loadConfig(file, false)).toThrow(/^the configuration is not valid: [^\n]*: not UTF-8 text$/);
  });
});

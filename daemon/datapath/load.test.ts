import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requireAddon } from './load.js';

describe('requireAddon', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'weft-load-'));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  it('says which file is missing, in one line', () => {
    const file = join(folder, 'weft.node');
    expect(() => requireAddon(file)).toThrow(
      expect.objectContaining({
        code: 'WEFT_ADDON',
        message: expect.stringMatching(`^[^\n]*${file}[^\n]*$`),
      }),
    );
  });

  it('says that a file is no addon', () => {
    const file = join(folder, 'broken.node');
    writeFileSync(file, 'not ELF');
    expect(() => requireAddon(file)).toThrow(expect.objectContaining({ code: 'WEFT_ADDON' }));
  });
});

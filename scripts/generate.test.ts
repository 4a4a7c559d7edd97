import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { generatedFiles, parseDrops } from './generated.js';

const root = fileURLToPath(new URL('..', import.meta.url));

describe('generated files', () => {
  it.each([...generatedFiles(root)])('%s is what scripts/generate.ts writes', (file, content) => {
    expect(readFileSync(join(root, file), 'utf8')).toBe(content);
  });

  it('lose no line of the drop table', () => {
    expect(() => parseDrops('WEFT_DROP(runt, guest, unquoted)')).toThrow('drops.def:1');
  });
});

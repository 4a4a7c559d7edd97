/**
 * Writes the files that are made from code: `npx tsx scripts/generate.ts`. scripts/generate.test.ts fails when one of them is stale.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { generatedFiles } from './generated.js';

const root = fileURLToPath(new URL('..', import.meta.url));
for (const [file, content] of generatedFiles(root)) {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), content);
}

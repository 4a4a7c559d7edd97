/**
 * Writes an installation below a folder: `node dist/scripts/package/stage.js DESTINATION [--node auto|bundle|system] [--version VERSION]
 * [--system FOLDER]`. With --system the files outside of the release go below that folder. Prints the name of the release.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readVersion } from '../../daemon/version.js';
import { chooseNode } from './node-binary.js';
import { makeRelease, stripped } from './release.js';
import { systemFiles, writeSystemFiles } from './system-files.js';

const wishes = ['auto', 'bundle', 'system'] as const;

async function main(): Promise<void> {
  const string = { type: 'string' } as const;
  const { values, positionals } = parseArgs({
    options: { node: string, version: string, system: string },
    allowPositionals: true,
  });
  const [destination] = positionals;
  const wish = wishes.find((one) => one === (values.node ?? 'auto'));
  if (destination === undefined || wish === undefined)
    throw new Error('usage: stage DESTINATION [--node auto|bundle|system]');
  const root = fileURLToPath(new URL('../../..', import.meta.url));
  const node = chooseNode(wish, process.execPath);
  process.umask(0o022);
  mkdirSync(destination, { recursive: true });
  const addon = stripped(join(root, 'build/native/weft.node'), 'strip', destination);
  const release = makeRelease(
    {
      root,
      modulesRoot: root,
      addon,
      version: values.version ?? readVersion(),
      node,
      target: { cpu: process.arch, abi: node.bundled ? process.versions.modules : null },
    },
    destination,
  );
  rmSync(addon);
  writeSystemFiles(await systemFiles(root), values.system ?? destination);
  process.stdout.write(`${release}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`weft: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});

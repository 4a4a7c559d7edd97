import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WeftError } from '../errors.js';
import type { Native } from './native.js';

let loaded: Native | undefined;

/**
 * The native addon, loaded at the first call. Throws {@link WeftError} WEFT_ADDON when it is not built or does not fit this
 * machine.
 */
export function loadNative(): Native {
  loaded ??= requireAddon(join(packageRoot(), 'build', 'native', 'weft.node'));
  return loaded;
}

/** @param file absolute path of the shared object */
export function requireAddon(file: string): Native {
  try {
    return createRequire(import.meta.url)(file) as Native;
  } catch (error) {
    // Node puts its require stack behind the first line.
    const [reason = 'unknown'] = (error instanceof Error ? error.message : String(error)).split('\n');
    throw new WeftError('WEFT_ADDON', { reason }, { cause: error });
  }
}

/** The sources and the compiled files lie at different depths below it. */
function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json')) && folder !== dirname(folder)) folder = dirname(folder);
  return folder;
}

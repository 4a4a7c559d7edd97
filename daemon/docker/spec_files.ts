/** Files by which Docker finds a plugin when its socket is not there (docker/cli, docs/extend/plugin_api.md). */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

export const specDirectories: readonly string[] = ['/etc/docker/plugins', '/usr/lib/docker/plugins'];

/** Below each directory, in the order in which Docker looks for them. */
export function specFileNames(driver: string): string[] {
  return [`${driver}.spec`, join(driver, `${driver}.spec`), `${driver}.json`, join(driver, `${driver}.json`)];
}

/** Those that exist, in the order in which Docker looks for them. */
export function specFiles(driver: string, directories: readonly string[]): string[] {
  return directories
    .flatMap((directory) => specFileNames(driver).map((file) => join(directory, file)))
    .filter((file) => existsSync(file));
}
